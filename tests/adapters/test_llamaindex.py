"""The LlamaIndex contract: endpoints, events, agents, engines, structured output, serialization."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections import Counter
from collections.abc import AsyncIterable, Awaitable
from typing import Any, Generic, TypeVar

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel

from freerouter_core import Provider, errors
from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter

from ..frameworks import Person, collect, llamaindex_model, llamaindex_weather
from ..inspection import comes_to_rest, health_of

T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    value: T


class Tree(BaseModel):
    v: int
    kids: list[Tree] = []


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD = FunctionTool.from_defaults(add)
PROMPT = PromptTemplate("Tell of {who}, 33")
HELLO = [ChatMessage("hello")]


async def collected(stream: Awaitable[AsyncIterable[T]]) -> list[T]:
    return await collect(await stream)


def all_eight(llm: FreeRouter) -> dict[str, Any]:
    """The last response of each endpoint."""
    return {
        "chat": llm.chat(HELLO),
        "achat": asyncio.run(llm.achat(HELLO)),
        "stream_chat": list(llm.stream_chat(HELLO))[-1],
        "astream_chat": asyncio.run(collected(llm.astream_chat(HELLO)))[-1],
        "complete": llm.complete("hello"),
        "acomplete": asyncio.run(llm.acomplete("hello")),
        "stream_complete": list(llm.stream_complete("hello"))[-1],
        "astream_complete": asyncio.run(collected(llm.astream_complete("hello")))[-1],
    }


class Counting(BaseEventHandler):
    counts: Any = None

    def handle(self, event: Any, **_: Any) -> None:
        self.counts[type(event).__name__] += 1


def test_eight_endpoints_fire_their_events_once_and_count_tokens() -> None:
    handler, tokens = Counting(counts=Counter()), TokenCountingHandler(tokenizer=str.split)
    dispatcher = get_dispatcher("root")
    dispatcher.add_event_handler(handler)
    try:
        with World([SimModel("a/m:free")]) as world:
            answers = all_eight(llamaindex_model(world, callback_manager=CallbackManager([tokens])))
    finally:
        dispatcher.event_handlers.remove(handler)

    for name, count in (("Start", 4), ("End", 4)):
        assert handler.counts[f"LLMChat{name}Event"] == count
        assert handler.counts[f"LLMCompletion{name}Event"] == count
    used = [answer.raw["usage"] for answer in answers.values()]
    assert tokens.total_llm_token_count == sum(usage["total_tokens"] for usage in used)
    assert {answer.raw["freerouter"]["model_name"] for answer in answers.values()} == {"a/m:free"}


def test_streams_are_cumulative_and_their_deltas_strings() -> None:
    with World([SimModel("a/m:free", reasoning=True)]) as world:
        responses = list(llamaindex_model(world).stream_chat(HELLO))
    text = ""
    for response in responses:
        assert isinstance(response.delta, str)
        text += response.delta
        assert (response.message.content or "") == text
    thinking, *others = responses[-1].message.blocks
    thoughts = "".join(r.additional_kwargs.get("thinking_delta", "") for r in responses)

    assert isinstance(thinking, ThinkingBlock)
    assert [type(block) for block in others] == [TextBlock]
    assert thoughts == thinking.content


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("kind", [FunctionAgent, AgentWorkflow])
def test_agents(kind: Any, streaming: bool) -> None:
    async def run(llm: FreeRouter) -> str:
        agent = FunctionAgent(tools=[llamaindex_weather], llm=llm, streaming=streaming)
        workflow = AgentWorkflow(agents=[agent]) if kind is AgentWorkflow else agent
        return str(await workflow.run("What is the weather in Paris?"))

    with World(
        [SimModel("a/m:free", script=["empty", "429-upstream"]), SimModel("b/m:free")]
    ) as world:
        assert "Paris: sunny" in asyncio.run(run(llamaindex_model(world)))
        assert not any(seen.problem for seen in world.requests)


def test_react_agent() -> None:
    says = iter(
        [
            'Thought: I need it.\nAction: get_weather\nAction Input: {"city": "Paris"}\n',
            "Thought: I can answer.\nAnswer: sunny",
        ]
    )

    async def run(llm: FreeRouter) -> str:
        return str(await ReActAgent(tools=[llamaindex_weather], llm=llm).run("Weather in Paris?"))

    with World([SimModel("a/m:free", says=lambda body: next(says))]) as world:
        assert asyncio.run(run(llamaindex_model(world))) == "sunny"


def test_query_engine() -> None:
    with World([SimModel("a/m:free", script=["empty"]), SimModel("b/m:free")]) as world:
        engine = SummaryIndex.from_documents(
            [Document(text="The bridge opened in 1998. It is long.")]
        ).as_query_engine(llm=llamaindex_model(world))

        assert str(engine.query("When was the bridge opened?")) == "The bridge opened in 1998."


FORMS = [
    {},
    {"structured": False},
    {"structured": False, "tool_choice": False},
    {"structured": False, "tools": False, "json_object": False},
]


@pytest.mark.parametrize("flags", FORMS)
def test_structured_four_ways_over_four_kinds_of_model(flags: dict[str, Any]) -> None:
    with World([SimModel("a/m:free", **flags)]) as world:
        llm = llamaindex_model(world, system_prompt="Be brief.")
        got = [
            llm.structured_predict(Person, PROMPT, who="Anna"),
            asyncio.run(llm.astructured_predict(Person, PROMPT, who="Anna")),
            list(llm.stream_structured_predict(Person, PROMPT, who="Anna"))[-1],
            asyncio.run(collected(llm.astream_structured_predict(Person, PROMPT, who="Anna")))[-1],
            llm.as_structured_llm(Person).complete("Tell of Anna, 33").raw,
        ]

        assert got == [Person(name="Anna", age=33)] * 5
        assert all(
            "Be brief." in seen.body["messages"][0]["content"] for seen in world.requests[:4]
        )
        assert not any(seen.problem for seen in world.requests)


def test_structured_streams_grow_and_end_validated() -> None:
    with World([SimModel("a/m:free")]) as world:
        parts = list(llamaindex_model(world).stream_structured_predict(Person, PROMPT, who="Anna"))
    known = [sum(value is not None for value in part.model_dump().values()) for part in parts]

    assert known == sorted(known)
    assert type(parts[-1]) is Person


@pytest.mark.parametrize("flags", FORMS)
def test_generic_and_recursive_models(flags: dict[str, Any]) -> None:
    with World([SimModel("a/m:free", **flags)]) as world:
        llm = llamaindex_model(world)

        assert llm.structured_predict(Box[int], PROMPT, who="x").value == 33
        assert isinstance(llm.structured_predict(Tree, PROMPT, who="x"), Tree)
        assert not any(seen.problem for seen in world.requests)


def test_structured_calls_are_serialisable_in_events() -> None:
    seen: list[str] = []

    class Keeping(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            if type(event).__name__ == "LLMChatStartEvent":
                seen.append(event.model_dump_json())

    handler = Keeping()
    get_dispatcher("root").add_event_handler(handler)
    try:
        with World([SimModel("a/m:free")]) as world:
            llamaindex_model(world).structured_predict(Person, PROMPT, who="Anna")
    finally:
        get_dispatcher("root").event_handlers.remove(handler)

    assert len(seen) == 1


def test_response_format_may_be_a_class() -> None:
    with World([SimModel("a/m:free")]) as world:
        answer = llamaindex_model(world).chat([ChatMessage("Anna, 33")], response_format=Person)

        assert Person.model_validate_json(answer.message.content or "").age == 33
        with pytest.raises(errors.BadRequest):
            llamaindex_model(world).chat(HELLO, response_format=3)


def test_tools_four_ways() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm, history = llamaindex_model(world), [ChatMessage("hi")]
        responses = [
            llm.chat_with_tools([ADD], "add 3 and 4", chat_history=history),
            asyncio.run(llm.achat_with_tools([ADD], "add 3 and 4")),
            list(llm.stream_chat_with_tools([ADD], "add 3 and 4"))[-1],
            asyncio.run(collected(llm.astream_chat_with_tools([ADD], "add 3 and 4")))[-1],
        ]
        for response in responses:
            (call,) = llm.get_tool_calls_from_response(response)
            assert (call.tool_name, call.tool_kwargs) == ("add", {"a": 3, "b": 4})
            json.dumps(response.message.additional_kwargs["tool_calls"])

        assert len(history) == 1
        assert str(llm.predict_and_call([ADD], "add 3 and 4")) == "7"
        assert llm.chat_with_tools([], "hello").message.content
        assert "tools" not in world.requests[-1].body
        with pytest.raises(ValueError, match="at least one"):
            llm.get_tool_calls_from_response(llm.chat(HELLO))


def test_required_and_named_tools_and_at_most_one() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world)
        llm.chat_with_tools([ADD, llamaindex_weather], "x", tool_required=True)
        llm.chat_with_tools([ADD, llamaindex_weather], "x", tool_choice="get_weather")
        both = "add 3 and 4 and get_weather in Paris"
        one = [
            llm.chat_with_tools([ADD, llamaindex_weather], both),
            list(llm.stream_chat_with_tools([ADD, llamaindex_weather], both))[-1],
        ]
        two = list(
            llm.stream_chat_with_tools(
                [ADD, llamaindex_weather], both, allow_parallel_tool_calls=True
            )
        )[-1]

        assert world.requests[0].body["tool_choice"] == "required"
        assert world.requests[1].body["tool_choice"]["function"]["name"] == "get_weather"
        assert [len(llm.get_tool_calls_from_response(r)) for r in (*one, two)] == [1, 1, 2]


def test_tools_with_names_no_endpoint_takes() -> None:
    tools = [FunctionTool.from_defaults(add, name=name) for name in ("math.add", "加法", "乘法")]

    async def run(llm: FreeRouter) -> str:
        agent = FunctionAgent(tools=[*tools[:1]], llm=llm, initial_tool_choice="math.add")
        return str(await agent.run("3 and 4"))

    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world)
        response = llm.chat_with_tools(tools, "3 and 4", tool_choice="乘法")

        assert llm.get_tool_calls_from_response(response)[0].tool_name == "乘法"
        assert "7" in asyncio.run(run(llm))
        assert not any(seen.problem for seen in world.requests)


HISTORIES: list[Any] = [
    {"blocks": [ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs={"a": 1})]},
    {"blocks": [ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs='{"a": 1}')]},
    {"blocks": [ToolCallBlock(tool_call_id=None, tool_name="add", tool_kwargs={"a": 1})]},
    {
        "additional_kwargs": {
            "tool_calls": [{"id": "c", "function": {"name": "add", "arguments": '{"a": 1}'}}]
        }
    },
    {"additional_kwargs": {"tool_calls": [{"id": "c", "name": "add", "input": {"a": 1}}]}},
]


@pytest.mark.parametrize("made", HISTORIES)
def test_histories_of_other_integrations(made: dict[str, Any]) -> None:
    call = ChatMessage(role=MessageRole.ASSISTANT, **made)
    result = ChatMessage("1", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c"})
    stray = ChatMessage("so", role=MessageRole.ASSISTANT, additional_kwargs={"tool_call_id": "c"})
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat([*HELLO, call, result, stray])
        sent = world.requests[0].body["messages"][1]["tool_calls"][0]

        assert (sent["id"], sent["function"]) == ("c", {"name": "add", "arguments": '{"a": 1}'})


def test_media_choose_models() -> None:
    blocks = [
        TextBlock(text="what?"),
        ImageBlock(image=b"\x89PNG\r\n\x1a\n00", image_mimetype="image/png"),
    ]
    models = [
        SimModel("a/blind:free", context=900_000),
        SimModel("b/m:free", inputs=("text", "image", "audio", "file")),
    ]
    with World(models) as world:
        llm = llamaindex_model(world)
        llm.chat([ChatMessage(blocks=blocks)])
        llm.chat([ChatMessage(blocks=[AudioBlock(audio=b"RIFF", format="wav")])])
        llm.chat(
            [
                ChatMessage(
                    blocks=[
                        DocumentBlock(
                            data=b"%PDF", title="a.pdf", document_mimetype="application/pdf"
                        )
                    ]
                )
            ]
        )
        llm.chat(
            [
                ChatMessage(
                    blocks=[
                        DocumentBlock(
                            url="https://x.test/a.pdf", document_mimetype="application/pdf"
                        )
                    ]
                )
            ]
        )

        assert world.asked == ["b/m:free"] * 4
        assert not any(seen.problem for seen in world.requests)


def test_the_context_promise() -> None:
    models = [SimModel("a/small:free", context=16_000), SimModel("b/kept:free", context=32_768)]
    with World(models) as world:
        llm = llamaindex_model(world)
        llm.complete("hello")
        llm.complete(
            "considerable " * 9_900
        )  # what a helper packs into the promise by a real tokenizer

        assert world.asked == ["b/kept:free"] * 2
        assert llm.metadata.context_window == 32_768
        with pytest.raises(errors.NoCandidates, match="min_context"):
            FreeRouter(router=world.router(min_context=99_000)).complete("x")


def test_nothing_written_down_holds_a_key_and_everything_loads() -> None:
    llm = FreeRouter(
        api_key="sk-secret", temperature=0.2, providers=[Provider("openrouter", api_key="sk-other")]
    )
    text = llm.to_json() + str(llm.to_dict()) + repr(llm) + str(llm.to_payload())
    again = FreeRouter.from_dict(llm.to_dict())

    assert "sk-" not in text
    assert again.temperature == 0.2
    assert again.to_dict() == llm.to_dict()
    assert llm.to_payload()["temperature"] == 0.2
    assert FreeRouter().to_payload()["temperature"] is not None


def test_copies_and_pickles() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world)
        llm.complete("x")

        assert copy.deepcopy(llm).complete("y").text.endswith("y")
        assert len(world.requests) == 2
    keyed = FreeRouter(api_key="sk-kept", model="a/m:free")
    again = pickle.loads(pickle.dumps(keyed))

    assert (again.api_key, again.model) == ("sk-kept", "a/m:free")
    assert again._router == keyed._router


def test_settings_and_loops() -> None:
    with World([SimModel("a/m:free")]) as world:
        Settings.llm = llamaindex_model(world)

        assert [asyncio.run(Settings.llm.acomplete(str(n))).text[-1] for n in range(3)] == [
            "0",
            "1",
            "2",
        ]


def test_closing_a_stream_early_is_no_failure_of_the_model() -> None:
    with World([SimModel("a/m:free", speed=20.0)], clock="real") as world:
        stream = llamaindex_model(world).stream_chat([ChatMessage(content="a long story " * 500)])
        next(stream)
        stream.close()

        assert comes_to_rest(world.runtime)
        health = health_of(world.runtime, "a/m:free")
        assert health.failures == health.answers == 0


@pytest.mark.parametrize("paid", [{"plugins": [{"id": "web"}]}, {"models": ["a/paid"]}])
def test_nothing_paid_passes_as_a_keyword(paid: dict[str, Any]) -> None:
    with World([SimModel("a/m:free")]) as world:
        for llm, kwargs in (
            (llamaindex_model(world), paid),
            (llamaindex_model(world, additional_kwargs=paid), {}),
        ):
            with pytest.raises(errors.BadRequest):
                llm.chat(HELLO, **kwargs)

        assert world.requests == []
