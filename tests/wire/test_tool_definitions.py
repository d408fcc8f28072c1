"""Tools of any API get the form of the wire; what is no function of the caller's keeps its own."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.errors import BadRequest
from freerouter_core.wire.history import readable
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.tool_definitions import (
    only_allowed,
    read_choice,
    read_parallel,
    read_tools,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells it", "parameters": SCHEMA},
}
SAID = {"name": "weather", "description": "Tells it"}


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param({"type": "function", **SAID, "parameters": SCHEMA}, id="responses"),
        pytest.param({**SAID, "parameters": SCHEMA}, id="functions of 2023"),
        pytest.param({**SAID, "input_schema": SCHEMA}, id="anthropic"),
        pytest.param(
            {
                "type": "custom",
                **SAID,
                "input_schema": SCHEMA,
                "cache_control": {"type": "ephemeral"},
            },
            id="anthropic, with a type and a cache",
        ),
        pytest.param(
            {**SAID, "inputSchema": SCHEMA, "title": "Weather", "annotations": {}, "_meta": None},
            id="mcp",
        ),
        pytest.param({"functionDeclarations": [{**SAID, "parameters": SCHEMA}]}, id="gemini"),
        pytest.param(
            {"function_declarations": [{**SAID, "parametersJsonSchema": SCHEMA}]},
            id="gemini, in its SDK's words",
        ),
        pytest.param({"toolSpec": {**SAID, "inputSchema": {"json": SCHEMA}}}, id="bedrock"),
        pytest.param(TOOL, id="chat"),
    ],
)
def test_a_tool_of_any_api_gets_the_form_of_the_wire(tool: dict[str, Any]) -> None:
    assert list(read_tools([tool])) == [TOOL]
    assert list(read_tools([TOOL, tool])) == [TOOL, TOOL]
    request = readable(ChatRequest.of("x").but(tools=[tool]))
    assert request.offered == {"weather"}


def test_a_tool_without_a_schema_and_a_strict_one() -> None:
    tools: list[Any] = [
        {"name": "a"},
        {"type": "function", "name": "b", "strict": True, "parameters": None},
    ]
    assert list(read_tools(tools)) == [
        {"type": "function", "function": {"name": "a"}},
        {"type": "function", "function": {"name": "b", "strict": True}},
    ]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "web_search"},
        {"type": "custom", "name": "shell", "format": {"type": "text"}},
        {"type": "custom", "name": "shell"},
        {"name": "a", "unknown": 1},
        {"name": "a", "parameters": SCHEMA, "input_schema": SCHEMA},
        {"name": 1},
        {"googleSearch": {}, "functionDeclarations": []},
    ],
)
def test_what_is_no_function_of_the_caller_stays_as_it_is(tool: dict[str, Any]) -> None:
    """So that the check for what costs money sees it."""
    assert list(read_tools([tool])) == [tool]


def test_declarations_of_another_kind_stay_as_they_are() -> None:
    assert list(read_tools([{"functionDeclarations": [{"of": "another"}]}])) == [{"of": "another"}]


def test_tools_in_the_form_of_the_wire_are_the_same_object() -> None:
    tools = [TOOL]
    assert read_tools(tools) is tools
    odd: Any = [TOOL, "no tool", {"name": "a"}]
    assert list(read_tools(odd))[1:2] == odd[1:2]


@pytest.mark.parametrize("tool", [{"functionDeclarations": None}, {"toolSpec": None}])
def test_a_malformed_tool_is_an_error_that_says_so(tool: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="tools are malformed"):
        readable(ChatRequest.of("x").but(tools=[tool]))


NAMED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (None, None),
        ("required", "required"),
        (NAMED, NAMED),
        ({"type": "function", "name": "weather"}, NAMED),
        ({"type": "tool", "name": "weather", "disable_parallel_tool_use": True}, NAMED),
        ({"type": "any"}, "required"),
        ({"type": "auto"}, "auto"),
        ({"type": "none"}, "none"),
        ({"type": "required"}, "required"),
        ({"type": "web_search"}, {"type": "web_search"}),
        ({"type": "tool"}, {"type": "tool"}),
        ({"type": 1}, {"type": 1}),
        ({}, {}),
    ],
)
def test_a_choice_of_any_api_gets_the_form_of_the_wire(choice: Any, wire: Any) -> None:
    assert read_choice(choice) == wire


def test_a_choice_may_be_just_the_name_of_an_offered_tool() -> None:
    auto = {"type": "function", "function": {"name": "auto"}}

    assert read_choice("weather", [NAMED, auto]) == NAMED
    assert read_choice("auto", [NAMED, auto]) == "auto"
    assert read_choice("wether", [NAMED, auto]) == "wether"


def test_a_choice_may_say_that_one_tool_is_called_at_a_time() -> None:
    alone = {"type": "auto", "disable_parallel_tool_use": True}
    request = readable(ChatRequest.of("x").but(tools=[TOOL], tool_choice=alone))
    assert (request.tool_choice, request.parallel_tool_calls) == ("auto", False)
    assert read_parallel(True, alone) is True
    assert read_parallel(None, {"type": "auto"}) is None
    assert read_parallel(None, "auto") is None


def allowed(*names: str, mode: object = "auto", chat: bool = True) -> dict[str, object]:
    """A choice of some tools, in the words of the chat API or of the Responses API."""
    tools: list[dict[str, object]] = [
        {"type": "function", "function": {"name": n}} if chat else {"type": "function", "name": n}
        for n in names
    ]
    inner = {"mode": mode, "tools": tools}
    return {"type": "allowed_tools", **({"allowed_tools": inner} if chat else inner)}


TOOLS = [{"type": "function", "function": {"name": name}} for name in "fgh"]


@pytest.mark.parametrize(
    ("choice", "offered", "written"),
    [
        (allowed("g", "f", "g"), ["g", "f"], "auto"),
        (allowed("h", mode="required", chat=False), ["h"], "required"),
        (allowed(), [], "none"),
        ("any", ["f", "g", "h"], "required"),
    ],
)
def test_only_the_allowed_tools_are_offered(choice: Any, offered: list[str], written: str) -> None:
    request = readable(ChatRequest.of("x").but(tools=TOOLS, tool_choice=choice))

    assert [tool["function"]["name"] for tool in request.tools] == offered
    assert request.tool_choice == written


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        (allowed("nope"), "allows 'nope', which is not among the tools"),
        ({**allowed(chat=False), "tools": ["f"]}, "is no function, which"),
        (allowed("f", mode="some"), "no known shape"),
        ({"type": "allowed_tools"}, "no known shape"),
    ],
)
def test_what_cannot_be_allowed_is_refused(choice: Any, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        readable(ChatRequest.of("x").but(tools=TOOLS, tool_choice=choice))


@pytest.mark.parametrize(
    ("tool", "wire"),
    [
        ({"function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}),
        (
            {"type": "function", "function": {"name": "f", "parameters": {}}},
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        ),
        ({"type": "function", "function": "f"}, {"type": "function", "function": "f"}),
    ],
)
def test_what_servers_require_is_added(tool: dict[str, Any], wire: dict[str, Any]) -> None:
    assert list(read_tools([tool])) == [wire]


def test_a_choice_allows_functions_only() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}
    with pytest.raises(BadRequest, match="no function, which can cost money"):
        only_allowed([TOOL], choice)
