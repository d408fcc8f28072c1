"""Tool calls in a message, whole or still growing, of any integration's making."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json


def selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls in a message: from its blocks, else from where older integrations put them."""
    found: list[tuple[str | None, str, Any]] = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    if not found:
        found = [_legacy(call) for call in message.additional_kwargs.get("tool_calls") or ()]
    return [
        ToolSelection(tool_id=ident or f"call_{n}", tool_name=name, tool_kwargs=_object(arguments))
        for n, (ident, name, arguments) in enumerate(found)
    ]


def _legacy(call: Any) -> tuple[str | None, str, Any]:
    if isinstance(call, ToolSelection):
        return call.tool_id, call.tool_name, call.tool_kwargs
    if hasattr(call, "model_dump"):
        call = call.model_dump()
    function = call.get("function") or {}
    return call.get("id"), str(function.get("name") or ""), function.get("arguments")


def _object(arguments: Any) -> dict[str, Any]:
    """Arguments as a dict: they may still be growing, and agents look at every chunk."""
    if isinstance(arguments, str):
        try:
            arguments = parse_partial_json(arguments)
        except ValueError:
            return {}
    return arguments if isinstance(arguments, dict) else {}
