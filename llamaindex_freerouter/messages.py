"""LlamaIndex messages as dicts that the core reads. Nothing is mutated."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import IOBase

from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from freerouter_core.wire.json_values import Json

from .tools import foreign_call

_ROLES = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "developer",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}
_NO_ID = "call_?"
"""Starts the id of a call that came without one, until its answer tells which it should have."""


def to_wire(messages: Sequence[ChatMessage]) -> list[Json]:
    """Messages, with every block they may hold, as dicts."""
    wire = [_wire_message(message) for message in messages]
    for n, message in enumerate(wire):
        _give_ids(message.get("tool_calls") or [], wire[n + 1 :])
    return wire


def _give_ids(calls: list[Json], following: list[Json]) -> None:
    """Give calls without an id those of their answers, in order. Ollama answers by the tool's
    name."""
    results = [message for message in following[: len(calls)] if message["role"] == "tool"]
    used = {call["id"] for call in calls}
    free = [i for result in results if (i := result["tool_call_id"]) and i not in used]
    for call in calls:
        if call["id"].startswith(_NO_ID):
            call["id"] = free.pop(0) if free else call["id"].replace("?", "")


def _wire_message(message: ChatMessage) -> Json:
    role, extras = _ROLES[message.role], message.additional_kwargs
    parts: list[Json] = []
    for block in message.blocks:
        if not isinstance(block, ToolCallBlock):
            parts += _parts(block)
    wire: Json = {"role": role, "content": parts}
    if role == "assistant":
        calls = _calls(message)
        if calls:
            wire["tool_calls"] = calls
        thoughts = _thoughts(message)
        if thoughts:
            # `wire.body` returns thoughts to the model that had them, and drops them for others.
            wire |= thoughts
            names = ("model_id", "requested_model", "model_name")
            wire["model"] = [str(extras[name]) for name in names if extras.get(name)]
    elif role == "tool":
        wire["tool_call_id"] = str(extras.get("tool_call_id") or "")
    if extras.get("name") and role != "tool":
        wire["name"] = extras["name"]
    return wire


def _thoughts(message: ChatMessage) -> Json:
    """The first thinking block, as the wire words it."""
    for block in message.blocks:
        if isinstance(block, ThinkingBlock):
            thoughts = {
                "reasoning": block.content,
                "reasoning_details": block.additional_information.get("reasoning_details"),
            }
            return {key: value for key, value in thoughts.items() if value}
    return {}


# -- tool calls ------------------------------------------------------------------------------------


def _calls(message: ChatMessage) -> list[Json]:
    """The tool calls of a message: its blocks, else where older integrations put them."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if blocks:
        return [
            _call(block.tool_call_id, block.tool_name, block.tool_kwargs, n)
            for n, block in enumerate(blocks)
        ]
    extras = message.additional_kwargs
    single = [extras["function_call"]] if extras.get("function_call") else []
    foreign = [foreign_call(call) for call in extras.get("tool_calls") or single]
    return [
        _call(ident, name, arguments or {}, n) for n, (ident, name, arguments) in enumerate(foreign)
    ]


def _call(ident: str | None, name: str, kwargs: object, n: int) -> Json:
    """`kwargs` may be a dict or its JSON (llama_index#21378)."""
    return {"id": ident or f"{_NO_ID}{n}", "name": name, "args": kwargs}


# -- content ---------------------------------------------------------------------------------------


def _parts(block: BaseContentBlock) -> list[Json]:
    match block:
        case TextBlock():
            return [{"type": "text", "text": block.text}]
        case ImageBlock():
            mime = block.image_mimetype or "image/png"
            url = str(block.url) if block.url else _data_url(block.resolve_image(), mime)
            image = {"url": url} | ({"detail": block.detail} if block.detail else {})
            return [{"type": "image_url", "image_url": image}]
        case AudioBlock():
            data = block.resolve_audio(as_base64=True).read().decode()
            sound = {"data": data, "format": block.format or "wav"}
            return [{"type": "input_audio", "input_audio": sound}]
        case VideoBlock():
            mime = block.video_mimetype or "video/mp4"
            url = str(block.url) if block.url else _data_url(block.resolve_video(), mime)
            return [{"type": "video_url", "video_url": {"url": url}}]
        case DocumentBlock():
            mime = block.document_mimetype or "application/pdf"
            url = str(block.url) if block.url else _data_url(block.resolve_document(), mime)
            title = None if block.title == "input_document" else block.title  # their default
            return [{"type": "document", "mime_type": mime, "url": url, "title": title}]
        case CitableBlock():
            return [part for inner in block.content for part in _parts(inner)]
        case CitationBlock():
            return _parts(block.cited_content)
        case ThinkingBlock() | CachePoint():
            return []  # thoughts are sent as reasoning_details; cache points are a paid provider's
    return [{"type": type(block).__name__}]  # the core says in words that it was left out


def _data_url(stream: IOBase, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(stream.read()).decode()}"
