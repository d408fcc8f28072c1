"""Tool calls and tool choices that both frameworks share: fragments, their ids, odd choices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent

from freerouter_core import ChatRequest, errors
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import read_answer
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.stream import Assembler

from ..frameworks import (
    langchain_model,
    langchain_weather,
    llamaindex_model,
    llamaindex_weather,
)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [({"type": "any"}, "required"), ({"type": "auto"}, "auto"), ({"type": "none"}, "none")],
)
def test_tool_choices_of_anthropic_are_translated(choice: dict[str, Any], sent: str) -> None:
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
def test_fragments_have_the_ids_and_names_of_the_whole_calls(
    how: str, calls: list[dict[str, Any]]
) -> None:
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


@pytest.mark.parametrize("streaming", [True, False])
def test_an_agent_assembles_calls_from_fragments(streaming: bool) -> None:
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


def test_a_call_that_was_not_invited_is_dropped_if_there_is_text() -> None:
    call = {"id": "c1", "function": {"name": "get_weather", "arguments": "{}"}}
    message = {"role": "assistant", "content": "No need.", "tool_calls": [call]}
    request = ChatRequest(
        [{"role": "user", "content": "x"}],
        tools=[llamaindex_weather.metadata.to_openai_tool()],
        tool_choice="none",
    )
    operation = ChatOperation(request)
    spoken, fault = operation.judge(
        read_answer({"choices": [{"message": message, "finish_reason": "stop"}]}), 0.0
    )
    _, silence = operation.judge(
        read_answer({"choices": [{"message": message | {"content": None}}]}), 0.0
    )

    assert (fault, spoken.tool_calls, spoken.text) == (None, (), "No need.")
    assert silence is not None
    assert silence.cause == "uninvited-call"
