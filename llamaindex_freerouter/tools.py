"""Tool calls in a message, whole or still growing, of any integration's making."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json

from freerouter_core.errors import BadRequest
from freerouter_core.wire.schema import schema_name

_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,64}")


def sent_name(name: str) -> str:
    """A tool's name as endpoints accept it. A name that must change gets a hash of itself, so that two never meet; it is the
    same wherever it is worked out."""
    if _ACCEPTED.fullmatch(name):
        return name
    return f"{schema_name(name)[:54]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def choice_of(choice: str | dict[str, Any] | None, required: bool) -> str | dict[str, Any]:
    """`tool_choice` as the wire words it: None is "auto" or "required", other words are a tool's name."""
    if choice is None:
        return "required" if required else "auto"
    if isinstance(choice, dict):  # OpenAI's and Anthropic's: a name, or the word as a type
        choice = (choice.get("function") or choice).get("name") or choice.get("type")
    if choice is True or choice == "any":
        return "required"
    if choice in ("none", "auto", "required"):
        return str(choice)
    if not isinstance(choice, str):
        raise BadRequest(
            f"tool_choice={choice!r} names no tool", hint='"auto", "none", "required", or a name'
        )
    return {"type": "function", "function": {"name": sent_name(choice)}}


def legacy_call(call: Any) -> tuple[str | None, str, Any]:
    """(id, name, arguments) of a call as other integrations keep it: a `ToolSelection`, an SDK's object, OpenAI's dict or
    Anthropic's."""
    if isinstance(call, ToolSelection):
        return call.tool_id, call.tool_name, call.tool_kwargs
    function = _of(call, "function") or call
    given = (_of(function, "arguments"), _of(call, "input"), _of(call, "args"))
    arguments = next((value for value in given if value is not None), None)
    return _of(call, "id") or _of(call, "toolUseId"), str(_of(function, "name") or ""), arguments


def _of(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls in a message: from its blocks, else from where older integrations put them."""
    found: list[tuple[str | None, str, Any]] = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    if not found:
        found = [legacy_call(call) for call in message.additional_kwargs.get("tool_calls") or ()]
    return [
        ToolSelection(tool_id=ident or f"call_{n}", tool_name=name, tool_kwargs=_object(arguments))
        for n, (ident, name, arguments) in enumerate(found)
    ]


def _object(arguments: Any) -> dict[str, Any]:
    """Arguments as a dict: they may still be growing, and agents look at every chunk."""
    if isinstance(arguments, str):
        try:
            arguments = parse_partial_json(arguments)
        except ValueError:
            return {}
    return arguments if isinstance(arguments, dict) else {}
