"""`tool_choice` in every spelling LangChain knows, as the wire words it."""

from __future__ import annotations

from collections.abc import Mapping

from freerouter_core.errors import BadRequest
from freerouter_core.wire.json_values import Json


def wire_tool_choice(choice: Json | str | bool | None, tools: list[Json]) -> Json | str | None:
    """The choice for `tools`; None if nothing need be sent.

    Raises:
        BadRequest: it names a tool that is not offered, or no tool at all.
    """
    names = [str(tool.get("function", {}).get("name")) for tool in tools]
    if choice is None or choice is False or not names:
        return None
    if choice is True or choice == "any":
        return "required"
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name") or choice.get("name")
        if name is None:  # Anthropic's {"type": "any"}
            return wire_tool_choice(_type_of(choice), tools)
    elif choice in ("auto", "none", "required"):
        return choice
    else:
        name = choice
    if name not in names:
        raise BadRequest(f"tool_choice names {name!r}, which is not among the tools {names}")
    return {"type": "function", "function": {"name": name}}


def _type_of(choice: Json) -> str:
    if choice.get("type") not in ("any", "auto", "none", "required"):
        raise BadRequest(
            f"tool_choice={dict(choice)!r} names no tool",
            hint='use "auto", "none", "required", or the name of a tool',
        )
    return str(choice["type"])
