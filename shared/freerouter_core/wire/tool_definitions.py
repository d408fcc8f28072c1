"""`read_tools`, `read_choice`: tools in the words of any API, as the wire names them.

A tool is known by its shape: OpenAI's Responses API and Anthropic have the name beside the schema,
MCP lists `inputSchema`, Gemini collects declarations, Bedrock wraps each in `toolSpec`. What has
another shape, such as a tool of a provider's own, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import BadRequest
from .json_values import Json

_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")
_KEPT = ("name", "description", "strict")
_SAYS_NOTHING = frozenset(
    {"type", "cache_control", "title", "annotations", "outputSchema", "icons", "_meta", "response"}
)
"""Fields of a tool that no model is told: they are for who lists it or runs it."""
_FUNCTION = frozenset({*_KEPT, *_SCHEMAS, *_SAYS_NOTHING})
_OF_THE_CALLER = frozenset({None, "function", "custom"})
_DECLARATIONS = ("functionDeclarations", "function_declarations")

_CHOICES = {"auto": "auto", "none": "none", "any": "required", "required": "required"}


def read_tools(tools: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The tools in the wire's form; the same object if all of them have it."""
    if not tools or all(_is_complete(tool) for tool in tools if isinstance(tool, Mapping)):
        return tools
    return [wire for tool in tools for wire in _read(tool)]


def read_choice(
    choice: str | Mapping[str, Any] | None, tools: Sequence[Mapping[str, Any]] = ()
) -> str | Mapping[str, Any] | None:
    """The choice of a tool in the wire's form, whichever API words it.

    `tools`: what is offered, in the wire's form. Some clients send just the name of one.
    """
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _CHOICES and choice in map(_name_of, tools):
            return {"type": "function", "function": {"name": choice}}
        return _CHOICES.get(choice, choice)  # "any" is Mistral's word
    if not isinstance(choice, Mapping) or "function" in choice:
        return choice
    kind, name = choice.get("type"), choice.get("name")
    if kind in ("function", "tool") and isinstance(name, str):
        return {"type": "function", "function": {"name": name}}
    return _CHOICES.get(kind, choice) if isinstance(kind, str) else choice


def only_allowed(
    tools: Sequence[Mapping[str, Any]], choice: str | Mapping[str, Any] | None
) -> tuple[Sequence[Mapping[str, Any]], str | Mapping[str, Any] | None]:
    """(tools, choice) without `allowed_tools`: no free model knows it, so only those are offered.

    `tools` are in the wire's form. Raises `BadRequest` for a name that is not among them.
    """
    if choice is None or not isinstance(choice, Mapping) or choice.get("type") != "allowed_tools":
        return tools, choice
    allowed = choice.get("allowed_tools")
    held = allowed if isinstance(allowed, Mapping) else choice  # chat's form, else Responses'
    mode, listed = held.get("mode", "auto"), held.get("tools")
    if mode not in ("auto", "required") or not isinstance(listed, list):
        raise BadRequest(
            "tool_choice allowed_tools is in no known shape",
            hint='{"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": […]}}',
        )
    wanted = [_name_of(tool) for tool in listed]
    offered = {_name_of(tool): tool for tool in tools}
    missing = [name for name in wanted if name not in offered]
    if "" in missing:
        raise BadRequest(
            "tool_choice allows a tool that is no function, which can cost money",
            hint="name offered tools only",
        )
    if missing:
        raise BadRequest(
            f"tool_choice allows {missing[0]!r}, which is not among the tools {sorted(offered)}",
            hint="name offered tools only",
        )
    return [offered[name] for name in dict.fromkeys(wanted)], mode if wanted else "none"


def _name_of(tool: object) -> str:
    """The name of a tool, or of a mention of one, in the form of either API."""
    if not isinstance(tool, Mapping):
        return ""
    function = tool.get("function")
    return str((function if isinstance(function, Mapping) else tool).get("name") or "")


def read_parallel(parallel: bool | None, choice: str | Mapping[str, Any] | None) -> bool | None:
    """Whether a model may call several tools at once. Anthropic says it with the choice."""
    if choice is None or parallel is not None or not isinstance(choice, Mapping):
        return parallel
    return False if choice.get("disable_parallel_tool_use") else None


def _read(tool: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if not isinstance(tool, Mapping):
        yield tool
        return
    if "function" in tool:
        yield _completed(tool)
        return
    for key in _DECLARATIONS:
        if tool.keys() == {key}:
            yield from (_function(declared) or declared for declared in tool[key])
            return
    yield _function(tool["toolSpec"] if tool.keys() == {"toolSpec"} else tool) or tool


def _is_complete(tool: Mapping[str, Any]) -> bool:
    return "function" in tool and _completed(tool) is tool


def _completed(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tool with the words that servers require and some clients leave out."""
    function = tool["function"]
    schema = function.get("parameters") if isinstance(function, Mapping) else None
    if isinstance(schema, Mapping) and "type" not in schema:
        function = {**function, "parameters": {"type": "object", **schema}}
    elif "type" in tool:
        return tool
    return {"type": "function", **tool, "function": function}


def _function(tool: Mapping[str, Any]) -> Json | None:
    """None for what is no function of the caller's: it has fields that we do not know."""
    own = isinstance(tool.get("name"), str) and tool.get("type") in _OF_THE_CALLER
    schemas = [tool[key] for key in _SCHEMAS if tool.get(key) is not None]
    if not own or not tool.keys() <= _FUNCTION or len(schemas) > 1:
        return None
    if tool.get("type") == "custom" and not schemas:
        return None  # OpenAI's own, which takes free text
    function: dict[str, Any] = {key: tool[key] for key in _KEPT if tool.get(key) is not None}
    for schema in schemas:
        in_json = isinstance(schema, Mapping) and schema.keys() == {"json"}
        function["parameters"] = schema["json"] if in_json else schema
    return {"type": "function", "function": function}
