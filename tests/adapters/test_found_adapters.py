"""What reviews found in the two adapters, so that it stays mended."""

from __future__ import annotations

import asyncio
import copy
import json
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import (
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelPermissionDeniedError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessage, HumanMessage, InvalidToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.rate_limiter import TokenBucketRateLimiter

from freerouter_core import ChatRequest, Router, errors
from freerouter_core.routing.answer_check import check_answer
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.message import merge_reasoning_details
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.tool_pairing import CALL_NOT_RUN
from langchain_freerouter import ChatFreeRouter
from langchain_freerouter.outputs import to_message
from llamaindex_freerouter import FreeRouter
from llamaindex_freerouter.responses import to_response

from ..frameworks import (
    Person,
    langchain_model,
    langchain_weather,
    llamaindex_model,
    llamaindex_weather,
)

PROMPT = PromptTemplate("Tell of {who}, 33")


# -- LangChain -------------------------------------------------------------------------------------------------------


def test_a_providers_id_is_not_the_messages() -> None:
    """LangGraph replaces messages by their ids, and some servers give every answer the same."""
    assert to_message(Answer(text="x", id="always-this"), {"id": "always-this"}).id is None
    with World([SimModel("a/m:free")]) as world:
        agent = create_agent(
            langchain_model(world),
            [langchain_weather],
            checkpointer=InMemorySaver(),
            name="my agent <1>",
        )
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        for _ in range(2):
            state = agent.invoke({"messages": [HumanMessage("get_weather in Rome")]}, thread)

        assert len({message.id for message in state["messages"]}) == len(state["messages"]) == 8
        assert not any(seen.problem for seen in world.requests)
        names = {
            m["name"] for seen in world.requests for m in seen.body["messages"] if m.get("name")
        }
        assert names == {"my_agent_1_"}


@pytest.mark.parametrize("says", ["no json at all", '{"name": "Anna", "age": "old"}'])
@pytest.mark.parametrize("way", ["invoke", "stream", "astream", "streaming", "batch"])
def test_include_raw_raises_on_no_path(way: str, says: str) -> None:
    with World(
        [
            SimModel(
                "a/m:free", says=lambda _: says, tools=False, structured=False, json_object=False
            )
        ]
    ) as world:
        llm = langchain_model(
            world, max_retries=0, streaming=way == "streaming"
        ).with_structured_output(Person, include_raw=True)

        async def run() -> Any:
            return reduce(add, [part async for part in llm.astream("Anna")])

        ways: dict[str, Any] = {
            "invoke": lambda: llm.invoke("Anna"),
            "streaming": lambda: llm.invoke("Anna"),
            "stream": lambda: reduce(add, llm.stream("Anna")),
            "astream": lambda: asyncio.run(run()),
            "batch": lambda: llm.batch(["Anna"])[0],
        }
        got = ways[way]()

        assert says.startswith(str(got["raw"].content)[:9])
        assert got["parsed"] is None or way in ("stream", "astream")
        assert got["parsing_error"] is not None


def test_include_raw_streams_a_growing_object() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world).with_structured_output(
            Person.model_json_schema() | {"title": "Person"}, include_raw=True
        )
        parts = list(llm.stream("A person named Anna, 33"))
        grown = [part["parsed"] for part in parts if part.get("parsed")]

        assert len(grown) > 1
        assert grown[-1] == {"name": "Anna", "age": 33}
        assert parts[-1]["parsing_error"] is None


def test_a_failure_is_not_cached() -> None:
    says = iter(["no json", '{"name": "Anna", "age": 33}'])
    with World(
        [
            SimModel(
                "a/m:free",
                says=lambda _: next(says),
                tools=False,
                structured=False,
                json_object=False,
            )
        ]
    ) as world:
        llm = langchain_model(world, max_retries=0, cache=InMemoryCache()).with_structured_output(
            Person, include_raw=True
        )

        assert llm.invoke("Anna")["parsing_error"] is not None
        assert llm.invoke("Anna")["parsed"] == Person(name="Anna", age=33)


def test_the_cache_knows_whom_the_environment_prefers(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = InMemoryCache()
    with World([SimModel("a/m:free"), SimModel("b/m:free")]) as world:
        for name in ("a/m:free", "b/m:free"):
            monkeypatch.setenv("OPENROUTER_DEFAULT_MODEL", name)
            langchain_model(world, cache=cache).invoke("hello")

        assert world.asked == ["a/m:free", "b/m:free"]


def test_calls_that_were_never_run_are_answered_or_left_out() -> None:
    call = {"name": "get_weather", "args": {}, "id": "c1"}
    broken: InvalidToolCall = {
        "type": "invalid_tool_call",
        "name": "get_weather",
        "args": "{",
        "id": "c2",
        "error": "no JSON",
    }
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        llm.invoke(
            [
                HumanMessage("x"),
                AIMessage("", tool_calls=[call], invalid_tool_calls=[broken]),
                HumanMessage("again"),
            ]
        )
        first = world.requests[0].body["messages"]
        llm.invoke(
            [
                HumanMessage("x"),
                AIMessage(content_blocks=[broken]),
                ToolMessage("no", tool_call_id="c2"),
            ]
        )
        second = world.requests[1].body["messages"]
        llm.invoke(
            [HumanMessage("x"), ToolMessage("sunny", tool_call_id="trimmed"), HumanMessage("so?")]
        )

        assert [c["id"] for c in first[1]["tool_calls"]] == ["c1"]
        assert first[2] == {"role": "tool", "tool_call_id": "c1", "content": CALL_NOT_RUN}
        assert [c["id"] for c in second[1]["tool_calls"]] == ["c2"]
        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [({"type": "any"}, "required"), ({"type": "auto"}, "auto"), ({"type": "none"}, "none")],
)
def test_tool_choices_of_anthropics_kind(choice: dict[str, Any], sent: str) -> None:
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).bind_tools([langchain_weather], tool_choice=choice).invoke(
            "get_weather in Rome"
        )
        llamaindex_model(world).chat_with_tools(
            [llamaindex_weather], "get_weather in Rome", tool_choice=choice
        )

        assert [seen.body["tool_choice"] for seen in world.requests] == [sent, sent]
    with World([SimModel("a/m:free")]) as world, pytest.raises(errors.BadRequest):
        langchain_model(world).bind_tools([langchain_weather], tool_choice={"type": "never"})


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("refused", ModelConnectionError),
        ("cut", ModelConnectionError),
        ("408", ModelTimeoutError),
        ("400-invalid", ModelInvalidRequestError),
    ],
)
def test_errors_say_what_all_attempts_had_in_common(fault: str, kind: type[ModelError]) -> None:
    with World([SimModel("a/m:free", script=[fault] * 9)]) as world, pytest.raises(kind) as caught:
        langchain_model(world, max_retries=1).invoke("x")

    assert caught.value.is_retryable is (fault != "400-invalid")
    assert isinstance(caught.value, errors.FreeRouterError)


def test_a_refusal_is_always_a_denied_permission_too() -> None:
    script = ["403-moderation"] * 9
    with (
        World([SimModel("a/m:free", script=script)]) as world,
        pytest.raises(ModelPermissionDeniedError),
    ):
        langchain_model(world).invoke("x")


# -- tool calls in pieces --------------------------------------------------------------------------------------------


def piece(**call: Any) -> dict[str, Any]:
    return {"id": "gen-1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


PIECES: list[tuple[str, list[dict[str, Any]]]] = [
    ("no id", [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]),
    (
        "a late name",
        [
            {"index": 0, "id": "c1", "function": {}},
            {"index": 0, "function": {"name": "f", "arguments": "{}"}},
        ],
    ),
    (
        "a late id",
        [
            {"index": 0, "function": {"name": "f", "arguments": "{"}},
            {"index": 0, "id": "c1", "function": {"arguments": "}"}},
        ],
    ),
    (
        "one id for two",
        [{"index": n, "id": "c1", "function": {"name": "f", "arguments": "{}"}} for n in (0, 1)],
    ),
]


@pytest.mark.parametrize(("how", "calls"), PIECES, ids=[how for how, _ in PIECES])
def test_pieces_and_the_whole_tell_the_same(how: str, calls: list[dict[str, Any]]) -> None:
    assembler = Assembler("m")
    deltas = [assembler.feed(piece(**call)) for call in calls]
    fragments = [fragment for delta in deltas if delta for fragment in delta.fragments]
    whole = assembler.answer().tool_calls
    ids = [f.id for f in fragments if f.id]
    names = [f.name for f in fragments if f.name]

    assert ids == [call.id for call in whole]
    assert names == [call.name for call in whole]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(ident, str) and ident for ident in ids)


def test_signed_thoughts_stay_apart() -> None:
    text = {"type": "reasoning.text", "index": 0}
    stream = [
        text | {"text": "A1 "},
        text | {"text": "A2"},
        text | {"signature": "s1"},
        text | {"text": "B1", "index": 1},
        text | {"signature": "s2", "index": 1},
    ]

    assert [(d["text"], d["signature"]) for d in merge_reasoning_details(stream)] == [
        ("A1 A2", "s1"),
        ("B1", "s2"),
    ]


@pytest.mark.parametrize("streaming", [True, False])
def test_agents_by_pieces(streaming: bool) -> None:
    async def run() -> str:
        return str(
            await FunctionAgent(tools=[llamaindex_weather], llm=llm, streaming=streaming).run(
                "get_weather in Paris"
            )
        )

    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world, tool_streaming="fragments")

        assert "Paris: sunny" in asyncio.run(run())
        assert not any(seen.problem for seen in world.requests)


def test_ids_that_return_in_every_turn_are_told_apart() -> None:
    call = {"name": "get_weather", "args": {}, "id": "call_0"}
    turn = [
        HumanMessage("x"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("sunny", tool_call_id="call_0"),
    ]
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).invoke([*turn, *turn])
        sent = world.requests[0].body["messages"]
        ids = [c["id"] for m in sent for c in m.get("tool_calls") or ()]

        assert len(set(ids)) == 2
        assert ids == [m["tool_call_id"] for m in sent if m["role"] == "tool"]


# -- LlamaIndex ------------------------------------------------------------------------------------------------------


def test_pictures_that_a_model_made_are_not_shown_to_it() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    message = to_response(Answer(text="look", images=(picture,)), {}).message
    sound = to_response(
        Answer(audio={"id": "1", "data": "aGk=", "transcript": "hello"}), {}
    ).message
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat(
            [ChatMessage("x"), message, ChatMessage("y"), sound, ChatMessage("z")]
        )

        assert [m["content"] for m in world.requests[0].body["messages"]] == [
            "x",
            "look",
            "y",
            "hello",
            "z",
        ]
    assert any(isinstance(block, ImageBlock) for block in message.blocks)
    assert sound.content == "hello"


def test_read_back_it_is_the_same_to_a_cache() -> None:
    for llm in (
        FreeRouter(),
        FreeRouter(
            capabilities=("tools",), fallback_models=("a/b:free",), providers=["openrouter"]
        ),
    ):
        assert FreeRouter.from_json(llm.to_json()).to_dict() == llm.to_dict()


def test_a_router_is_part_of_the_identity() -> None:
    strict, free = FreeRouter(router=Router(model="a/b:free", min_context=9)), FreeRouter()

    assert strict.to_dict() != free.to_dict()
    json.dumps(strict.to_dict())
    assert FreeRouter.from_dict(strict.to_dict()).router == strict.router


def test_a_class_judges_what_its_schema_is_too_strict_for() -> None:
    answer = '{"name": "Anna", "age": "33"}'
    with World(
        [
            SimModel(
                "a/m:free", says=lambda _: answer, tools=False, structured=False, json_object=False
            )
        ]
    ) as world:
        assert llamaindex_model(world).structured_predict(Person, PROMPT, who="Anna").age == 33
        assert langchain_model(world).with_structured_output(Person).invoke("Anna").age == 33
        assert len(world.requests) == 2
        with pytest.raises(errors.Exhausted):
            langchain_model(world, max_retries=0).with_structured_output(
                Person.model_json_schema() | {"title": "P"}
            ).invoke("Anna")


def test_copies_share_a_limiter() -> None:
    llm = FreeRouter(rate_limiter=TokenBucketRateLimiter(requests_per_minute=60))

    assert copy.deepcopy(llm).rate_limiter is llm.rate_limiter
    assert llm.model_copy(deep=True).rate_limiter is llm.rate_limiter


def test_no_call_where_none_was_to_be() -> None:
    call = {"id": "c1", "function": {"name": "get_weather", "arguments": "{}"}}
    message = {"role": "assistant", "content": "No need.", "tool_calls": [call]}
    request = ChatRequest(
        [{"role": "user", "content": "x"}],
        tools=[llamaindex_weather.metadata.to_openai_tool()],
        tool_choice="none",
    )
    spoken = check_answer(
        request, read_answer({"choices": [{"message": message, "finish_reason": "stop"}]}), 0.0
    )
    silent = check_answer(
        request, read_answer({"choices": [{"message": message | {"content": None}}]}), 0.0
    )

    assert (spoken.fault, spoken.answer.tool_calls, spoken.answer.text) == (None, (), "No need.")
    assert silent.fault is not None
    assert silent.fault.cause == "uninvited-call"


def test_strict_is_the_tools_own() -> None:
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat_with_tools([llamaindex_weather], "x", strict=False)

        assert world.requests[0].body["tools"][0]["function"]["strict"] is False
        assert "strict" not in world.requests[0].body


OLD: list[list[ChatMessage]] = [
    [
        ChatMessage(
            role="assistant",
            blocks=[ToolCallBlock(tool_call_id="c", tool_name="f", tool_kwargs={})],
        ),
        ChatMessage(role="tool", content="r"),
    ],
    [
        ChatMessage(
            role="assistant",
            content="",
            additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}},
        ),
        ChatMessage(role="function", content="r", additional_kwargs={"name": "f"}),
    ],
    [
        ChatMessage(
            role="assistant",
            content="",
            additional_kwargs={"tool_calls": [{"toolUseId": "t", "name": "f", "args": {"a": 1}}]},
        ),
        ChatMessage(role="tool", content="r", additional_kwargs={"tool_call_id": "t"}),
    ],
    [
        ChatMessage(
            role="assistant",
            blocks=[ToolCallBlock(tool_call_id="c", tool_name="f", tool_kwargs="[1]")],
        )
    ],
    [ChatMessage(role="tool", content="an orphan", additional_kwargs={"tool_call_id": "gone"})],
]


@pytest.mark.parametrize("history", OLD)
def test_odd_histories_become_requests(history: list[ChatMessage]) -> None:
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat([ChatMessage("x"), *history, ChatMessage("and?")])

        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra_body": 3},
        {"tool_choice": 3, "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": 3},
    ],
)
def test_wrong_values_are_bad_requests(wrong: dict[str, Any]) -> None:
    with World([SimModel("a/m:free")]) as world, pytest.raises(errors.BadRequest):
        llamaindex_model(world).chat([ChatMessage(blocks=[TextBlock(text="x")])], **wrong)


@pytest.mark.parametrize("wrong", [{"providers": 3}, {"router": 3}])
def test_wrong_options_are_said_at_once(wrong: dict[str, Any]) -> None:
    for kind in (FreeRouter, ChatFreeRouter):
        with pytest.raises(errors.BadSetting):
            kind(**wrong)
