"""`read_tools`, `read_choice`: tools in the words of any API, as the wire names them.

A tool is known by its shape: OpenAI's Responses API and Anthropic have the name beside the schema,
MCP lists `inputSchema`, Gemini collects declarations, Bedrock wraps each in `toolSpec`. What has
another shape, such as a tool of a provider's own, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    if all("function" in tool for tool in tools if isinstance(tool, Mapping)):
        return tools
    return [wire for tool in tools for wire in _read(tool)]


def read_choice(choice: str | Mapping[str, Any] | None) -> str | Mapping[str, Any] | None:
    """The choice of a tool in the wire's form, whichever API words it."""
    if not isinstance(choice, Mapping) or "function" in choice:
        return choice
    kind, name = choice.get("type"), choice.get("name")
    if kind in ("function", "tool") and isinstance(name, str):
        return {"type": "function", "function": {"name": name}}
    return _CHOICES.get(kind, choice) if isinstance(kind, str) else choice


def read_parallel(parallel: bool | None, choice: str | Mapping[str, Any] | None) -> bool | None:
    """Whether a model may call several tools at once. Anthropic says it with the choice."""
    if parallel is None and isinstance(choice, Mapping) and choice.get("disable_parallel_tool_use"):
        return False
    return parallel


def _read(tool: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if not isinstance(tool, Mapping) or "function" in tool:
        yield tool
        return
    for key in _DECLARATIONS:
        if tool.keys() == {key}:
            yield from (_function(declared) or declared for declared in tool[key])
            return
    yield _function(tool["toolSpec"] if tool.keys() == {"toolSpec"} else tool) or tool


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
