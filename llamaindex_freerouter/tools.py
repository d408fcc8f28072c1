"""Tools as the wire words them, and the tool calls in a response, of any integration's making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json
from llama_index.core.tools.types import BaseTool

from freerouter_core.errors import BadRequest
from freerouter_core.wire.json_values import Json

INVALID_CALLS = "invalid_tool_calls"
"""In `additional_kwargs` of a message: why its calls are invalid, by id."""
ForeignCall = tuple[str | None, str, object]
"""(id, name, arguments) of a call. The arguments are a dict, its JSON, or a part of that JSON."""


# -- what is sent ----------------------------------------------------------------------------------


def wire_tools(tools: Sequence[BaseTool], strict: bool | None) -> list[Json]:
    """Tools as wire dicts."""
    exact = {} if strict is None else {"strict": strict}
    wire = []
    for tool in tools:
        described = tool.metadata.to_openai_tool(skip_length_check=True)
        # Their own name: LlamaIndex replaces letters, so that two names may become one.
        function = {**described["function"], "name": str(tool.metadata.name), **exact}
        wire.append({**described, "function": function})
    return wire


def wire_tool_choice(choice: str | Json | None, *, required: bool) -> str | Json:
    """`tool_choice` as the wire words it. None is "auto" or "required"; other words are a tool's
    name."""
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
            f"tool_choice={choice!r} names no tool",
            hint='use "auto", "none", "required", or the name of a tool',
        )
    return {"type": "function", "function": {"name": choice}}


# -- what comes back -------------------------------------------------------------------------------


def with_one_call(response: ChatResponse) -> ChatResponse:
    """The response with its first tool call only. LlamaIndex reads calls in two places."""
    message = response.message
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if len(calls) > 1:
        blocks = [
            block
            for block in message.blocks
            if not isinstance(block, ToolCallBlock) or block is calls[0]
        ]
        extras = dict(message.additional_kwargs)
        if "tool_calls" in extras:
            extras["tool_calls"] = extras["tool_calls"][:1]
        response.message = ChatMessage(role=message.role, blocks=blocks, additional_kwargs=extras)
    return response


def selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls in a message, whole or still growing: its blocks, else where older integrations put
    them. An invalid call has a name that no tool has, and no arguments."""
    invalid: Json = message.additional_kwargs.get(INVALID_CALLS) or {}
    calls: list[ForeignCall] = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    if not calls:
        calls = [foreign_call(call) for call in message.additional_kwargs.get("tool_calls") or ()]
    selected = []
    for n, (ident, name, arguments) in enumerate(calls):
        problem = invalid.get(ident or "")
        selected.append(
            ToolSelection(
                tool_id=ident or f"call_{n}",
                tool_name=name if problem is None else f"{name} ({problem})",
                tool_kwargs=_arguments(arguments) if problem is None else {},
            )
        )
    return selected


def foreign_call(call: object) -> ForeignCall:
    """A call as another integration keeps it: a `ToolSelection`, an SDK's object, OpenAI's dict or
    Anthropic's."""
    if isinstance(call, ToolSelection):
        return call.tool_id, call.tool_name, call.tool_kwargs
    function = _get(call, "function") or call
    places = (_get(function, "arguments"), _get(call, "input"), _get(call, "args"))
    arguments = next((place for place in places if place is not None), None)
    ident = _get(call, "id") or _get(call, "toolUseId")
    return ident, str(_get(function, "name") or ""), arguments


def _get(holder: object, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _arguments(arguments: object) -> Json:
    """Arguments as a dict. Agents look at every chunk, so they may still be growing."""
    if isinstance(arguments, str):
        try:
            arguments = parse_partial_json(arguments)
        except ValueError:
            return {}
    return arguments if isinstance(arguments, dict) else {}
