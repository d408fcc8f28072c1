"""What users of LlamaIndex rely on, tried on one package: `python llamaindex_side.py FreeRouter`."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from typing import Any

from behaviours import MODEL, Behaviours, failing, quick, raises, staged
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

KEY = "sk-side-by-side-secret"
HELLO = [ChatMessage("hello")]
shows = Behaviours()


def free_router(url: str, model: str, **options: Any) -> Any:
    from freerouter_core import Provider
    from llamaindex_freerouter import FreeRouter

    return FreeRouter(
        model=model, providers=[Provider("openrouter", url, KEY, limits=[])], **options
    )


CAREFUL = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 32_768}
"""What a careful user sets where it is not so by itself."""


def bare_openai_like(url: str, model: str, **options: Any) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(model=model, api_base=url, api_key=KEY, **options)


def openai_like(url: str, model: str, **options: Any) -> Any:
    return bare_openai_like(url, model, **CAREFUL, **options)


def bare_openrouter(url: str, model: str, **options: Any) -> Any:
    from llama_index.llms.openrouter import OpenRouter

    return OpenRouter(model=model, api_base=url, api_key=KEY, **options)


def openrouter(url: str, model: str, **options: Any) -> Any:
    return bare_openrouter(url, model, **CAREFUL, **options)


openai_like.bare = bare_openai_like  # type: ignore[attr-defined]
openrouter.bare = bare_openrouter  # type: ignore[attr-defined]


def litellm(url: str, model: str, **options: Any) -> Any:
    from llama_index.llms.litellm import LiteLLM

    return LiteLLM(model=f"openrouter/{model}", api_base=url, api_key=KEY, **options)


PACKAGES = {
    "FreeRouter": free_router,
    "OpenAILike": openai_like,
    "OpenRouter": openrouter,
    "LiteLLM": litellm,
}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sunny"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


WEATHER, MULTIPLY = FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(multiply)
PROMPT = PromptTemplate("Tell of a person named {who}, 33")


async def awaited(stream: Any) -> list[Any]:
    return [item async for item in await stream]


# -- asking ----------------------------------------------------------------------------------------------------------


@shows("the eight endpoints")
def _(make: Any) -> None:
    with staged(make) as stage:
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
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        for _ in range(3):
            assert asyncio.run(llm.achat(HELLO)).message.content


@shows("agents may use it as it comes")
def _(make: Any) -> None:
    with staged(make) as stage:
        bare = getattr(make, "bare", make)(stage.url, MODEL)
        assert bare.metadata.is_function_calling_model
        assert bare.metadata.is_chat_model


@shows("no tools, no `tools` on the wire")
def _(make: Any) -> None:
    with staged(make) as stage:
        stage.llm().chat_with_tools([], "hello")
        assert not {"tools", "tool_choice"} & stage.bodies[-1].keys()


@shows("a caller's history is not changed")
def _(make: Any) -> None:
    with staged(make) as stage:
        history = [ChatMessage("hi")]
        stage.llm().chat_with_tools([WEATHER], "and?", chat_history=history)
        assert len(history) == 1


@shows("a later system message for who takes only a first")
def _(make: Any) -> None:
    def objects(body: Any) -> str | None:
        return (
            "System message must be at the beginning."
            if any(m["role"] == "system" for m in body["messages"][1:])
            else None
        )

    with staged(make, quick(objects=objects)) as stage:
        stage.llm().chat([*HELLO, ChatMessage(role=MessageRole.SYSTEM, content="end")])


# -- what comes back -------------------------------------------------------------------------------------------------


@shows("tokens counted in streams")
def _(make: Any) -> None:
    with staged(make) as stage:
        tokens = TokenCountingHandler(tokenizer=str.split)
        responses = list(stage.llm(callback_manager=CallbackManager([tokens])).stream_chat(HELLO))
        usage = dict(responses[-1].raw or {}).get("usage")
        assert usage is not None, "no usage in the stream"
        total = usage["total_tokens"] if isinstance(usage, dict) else usage.total_tokens
        assert tokens.total_llm_token_count == total


@shows("thinking as blocks and `thinking_delta`")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        responses = list(stage.llm().stream_chat(HELLO))
        assert isinstance(responses[-1].message.blocks[0], ThinkingBlock)
        thought = "".join(r.additional_kwargs.get("thinking_delta") or "" for r in responses)
        assert thought == "The user wants an answer, so I will give one."


@shows("… none of it lost in asynchronous streams")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        responses = asyncio.run(awaited(stage.llm().astream_chat(HELLO)))
        thought = "".join(r.additional_kwargs.get("thinking_delta") or "" for r in responses)
        assert thought == "The user wants an answer, so I will give one."


@shows("`reasoning_details` return to their writer")
def _(make: Any) -> None:
    with staged(make, quick(reasoning=True)) as stage:
        said = list(stage.llm().stream_chat(HELLO))[-1].message
        stage.llm().chat([*HELLO, said, ChatMessage("and?")])
        assert stage.bodies[-1]["messages"][1].get("reasoning_details")
        assert not stage.refused


@shows("`<think>` is split off the text")
def _(make: Any) -> None:
    with staged(make, quick(says=lambda _: "<think>hm</think>\n\nHello.")) as stage:
        assert stage.llm().complete("x").text == "Hello."


@shows("histories with tool calls and thoughts of other integrations")
def _(make: Any) -> None:
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
    with staged(make) as stage:
        stage.llm().chat([*HELLO, calls, result])
        assert not stage.refused, stage.refused


# -- tools -----------------------------------------------------------------------------------------------------------


@shows("several tool calls, whole and streamed")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        asked = "get_weather in Rome, and multiply 3 by 4"
        tools = [WEATHER, MULTIPLY]
        whole = llm.chat_with_tools(tools, asked, allow_parallel_tool_calls=True)
        streamed = list(llm.stream_chat_with_tools(tools, asked, allow_parallel_tool_calls=True))[
            -1
        ]
        for response in (whole, streamed):
            calls = {c.tool_name: c.tool_kwargs for c in llm.get_tool_calls_from_response(response)}
            assert calls == {"get_weather": {"city": "Rome"}, "multiply": {"a": 3, "b": 4}}


@shows("FunctionAgent streams text and thoughts")
def _(make: Any) -> None:
    async def run(llm: Any) -> tuple[str, list[Any]]:
        handler = FunctionAgent(tools=[WEATHER], llm=llm).run("get_weather in Paris")
        events = [
            event async for event in handler.stream_events() if isinstance(event, AgentStream)
        ]
        return str(await handler), events

    with staged(make, quick(reasoning=True)) as stage:
        answer, events = asyncio.run(run(stage.llm()))
        assert "sunny" in answer
        assert "".join(event.thinking_delta or "" for event in events)


@shows("ReActAgent")
def _(make: Any) -> None:
    says = iter(
        [
            'Thought: I look.\nAction: get_weather\nAction Input: {"city": "Paris"}',
            "Thought: I know.\nAnswer: sunny",
        ]
    )

    async def run(llm: Any) -> str:
        return str(await ReActAgent(tools=[WEATHER], llm=llm).run("Weather in Paris?"))

    with staged(make, quick(says=lambda _: next(says))) as stage:
        assert asyncio.run(run(stage.llm())) == "sunny"


@shows("tool-call ids as Mistral demands them")
def _(make: Any) -> None:
    def objects(body: Any) -> str | None:
        ids = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or ()]
        return (
            None
            if all(len(i) == 9 and i.isalnum() for i in ids)
            else "Tool call id must have a length of 9"
        )

    calls = ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[
            ToolCallBlock(
                tool_call_id="call_0123456789",
                tool_name="get_weather",
                tool_kwargs={"city": "Rome"},
            )
        ],
    )
    result = ChatMessage(
        role=MessageRole.TOOL,
        content="sunny",
        additional_kwargs={"tool_call_id": "call_0123456789"},
    )
    with staged(make, quick("mistralai/devstral:free", objects=objects)) as stage:
        stage.llm("mistralai/devstral:free").chat([*HELLO, calls, result])


# -- structured output -----------------------------------------------------------------------------------------------


@shows("structured_predict, its async twin and streams")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        got = [
            llm.structured_predict(Person, PROMPT, who="Anna"),
            asyncio.run(llm.astructured_predict(Person, PROMPT, who="Anna")),
            list(llm.stream_structured_predict(Person, PROMPT, who="Anna"))[-1],
        ]
        assert [person.age for person in got] == [33, 33, 33]


@shows("… with the system prompt in each")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm(system_prompt="Be brief.")
        llm.structured_predict(Person, PROMPT, who="Anna")
        asyncio.run(llm.astructured_predict(Person, PROMPT, who="Anna"))
        assert all("Be brief." in str(body["messages"][0]["content"]) for body in stage.bodies)


@shows("JSON that came fenced, or after `<think>`, from a model without tools")
def _(make: Any) -> None:
    answer = '<think>easy</think>Here:\n```json\n{"name": "Anna", "age": 33}\n```'
    with staged(
        make, quick(tools=False, structured=False, json_object=False, says=lambda _: answer)
    ) as stage:
        assert stage.llm().structured_predict(Person, PROMPT, who="Anna").age == 33


@shows("the caller's `llm_kwargs` are not changed")
def _(make: Any) -> None:
    with staged(make) as stage:
        given = {"tool_choice": "auto"}
        stage.llm().structured_predict(Person, PROMPT, llm_kwargs=given, who="Anna")
        assert given == {"tool_choice": "auto"}


# -- failures --------------------------------------------------------------------------------------------------------


@shows("another model answers where one is limited, empty, gone or broken")
def _(make: Any) -> None:
    for fault in ("429-upstream", "empty", "404-gone", "error-in-200", "choices-empty", "502"):
        with failing(make, *[fault] * 9) as stage:
            assert stage.llm(max_retries=3).complete("hi").text, fault


@shows("… in streams, before anything was shown")
def _(make: Any) -> None:
    for fault in ("429-upstream", "empty", "stream-error-before", "stream-error-empty-choices"):
        with failing(make, *[fault] * 9) as stage:
            assert list(stage.llm(max_retries=3).stream_complete("hi"))[-1].text, fault


@shows("a stream that breaks is an error, not a short answer")
def _(make: Any) -> None:
    for fault in ("mid-stream-error", "mid-stream-finish-error", "mid-stream-cut"):
        with staged(make, quick(script=[fault] * 9)) as stage:
            raises(
                Exception,
                lambda stage=stage: list(stage.llm(max_retries=0).stream_complete("hi"))[-1],
            )


@shows("an empty answer is not taken for one")
def _(make: Any) -> None:
    with staged(make, quick(script=["empty"] * 99)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).complete("hi"))


@shows("an error in a 200 says what it was")
def _(make: Any) -> None:
    with staged(make, quick(script=["error-in-200"] * 99)) as stage:
        assert "Too Many Requests" in str(
            raises(Exception, lambda: stage.llm(max_retries=0).complete("hi"))
        )


@shows("`max_retries=0` asks once")
def _(make: Any) -> None:
    with staged(make, quick(script=["429-upstream"] * 50)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).complete("hi"))
        assert len(stage.bodies) == 1, f"{len(stage.bodies)} requests"


@shows("an agent in a storm")
def _(make: Any) -> None:
    async def run(llm: Any) -> str:
        return str(await FunctionAgent(tools=[WEATHER], llm=llm).run("get_weather in Paris"))

    with failing(make, "empty", "429-upstream", "truncated-tool", "502") as stage:
        assert "sunny" in asyncio.run(run(stage.llm()))


# -- being a component -----------------------------------------------------------------------------------------------


@shows("a window wide enough that a query is one call")
def _(make: Any) -> None:
    with staged(make) as stage:
        SummaryIndex.from_documents(
            [Document(text="word " * 900) for _ in range(4)]
        ).as_query_engine(llm=stage.llm()).query("what?")
        assert len(stage.bodies) == 1, f"{len(stage.bodies)} calls"


@shows("pickled and deep-copied after use")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        llm.complete("hi")
        assert pickle.loads(pickle.dumps(llm)).complete("hi").text
        assert copy.deepcopy(llm).complete("hi").text


@shows("`to_dict`, `to_json` and `repr` without its key")
def _(make: Any) -> None:
    with staged(make) as stage:
        llm = stage.llm()
        assert KEY not in json.dumps(llm.to_dict()) + llm.to_json() + repr(llm)


@shows("events carry a model and a temperature")
def _(make: Any) -> None:
    with staged(make) as stage:
        payload = stage.llm().to_payload()
        assert payload.get("model")
        assert payload.get("temperature") is not None


if __name__ == "__main__":
    shows.main(PACKAGES)
