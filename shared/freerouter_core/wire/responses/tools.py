"""`ToolTable`: the tools of a request as functions, and each call in the tool's own words again.

Free models know functions only. A custom tool takes free text; a namespace holds functions; the
shells and the patch run at the caller, and OpenAI's models know them without a schema. What runs at
OpenAI is refused by name: it costs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ...errors import BadRequest
from ..json_values import Json, JsonMapping, as_dicts, as_mapping, parse_json
from ..tool_calls import ToolCall, arguments_text

_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer", "description": "Milliseconds."}
_BETWEEN = "__"
"""Between a namespace and the name of a tool in it."""
_KNOWN: dict[str, tuple[str, Json, tuple[str, ...]]] = {
    "local_shell": (
        "Run a command on the user's machine.",
        {
            "command": {
                "type": "array",
                "items": _TEXT,
                "description": "And its arguments.",
            },
            "working_directory": _TEXT,
            "timeout_ms": _NUMBER,
        },
        ("command",),
    ),
    "shell": (
        "Run shell commands on the user's machine.",
        {"commands": {"type": "array", "items": _TEXT}, "timeout_ms": _NUMBER},
        ("commands",),
    ),
    "apply_patch": (
        "Create, change or delete one file.",
        {
            "type": {**_TEXT, "enum": ["create_file", "update_file", "delete_file"]},
            "path": _TEXT,
            "diff": {
                **_TEXT,
                "description": "As V4A: lines with +, - or a space first.",
            },
        },
        ("type", "path"),
    ),
}
"""Tools that run at the caller and come without a schema: description, properties, required."""
UNASKED = frozenset({"web_search", "image_generation"})
"""Tools that Codex offers with every request, whether anybody wants them or not."""
_UNASKED_REASON = "it runs at OpenAI and costs there; Codex offers it unasked"


class Tool(NamedTuple):
    """One function that a model is offered: the kind of the tool, its name and its namespace."""

    kind: str
    name: str
    namespace: str = ""

    @property
    def function(self) -> str:
        """Its name as a function."""
        return f"{self.namespace}{_BETWEEN}{self.name}" if self.namespace else self.name


@dataclass
class ToolTable:
    """The tools of one request.

    `functions`: as chat's wire has them, in order. `shown`: as the answer shows them.
    """

    functions: list[Json] = field(default_factory=list)
    shown: list[Json] = field(default_factory=list)
    by_name: dict[str, Tool] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Tools that are not offered, with the reason."""

    @classmethod
    def of(cls, tools: object, *, unasked: bool = False) -> ToolTable:
        """Read a request's tools. Raises `BadRequest`.

        `unasked`: the client offers tools of OpenAI's that nobody asked for; they are left out.
        """
        table = cls()
        if tools is not None and not isinstance(tools, list):
            raise BadRequest("tools must be a list")
        for tool in tools or ():
            if not isinstance(tool, Mapping):
                raise BadRequest("each tool must be an object", hint='{"type": "function", …}')
            table._add(tool, table.shown, unasked=unasked)
        return table

    def _add(
        self, tool: JsonMapping, shown: list[Json], *, unasked: bool, namespace: str = ""
    ) -> None:
        kind = str(tool.get("type") or "function")
        if kind == "namespace" and not namespace:
            inner: list[Json] = []
            for one in as_dicts(tool.get("tools")):
                self._add(one, inner, unasked=unasked, namespace=_name_of(tool))
            described = str(tool.get("description") or "")
            shown.append({"type": kind, **_named(tool), "description": described, "tools": inner})
        elif kind == "function":
            function = as_mapping(tool.get("function")) or tool  # chat's form is understood, too
            fields = _fields_of(function)
            self._offer(Tool(kind, _name_of(function), namespace), fields)
            required = {"parameters": {}, "strict": False}
            shown.append({"type": kind, **_named(function), **required, **fields})
        elif kind == "custom":
            self._offer(Tool(kind, _name_of(tool), namespace), _of_text(tool))
            form = tool.get("format")
            further = {"format": form} if isinstance(form, Mapping) else {}
            described = str(tool.get("description") or "")
            shown.append({"type": kind, **_named(tool), "description": described, **further})
        elif kind in _KNOWN and not (kind == "shell" and _in_container(tool)):
            words, properties, needed = _KNOWN[kind]
            schema = {"type": "object", "properties": properties, "required": list(needed)}
            self._offer(Tool(kind, kind), {"description": words, "parameters": schema})
            shown.append({"type": kind})
        elif unasked and kind in UNASKED:
            self.left_out[kind] = _UNASKED_REASON
        else:
            raise BadRequest(
                f"the tool {kind} is not served: it runs at OpenAI, and can cost money",
                hint="leave it out; tools that run at the caller are served: function, custom, "
                "local_shell, shell, apply_patch, namespace",
            )

    def _offer(self, tool: Tool, fields: Json) -> None:
        self.by_name[tool.function] = tool
        self.functions.append({"type": "function", "function": {"name": tool.function, **fields}})

    def item(self, call: ToolCall, ident: str, status: str = "completed") -> Json:
        """A call as an item of the kind that its tool has. `ident`: the item's id."""
        tool = self.by_name.get(call.name, Tool("function", call.name))
        item: Json = {"id": ident, "call_id": call.id, "status": status}
        arguments = _parsed(call.arguments)
        if tool.kind == "custom":
            del item["status"]  # this kind has none
            item |= {"type": "custom_tool_call", "name": tool.name}
            item["input"] = text_in(call.arguments)
        elif tool.kind == "local_shell" and _is_texts(arguments.get("command")):
            action = {"type": "exec", "env": {}, **arguments}
            item |= {"type": "local_shell_call", "action": action}
        elif tool.kind == "shell" and _is_texts(arguments.get("commands")):
            action = {"timeout_ms": None, "max_output_length": None, **arguments}
            item |= {"type": "shell_call", "action": action}
        elif tool.kind == "apply_patch" and _is_operation(arguments):
            item |= {"type": "apply_patch_call", "operation": arguments}
        else:
            item |= {"type": "function_call", "name": tool.name, "arguments": call.json_arguments}
        return item | ({"namespace": tool.namespace} if tool.namespace else {})

    def choice(self, choice: object) -> object:
        """A `tool_choice` of the API in chat's words. What no tool has is refused later."""
        if not isinstance(choice, Mapping):
            return choice
        kind = choice.get("type")
        if not isinstance(kind, str):
            return choice
        if kind == "allowed_tools" and isinstance(choice.get("tools"), list):
            named = [self.choice(tool) for tool in choice["tools"]]
            return {**choice, "tools": [tool for tool in named if isinstance(tool, Mapping)]}
        if kind in ("function", "custom") or kind in _KNOWN:
            name = str(choice.get("name") or kind)
            spaced = [n for n, tool in self.by_name.items() if tool.name == name]
            name = name if name in self.by_name or not spaced else spaced[0]
            return {"type": "function", "function": {"name": name}}
        raise BadRequest(
            f"tool_choice {kind[:40]} is not served: it runs at OpenAI",
            hint='leave it out, or "auto"',
        )


def text_in(arguments: str) -> str:
    """The free text that a model gave a custom tool, however it wrapped it."""
    value = _parsed(arguments)
    texts = [text for text in value.values() if isinstance(text, str)]
    if isinstance(value.get("input"), str):
        return str(value["input"])
    return texts[0] if len(texts) == 1 else arguments


def _parsed(arguments: str) -> Json:
    text = arguments_text(arguments)
    return {} if text is None else dict(parse_json(text))


def _of_text(tool: JsonMapping) -> Json:
    """A custom tool as a function of one text. A grammar is told in words."""
    form = as_mapping(tool.get("format"))
    words = "The text for the tool, as it is."
    if form.get("type") == "grammar":
        words += f" It must follow this {form.get('syntax')} grammar:\n{form.get('definition')}"
    properties = {"input": {**_TEXT, "description": words}}
    schema = {"type": "object", "properties": properties, "required": ["input"]}
    return {"description": str(tool.get("description") or ""), "parameters": schema}


def _name_of(tool: JsonMapping) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise BadRequest("a tool has no name", hint='{"type": "function", "name": …}')
    return name


def _named(tool: JsonMapping) -> Json:
    return {"name": _name_of(tool)}


def _fields_of(function: JsonMapping) -> Json:
    """What is said of a function besides its name, if it is said in the right form."""
    fields: Json = {}
    for name, kind in (("description", str), ("parameters", Mapping), ("strict", bool)):
        value = function.get(name)
        if value is not None and not isinstance(value, kind):
            raise BadRequest(f"the {name} of a tool is in no known form")
        if value is not None:
            fields[name] = value
    return fields


def _in_container(tool: JsonMapping) -> bool:
    """Whether a shell runs at OpenAI."""
    kind = as_mapping(tool.get("environment")).get("type")
    return kind is not None and kind != "local"


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_operation(value: JsonMapping) -> bool:
    needed = ["path"] if value.get("type") == "delete_file" else ["path", "diff"]
    known = value.get("type") in ("create_file", "update_file", "delete_file")
    return known and all(isinstance(value.get(name), str) for name in needed)


def as_call(item: JsonMapping) -> JsonMapping:
    """An item of the history whose call only this API words so, as the call of a function."""
    kind = item.get("type")
    if kind == "apply_patch_call" and "operation" in item:
        arguments = json.dumps(item["operation"], ensure_ascii=False)
        return {**item, "type": "function_call", "name": "apply_patch", "arguments": arguments}
    if kind in ("function_call", "custom_tool_call") and item.get("namespace"):
        return {**item, "name": f"{item['namespace']}{_BETWEEN}{item.get('name')}"}
    return item
