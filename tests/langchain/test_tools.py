"""Tools bound to a `ChatFreeRouter`: whom they reach, and the calls that come back."""

from __future__ import annotations

import pytest
from langchain_core.exceptions import (
    ModelInvalidRequestError,
)
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    InvalidToolCall,
    ToolMessage,
)
from langchain_core.tools import tool

from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.tool_pairing import CALL_NOT_RUN
from langchain_freerouter import ChatFreeRouter

from ..frameworks import (
    chunks_of,
    langchain_model,
    langchain_weather,
    merged,
)


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def test_only_models_that_support_the_tools_are_asked() -> None:
    models = [
        SimModel("a/none:free", context=900_000, tools=False),
        SimModel("b/auto:free", context=800_000, tool_choice=False),
        SimModel("c/all:free"),
    ]
    with World(models) as world:
        llm = langchain_model(world)
        llm.bind_tools([langchain_weather]).invoke("hello")
        llm.bind_tools([langchain_weather], tool_choice="any").invoke("hello")
        llm.bind(tools=[langchain_weather], tool_choice="get_weather").invoke("hello")
        llm.bind_tools([]).invoke("hello")

        assert world.asked == ["b/auto:free", "c/all:free", "c/all:free", "a/none:free"]
        assert "tools" not in world.requests[-1].body
        assert world.requests[2].body["tool_choice"]["function"]["name"] == "get_weather"


def test_a_tool_choice_that_is_not_offered_is_rejected_when_it_is_bound() -> None:
    with pytest.raises(ModelInvalidRequestError, match="nope"):
        ChatFreeRouter(api_key="k").bind_tools([langchain_weather], tool_choice="nope")


@pytest.mark.parametrize("streaming", ["whole", "fragments"])
def test_streamed_tool_calls_have_their_indexes_names_and_ids(streaming: str) -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world, tool_streaming=streaming).bind_tools(
            [langchain_weather, multiply]
        )
        chunks = chunks_of(llm.stream("Use get_weather in Paris and multiply 3 by 4"))
        full = merged(chunks)

        pieces = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
        assert all(piece["index"] is not None for piece in pieces)
        assert {call["name"] for call in full.tool_calls} == {"get_weather", "multiply"}
        assert len({call["id"] for call in full.tool_calls}) == 2
        assert (len(pieces) == 2) is (streaming == "whole")


def test_a_truncated_tool_call_is_asked_of_another_model() -> None:
    with World(
        [SimModel("a/m:free", context=900_000, script=["truncated-tool"] * 2), SimModel("b/m:free")]
    ) as world:
        llm = langchain_model(world).bind_tools([langchain_weather])
        assert llm.invoke("get_weather in Paris").tool_calls[0]["args"] == {"city": "Paris"}
        world.clock.advance(100.0)

        assert merged(llm.stream("get_weather in Paris")).tool_calls[0]["args"] == {"city": "Paris"}


def test_calls_in_the_content_and_invalid_calls_keep_their_results() -> None:
    use = AIMessage(
        [{"type": "tool_use", "id": "c1", "name": "multiply", "input": {"a": 1, "b": 2}}]
    )
    bad = AIMessage(
        "", invalid_tool_calls=[{"name": "multiply", "args": '{"a":', "id": "c2", "error": None}]
    )
    history = [
        HumanMessage("x"),
        use,
        ToolMessage("2", tool_call_id="c1"),
        bad,
        ToolMessage("no", tool_call_id="c2"),
    ]
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).bind_tools([multiply]).invoke(history)
        sent = world.requests[0].body["messages"]

        assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"a": 1, "b": 2}'
        assert sent[3]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_calls_without_results_are_answered_or_left_out() -> None:
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


def test_call_ids_that_every_turn_repeats_are_made_unique() -> None:
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
