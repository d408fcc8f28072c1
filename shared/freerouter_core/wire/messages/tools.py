"""Anthropic's tools and choices of tools as OpenAI's wire names them.

A tool of the caller's own is a function. A few tools of Anthropic's run at the caller, too, but
come without a schema, because its models know them: these get one. What runs at Anthropic is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BadRequest
from ..json_values import Json, JsonMapping

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}

_TEXT: Json = {"type": "string"}
_EDITS: Json = {
    "path": _TEXT,
    "file_text": {**_TEXT, "description": "For create: the whole text."},
    "old_str": {**_TEXT, "description": "For str_replace: text that stands there exactly once."},
    "new_str": {**_TEXT, "description": "For str_replace: the text in its place."},
    "insert_line": {"type": "integer", "description": "For insert: the line to insert after."},
    "insert_text": {**_TEXT, "description": "For insert: the text."},
    "view_range": {
        "type": "array",
        "items": {"type": "integer"},
        "description": "For view: the first and the last line, from 1; -1 is the end.",
    },
}
_KNOWN: Mapping[str, tuple[str, Json, tuple[str, ...]]] = {
    "bash_": (
        "Run a command in a shell that lasts for the conversation.",
        {"command": _TEXT, "restart": {"type": "boolean", "description": "Start the shell anew."}},
        (),
    ),
    "text_editor_": (
        "View, create and edit files.",
        {
            "command": {**_TEXT, "enum": ["view", "create", "str_replace", "insert"]},
            **_EDITS,
        },
        ("command", "path"),
    ),
    "memory_": (
        "Keep notes in files under /memories, for this and later conversations.",
        {
            "command": {
                **_TEXT,
                "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
            },
            **_EDITS,
            "old_path": {**_TEXT, "description": "For rename."},
            "new_path": {**_TEXT, "description": "For rename."},
        },
        ("command",),
    ),
}
"""Tools of Anthropic's that run at the caller: description, properties and required ones, by the
beginning of the type; a date follows it."""


def read_tools(tools: object) -> list[Json]:
    """The tools as functions. Raises `BadRequest` for one that does not run at the caller."""
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise BadRequest("tools must be a list", hint='each {"name": …, "input_schema": {…}}')
    return [_function(tool) for tool in tools]


def _function(tool: object) -> Json:
    if not isinstance(tool, Mapping):
        raise BadRequest("each tool must be an object", hint='{"name": …, "input_schema": {…}}')
    kind, name = tool.get("type") or "custom", tool.get("name")
    if kind != "custom":
        return _known(str(kind), name)
    if not isinstance(name, str) or not name:
        raise BadRequest("a tool has no name", hint='{"name": …, "input_schema": {…}}')
    schema = tool.get("input_schema")
    parameters = {"type": "object", **(schema if isinstance(schema, Mapping) else {})}
    function: Json = {"name": name, "parameters": parameters}
    if isinstance(tool.get("description"), str):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _known(kind: str, name: object) -> Json:
    known = next((row for begin, row in _KNOWN.items() if kind.startswith(begin)), None)
    if known is None or not isinstance(name, str):
        raise BadRequest(
            f"{kind!r} is a tool of Anthropic's own, which no free model has",
            hint="leave it out, or offer a tool of your own that does the same",
        )
    description, properties, required = known
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def read_choice(choice: object) -> tuple[str | dict[str, Any] | None, bool | None]:
    """(tool_choice, parallel_tool_calls) in OpenAI's words. Raises `BadRequest`."""
    if choice is None:
        return None, None
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or kind not in (*_CHOICES, "tool"):
        raise BadRequest(
            "tool_choice is in no known form", hint='{"type": "auto" | "any" | "tool" | "none"}'
        )
    parallel = False if choice.get("disable_parallel_tool_use") is True else None
    return _named(choice) if kind == "tool" else _CHOICES[str(kind)], parallel


def _named(choice: JsonMapping) -> dict[str, Any]:
    name = choice.get("name")
    if not isinstance(name, str) or not name:
        raise BadRequest(
            "tool_choice names no tool", hint='{"type": "tool", "name": …} names an offered one'
        )
    return {"type": "function", "function": {"name": name}}
