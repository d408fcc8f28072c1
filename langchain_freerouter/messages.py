"""LangChain messages as OpenAI wire dicts. Nothing is mutated."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)

from freerouter_core.errors import BadRequest
from freerouter_core.wire.json_values import Json, is_complete_json
from freerouter_core.wire.tool_pairing import pair_tool_calls

from .content import CALLS, is_sendable, to_content


def to_wire(messages: Sequence[BaseMessage]) -> list[Json]:
    """Messages of any vintage as wire dicts: strings, OpenAI's, Anthropic's and v1 blocks.

    Raises:
        BadRequest: a message or a block has no place in a chat request.
    """
    wire: list[Json] = []
    for message in messages:
        wire += _wire_messages(message)
    return pair_tool_calls(wire)


def _wire_messages(message: BaseMessage) -> list[Json]:
    if isinstance(message, HumanMessage):
        if _has_tool_results(message):
            return _tool_results(message)
        return [_with_role(message, "user")]
    if isinstance(message, AIMessage):
        return [_with_name(message, _assistant(message))]
    if isinstance(message, SystemMessage):
        role = message.additional_kwargs.get("__openai_role__", "system")
        return [_with_role(message, role)]
    if isinstance(message, ToolMessage):
        content = to_content(message.content)
        return [{"role": "tool", "tool_call_id": message.tool_call_id, "content": content}]
    if isinstance(message, FunctionMessage):
        return [{"role": "user", "content": f"Result of {message.name}: {message.content}"}]
    if isinstance(message, ChatMessage):
        role = {"human": "user", "ai": "assistant"}.get(message.role, message.role)
        return [_with_role(message, role)]
    raise BadRequest(f"a message of type {type(message).__name__} has no place in a chat request")


def _with_role(message: BaseMessage, role: str) -> Json:
    return _with_name(message, {"role": role, "content": to_content(message.content)})


def _with_name(message: BaseMessage, wire: Json) -> Json:
    if message.name:
        # OpenAI's pattern, which others copied.
        wire["name"] = re.sub(r"[\s<|\\/>]+", "_", message.name)[:64]
    return wire


# -- the assistant ---------------------------------------------------------------------------------


def _assistant(message: AIMessage) -> Json:
    calls = _calls(message)
    content: object = message.content
    if isinstance(message.content, list):
        parts = [part for part in message.content if isinstance(part, str) or is_sendable(part)]
        content = to_content(parts) if parts else ""
    wire: Json = {"role": "assistant", "content": content}
    if calls:
        wire["tool_calls"] = calls
        wire["content"] = wire["content"] or None
    thoughts = {
        "reasoning_details": message.additional_kwargs.get("reasoning_details"),
        "reasoning": message.additional_kwargs.get("reasoning_content"),
    }
    if any(thoughts.values()):
        # `wire.body` returns thoughts to the model that had them, and drops them for others.
        wire |= {key: value for key, value in thoughts.items() if value}
        metadata = message.response_metadata
        wire["model"] = [
            str(metadata.get("requested_model") or ""),
            str(metadata.get("model_name") or ""),
        ]
    return wire


def _calls(message: AIMessage) -> list[Json]:
    """The tool calls of a message, or those in its content blocks if it has no others."""
    calls = [
        _call(c["id"], c["name"], json.dumps(c["args"], ensure_ascii=False), n)
        for n, c in enumerate(message.tool_calls)
    ]
    for c in message.invalid_tool_calls:
        # A tool message may answer it, so the call stays; arguments that are no JSON go as none.
        arguments = c["args"] if c["args"] and is_complete_json(c["args"]) else "{}"
        calls.append({**_call(c["id"], c["name"], arguments, len(calls)), "invalid": True})
    if not calls and isinstance(message.content, list):
        blocks = [p for p in message.content if isinstance(p, dict) and p.get("type") in CALLS]
        calls = [_block_call(block, n) for n, block in enumerate(blocks)]
    return calls


def _call(ident: str | None, name: str | None, arguments: str, n: int) -> Json:
    function = {"name": name or "", "arguments": arguments}
    return {"id": ident or f"call_{n}", "type": "function", "function": function}


def _block_call(block: Json, n: int) -> Json:
    """A call in the content: the arguments are Anthropic's `input`, LangChain's `args` or OpenAI's
    `arguments`."""
    arguments: object = next(
        (block[key] for key in ("input", "args", "arguments") if block.get(key)), {}
    )
    if isinstance(arguments, str) and is_complete_json(arguments):
        text = arguments
    else:
        text = json.dumps(arguments if isinstance(arguments, dict) else {}, ensure_ascii=False)
    return _call(block.get("call_id") or block.get("id"), block.get("name"), text, n)


# -- tool results ----------------------------------------------------------------------------------


def _has_tool_results(message: BaseMessage) -> bool:
    return isinstance(message.content, list) and any(
        isinstance(p, dict) and p.get("type") == "tool_result" for p in message.content
    )


def _tool_results(message: BaseMessage) -> list[Json]:
    """Anthropic's tool results. They stand in user messages; here each is a message of its own.

    Results come first: they answer the calls before.
    """
    wire = convert_to_openai_messages([message])
    rows = [wire] if isinstance(wire, dict) else wire
    return sorted(rows, key=lambda row: row["role"] != "tool")
