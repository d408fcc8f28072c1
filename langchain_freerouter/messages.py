"""LangChain messages as dicts that the core reads. Nothing is mutated.

Content goes as it is: `freerouter_core.wire.history` reads blocks of any vintage and provider.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from freerouter_core.errors import BadRequest
from freerouter_core.wire.json_values import Json


def to_wire(messages: Sequence[BaseMessage]) -> list[Json]:
    """Messages of any vintage as dicts.

    Raises:
        BadRequest: a message has no place in a chat request.
    """
    return [_wire_message(message) for message in messages]


def _wire_message(message: BaseMessage) -> Json:
    wire: Json = {"role": _role(message), "content": message.content}
    if isinstance(message, ToolMessage):
        return wire | {"tool_call_id": message.tool_call_id}
    if isinstance(message, AIMessage):
        wire |= _calls(message) | _thoughts(message)
    if message.name:
        wire["name"] = message.name
    return wire


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "assistant"
    if isinstance(message, SystemMessage):
        return str(message.additional_kwargs.get("__openai_role__", "system"))
    if isinstance(message, (ToolMessage, FunctionMessage)):
        return "tool"
    if isinstance(message, ChatMessage):
        return message.role
    raise BadRequest(f"a message of type {type(message).__name__} has no place in a chat request")


def _calls(message: AIMessage) -> Json:
    """The tool calls of a message. A tool message may answer an invalid one, so it stays, too."""
    calls = [{"id": c["id"], "name": c["name"], "args": c["args"]} for c in message.tool_calls]
    invalid = [
        {"id": c["id"], "name": c["name"] or "", "args": c["args"], "invalid": True}
        for c in message.invalid_tool_calls
    ]
    if calls or invalid:
        return {"tool_calls": [*calls, *invalid]}
    # Where older integrations put them.
    extras = message.additional_kwargs
    return {key: extras[key] for key in ("tool_calls", "function_call") if extras.get(key)}


def _thoughts(message: AIMessage) -> Json:
    """Thoughts, and who had them: `wire.body` returns them to that model, and drops them for
    others."""
    extras, metadata = message.additional_kwargs, message.response_metadata
    thoughts = {
        "reasoning_details": extras.get("reasoning_details"),
        "reasoning": extras.get("reasoning_content"),
        "refusal": extras.get("refusal"),
    }
    names = ("model_id", "requested_model", "model_name")
    writer = [str(metadata[name]) for name in names if metadata.get(name)]
    return {key: value for key, value in thoughts.items() if value} | {"model": writer}
