"""Requests, and what comes back."""

from __future__ import annotations

import asyncio

from behaviours import MODEL, Package, no_later_system, quick, staged
from llama_index.core.base.llms.types import (
    ChatMessage,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

from .fixtures import HELLO, WEATHER, awaited, shows

# -- asking ---------------------------------------------------------------------------------------


@shows("the eight endpoints")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        assert llm.chat(HELLO).message.content
        assert llm.complete("x").text
        assert list(llm.stream_chat(HELLO))[-1].message.content
        assert list(llm.stream_complete("x"))[-1].text

        async def run() -> None:
            assert (await llm.achat(HELLO)).message.content
            assert (await llm.acomplete("x")).text
            assert (await awaited(llm.astream_chat(HELLO)))[-1].message.content
            assert (await awaited(llm.astream_complete("x")))[-1].text

        asyncio.run(run())


@shows("several event loops in turn")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        for _ in range(3):
            assert asyncio.run(llm.achat(HELLO)).message.content


@shows("agents may use it as it comes")
def _(package: Package) -> None:
    with staged(package) as stage:
        bare = (package.bare or package.make)(stage.url, MODEL)
        assert bare.metadata.is_function_calling_model
        assert bare.metadata.is_chat_model


@shows("no tools, no `tools` on the wire")
def _(package: Package) -> None:
    with staged(package) as stage:
        stage.llm().chat_with_tools([], "hello")
        assert not {"tools", "tool_choice"} & stage.bodies[-1].keys()


@shows("a caller's history is not changed")
def _(package: Package) -> None:
    with staged(package) as stage:
        history = [ChatMessage("hi")]
        stage.llm().chat_with_tools([WEATHER], "and?", chat_history=history)
        assert len(history) == 1


@shows("a later system message for who takes only a first")
def _(package: Package) -> None:
    with staged(package, quick(objects=no_later_system)) as stage:
        stage.llm().chat([*HELLO, ChatMessage(role=MessageRole.SYSTEM, content="end")])


# -- what comes back ------------------------------------------------------------------------------


@shows("tokens counted in streams")
def _(package: Package) -> None:
    with staged(package) as stage:
        tokens = TokenCountingHandler(tokenizer=str.split)
        responses = list(stage.llm(callback_manager=CallbackManager([tokens])).stream_chat(HELLO))
        usage = dict(responses[-1].raw or {}).get("usage")
        assert usage is not None, "no usage in the stream"
        total = usage["total_tokens"] if isinstance(usage, dict) else usage.total_tokens
        assert tokens.total_llm_token_count == total


@shows("thinking as blocks and `thinking_delta`")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        responses = list(stage.llm().stream_chat(HELLO))
        assert isinstance(responses[-1].message.blocks[0], ThinkingBlock)
        thought = "".join(r.additional_kwargs.get("thinking_delta") or "" for r in responses)
        assert thought == "The user wants an answer, so I will give one."


@shows("… none of it lost in asynchronous streams")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        responses = asyncio.run(awaited(stage.llm().astream_chat(HELLO)))
        thought = "".join(r.additional_kwargs.get("thinking_delta") or "" for r in responses)
        assert thought == "The user wants an answer, so I will give one."


@shows("`reasoning_details` return to their writer")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        answer = list(stage.llm().stream_chat(HELLO))[-1].message
        stage.llm().chat([*HELLO, answer, ChatMessage("and?")])
        assert stage.bodies[-1]["messages"][1].get("reasoning_details")
        assert not stage.refused


@shows("`<think>` is split off the text")
def _(package: Package) -> None:
    with staged(package, quick(says=lambda _: "<think>hm</think>\n\nHello.")) as stage:
        assert stage.llm().complete("x").text == "Hello."


@shows("histories with tool calls and thoughts of other integrations")
def _(package: Package) -> None:
    calls = ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[
            ThinkingBlock(content="hm"),
            TextBlock(text="I look"),
            ToolCallBlock(tool_call_id="c1", tool_name="get_weather", tool_kwargs={"city": "Rome"}),
        ],
    )
    result = ChatMessage(
        role=MessageRole.TOOL, content="sunny", additional_kwargs={"tool_call_id": "c1"}
    )
    with staged(package) as stage:
        stage.llm().chat([*HELLO, calls, result])
        assert not stage.refused, stage.refused
