"""The Responses API's tools as functions, and calls in the tools' own words again."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Tool
from pydantic import TypeAdapter

from freerouter_core.errors import BadRequest
from freerouter_core.wire.history import read_messages
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.responses.tools import ToolTable, as_call, text_in
from freerouter_core.wire.tool_calls import ToolCall

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
TOOLS: list[Json] = [
    {"type": "function", "name": "f", "strict": None, "parameters": {"type": "object"}},
    {"type": "function", "function": {"name": "g", "description": "G"}},
    {"type": "custom", "name": "sql", "description": "Runs it", "format": GRAMMAR},
    {"type": "custom", "name": "note"},
    {"type": "local_shell"},
    {"type": "shell", "environment": {"type": "local"}},
    {"type": "apply_patch"},
    {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "close"}]},
]


def test_every_tool_of_the_callers_becomes_a_function() -> None:
    functions = [tool["function"] for tool in ToolTable.of(TOOLS).functions]
    by_name = {function["name"]: function for function in functions}

    assert list(by_name) == [
        "f", "g", "sql", "note", "local_shell", "shell", "apply_patch", "ns__close",
    ]  # fmt: skip
    assert by_name["f"] == {"name": "f", "parameters": {"type": "object"}}
    assert by_name["g"] == {"name": "g", "description": "G"}
    assert "this lark grammar" in str(by_name["sql"]["parameters"])
    assert by_name["note"]["parameters"]["required"] == ["input"]
    assert ToolTable.of(None).functions == []


def test_an_answer_shows_the_tools_in_a_form_that_strict_clients_take() -> None:
    shown = ToolTable.of(TOOLS).shown

    assert TypeAdapter(list[Tool]).validate_python(shown)
    assert [tool["type"] for tool in shown] == [tool["type"] for tool in TOOLS]
    assert shown[1] == {
        "type": "function", "name": "g", "description": "G", "parameters": {}, "strict": False,
    }  # fmt: skip
    assert [tool["name"] for tool in shown[-1]["tools"]] == ["close"]


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        ({"type": "web_search"}, "web_search is not served"),
        ({"type": "web_search_preview_2025_03_11"}, "web_search_preview_2025_03_11 is not served"),
        ({"type": "file_search"}, "file_search is not served"),
        ({"type": "code_interpreter"}, "code_interpreter is not served"),
        ({"type": "mcp"}, "mcp is not served"),
        ({"type": "image_generation"}, "image_generation is not served"),
        ({"type": "computer_use_preview"}, "computer_use_preview is not served"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "shell is not served"),
        ({"type": "function"}, "a tool has no name"),
        ({"type": "function", "name": "f", "parameters": []}, "the parameters of a tool"),
        ("f", "each tool must be an object"),
    ],
)
def test_what_runs_at_openai_is_refused_by_name(tool: Any, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        ToolTable.of([tool])
    with pytest.raises(BadRequest, match="tools must be a list"):
        ToolTable.of(tool)


def test_what_a_client_offers_unasked_is_left_out() -> None:
    table = ToolTable.of([*TOOLS[:1], {"type": "web_search"}], unasked=True)

    assert [tool["function"]["name"] for tool in table.functions] == ["f"]
    assert "unasked" in table.left_out["web_search"]
    with pytest.raises(BadRequest, match="mcp"):
        ToolTable.of([{"type": "mcp"}], unasked=True)


PATCH = '{"type": "update_file", "path": "a.py", "diff": "-x"}'


@pytest.mark.parametrize(
    ("name", "arguments", "item"),
    [
        ("f", '{"a": 1}', {"type": "function_call", "name": "f", "arguments": '{"a": 1}'}),
        ("f", "", {"type": "function_call", "name": "f", "arguments": "{}"}),
        ("unknown", "(cut)", {"type": "function_call", "name": "unknown", "arguments": "(cut)"}),
        ("sql", '{"input": "SELECT"}', {"type": "custom_tool_call", "input": "SELECT"}),
        ("ns__close", "{}", {"type": "function_call", "name": "close", "namespace": "ns"}),
        (
            "local_shell",
            '{"command": ["ls"]}',
            {"type": "local_shell_call", "action": {"type": "exec", "env": {}, "command": ["ls"]}},
        ),
        ("local_shell", '{"command": "ls"}', {"type": "function_call", "name": "local_shell"}),
        (
            "shell",
            '{"commands": ["ls"], "timeout_ms": 5}',
            {
                "type": "shell_call",
                "action": {"commands": ["ls"], "timeout_ms": 5, "max_output_length": None},
            },
        ),
        ("shell", '{"commands": [1]}', {"type": "function_call", "name": "shell"}),
        (
            "apply_patch",
            PATCH,
            {
                "type": "apply_patch_call",
                "operation": {"type": "update_file", "path": "a.py", "diff": "-x"},
            },
        ),
        ("apply_patch", '{"type": "delete_file", "path": "a"}', {"type": "apply_patch_call"}),
        ("apply_patch", '{"type": "update_file", "path": "a"}', {"type": "function_call"}),
        ("apply_patch", '{"type": "move"}', {"type": "function_call"}),
    ],
)
def test_a_call_is_an_item_of_its_tools_kind(name: str, arguments: str, item: Json) -> None:
    written = ToolTable.of(TOOLS).item(ToolCall("c1", name, arguments), "fc_1")

    assert written.items() >= {"id": "fc_1", "call_id": "c1", **item}.items()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "a", "b": "c"}', "a"),
        ('{"patch": "a"}', "a"),
        ('{"x": "a", "y": "b"}', '{"x": "a", "y": "b"}'),
        ("*** Begin Patch", "*** Begin Patch"),
    ],
)
def test_free_text_is_found_however_a_model_wraps_it(arguments: str, text: str) -> None:
    assert text_in(arguments) == text


def function(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", "auto"),
        (None, None),
        ({"type": "function", "name": "f"}, function("f")),
        ({"type": "function", "name": "close"}, function("ns__close")),
        ({"type": "function", "name": "nobody"}, function("nobody")),
        ({"type": "custom", "name": "sql"}, function("sql")),
        ({"type": "apply_patch"}, function("apply_patch")),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "shell"}, "odd"]},
            {"type": "allowed_tools", "mode": "auto", "tools": [function("shell")]},
        ),
        ({"function": {"name": "f"}}, {"function": {"name": "f"}}),
    ],
)
def test_a_choice_names_a_function(choice: object, written: object) -> None:
    assert ToolTable.of(TOOLS).choice(choice) == written


def test_a_choice_of_what_runs_at_openai_is_refused() -> None:
    with pytest.raises(BadRequest, match="file_search is not served"):
        ToolTable().choice({"type": "file_search"})


def test_calls_of_the_history_are_calls_of_functions_again() -> None:
    table = ToolTable.of(TOOLS)
    calls = [
        ToolCall("1", "ns__close", "{}"),
        ToolCall("2", "sql", '{"input": "x"}'),
        ToolCall("3", "local_shell", '{"command": ["ls"]}'),
        ToolCall("4", "apply_patch", PATCH),
        ToolCall("5", "shell", '{"commands": ["ls"]}'),
    ]
    items = [table.item(call, f"fc_{call.id}") for call in calls]
    results = [
        {"type": f"{kind}_output", "call_id": call.id, "output": "done"}
        for call, kind in zip(
            calls,
            ("function_call", "custom_tool_call", "local_shell_call", "apply_patch_call",
             "shell_call"),
            strict=True,
        )
    ]  # fmt: skip
    messages = read_messages([{"role": "user", "content": "x"}, *map(as_call, items), *results])

    named = {call["id"]: call["function"]["name"] for call in messages[1]["tool_calls"]}
    assert named == {call.id: call.name for call in calls}
    assert [message["tool_call_id"] for message in messages[2:]] == ["1", "2", "3", "4", "5"]
    assert as_call({"type": "message"}) == {"type": "message"}
