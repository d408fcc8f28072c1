"""Tools through `FreeRouter`: choices, names, calls that come back, calls of other integrations."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool

from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter

from ..frameworks import collect_awaited, llamaindex_model, llamaindex_weather


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD = FunctionTool.from_defaults(add)
HELLO = [ChatMessage("hello")]


def test_tools_are_called_in_four_ways() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm, history = llamaindex_model(world), [ChatMessage("hi")]
        responses = [
            llm.chat_with_tools([ADD], "add 3 and 4", chat_history=history),
            asyncio.run(llm.achat_with_tools([ADD], "add 3 and 4")),
            list(llm.stream_chat_with_tools([ADD], "add 3 and 4"))[-1],
            asyncio.run(collect_awaited(llm.astream_chat_with_tools([ADD], "add 3 and 4")))[-1],
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


def test_tools_are_required_or_named_and_called_once_unless_parallel() -> None:
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


def test_names_that_no_endpoint_takes_are_replaced_on_the_wire() -> None:
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


def test_strict_is_sent_with_each_tool() -> None:
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat_with_tools([llamaindex_weather], "x", strict=False)

        assert world.requests[0].body["tools"][0]["function"]["strict"] is False
        assert "strict" not in world.requests[0].body


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


@pytest.mark.parametrize("call_parts", HISTORIES)
def test_calls_of_other_integrations_are_sent_in_the_wires_form(call_parts: dict[str, Any]) -> None:
    call = ChatMessage(role=MessageRole.ASSISTANT, **call_parts)
    result = ChatMessage("1", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c"})
    stray = ChatMessage("so", role=MessageRole.ASSISTANT, additional_kwargs={"tool_call_id": "c"})
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat([*HELLO, call, result, stray])
        sent = world.requests[0].body["messages"][1]["tool_calls"][0]

        assert (sent["id"], sent["function"]) == ("c", {"name": "add", "arguments": '{"a": 1}'})


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
def test_odd_histories_of_calls_become_valid_requests(history: list[ChatMessage]) -> None:
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat([ChatMessage("x"), *history, ChatMessage("and?")])

        assert not any(seen.problem for seen in world.requests)
