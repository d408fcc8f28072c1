"""LangChain messages to OpenAI wire dicts, and answers to LangChain messages. Translation only; nothing is mutated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call, tool_call_chunk

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_pairing import paired

PROVIDER = "freerouter"
"""`model_provider` of every message: who answered is in `model_name` and `upstream_provider`."""

_SENDABLE = frozenset(
    {
        "text",
        "image",
        "image_url",
        "input_audio",
        "audio",
        "file",
        "video",
        "video_url",
        "text-plain",
    }
)
"""Blocks of an assistant's content that a chat model may be sent. The rest (thoughts, calls, searches of other providers) is
said elsewhere on the wire, or means nothing to another model."""
_CALLS = frozenset({"tool_use", "tool_call", "function_call", "invalid_tool_call"})


def to_wire(messages: Sequence[BaseMessage]) -> list[Json]:
    """Messages of any vintage (strings, OpenAI, Anthropic and v1 blocks) as wire dicts."""
    wire: list[Json] = []
    for message in messages:
        wire += _one(message)
    return paired(wire)


def _one(message: BaseMessage) -> list[Json]:
    if isinstance(message, HumanMessage):
        if _has_tool_results(message.content):
            return _foreign(message)
        return [_named(message, {"role": "user", "content": _content(message.content)})]
    if isinstance(message, AIMessage):
        return [_named(message, _assistant(message))]
    if isinstance(message, SystemMessage):
        role = message.additional_kwargs.get("__openai_role__", "system")
        return [_named(message, {"role": role, "content": _content(message.content)})]
    if isinstance(message, ToolMessage):
        return [
            {
                "role": "tool",
                "tool_call_id": message.tool_call_id,
                "content": _content(message.content),
            }
        ]
    if isinstance(message, FunctionMessage):
        return [{"role": "user", "content": f"Result of {message.name}: {message.content}"}]
    if isinstance(message, ChatMessage):
        role = {"human": "user", "ai": "assistant"}.get(message.role, message.role)
        return [_named(message, {"role": role, "content": _content(message.content)})]
    raise BadRequest(f"a message of type {type(message).__name__} has no place in a chat request")


def _named(message: BaseMessage, wire: Json) -> Json:
    if message.name:
        wire["name"] = re.sub(r"[\s<|\\/>]+", "_", message.name)[
            :64
        ]  # OpenAI's pattern, which others copied
    return wire


def _assistant(message: AIMessage) -> Json:
    content: Any = message.content
    calls = [
        _call(c["id"], c["name"], json.dumps(c["args"], ensure_ascii=False), n)
        for n, c in enumerate(message.tool_calls)
    ]
    for c in message.invalid_tool_calls:
        # Answered it must stay, or its answer would be an orphan; what was no JSON is sent as no arguments.
        arguments = c["args"] if c["args"] and _is_json(c["args"]) else "{}"
        calls.append({**_call(c["id"], c["name"], arguments, len(calls)), "invalid": True})
    if isinstance(content, list):
        if not calls:
            blocks = [p for p in content if isinstance(p, dict) and p.get("type") in _CALLS]
            calls = [_foreign_call(block, n) for n, block in enumerate(blocks)]
        parts = [p for p in content if isinstance(p, str) or _is_sendable(p)]
        content = _content(parts) if parts else ""
    wire: Json = {"role": "assistant", "content": content}
    if calls:
        wire["tool_calls"] = calls
        wire["content"] = wire["content"] or None
    thoughts = {
        "reasoning_details": message.additional_kwargs.get("reasoning_details"),
        "reasoning": message.additional_kwargs.get("reasoning_content"),
    }
    if any(thoughts.values()):
        # Only the model that had them may have them back, in the form it takes; `wire.body.shape` sees to that.
        told = message.response_metadata
        wire |= {key: value for key, value in thoughts.items() if value}
        wire["model"] = [str(told.get("requested_model") or ""), str(told.get("model_name") or "")]
    return wire


def _is_sendable(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return kind in _SENDABLE or (
        isinstance(part.get("text"), str) and kind in (None, "output_text")
    )


def _call(ident: str | None, name: str | None, arguments: str, n: int) -> Json:
    function = {"name": name or "", "arguments": arguments}
    return {"id": ident or f"call_{n}", "type": "function", "function": function}


def _foreign_call(block: Mapping[str, Any], n: int) -> Json:
    """A call that stands only in the content: Anthropic's `input`, ours `args`, OpenAI's `arguments`."""
    arguments: Any = next(
        (block[key] for key in ("input", "args", "arguments") if block.get(key)), {}
    )
    text = arguments if isinstance(arguments, str) and _is_json(arguments) else None
    if text is None:
        text = json.dumps(arguments if isinstance(arguments, dict) else {}, ensure_ascii=False)
    return _call(block.get("call_id") or block.get("id"), block.get("name"), text, n)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _content(content: str | Sequence[str | dict[str, Any]]) -> str | list[Json]:
    """A string stays one; so do blocks that are all text, since many free backends take nothing else."""
    if isinstance(content, str):
        return content
    parts = [_part(part) for part in content]
    if all(part.get("type") == "text" and set(part) <= {"type", "text"} for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: str | dict[str, Any]) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type")
    if kind == "text":
        keep = {"type": "text", "text": part.get("text", "")}
        return keep | (
            {"cache_control": part["cache_control"]} if part.get("cache_control") else {}
        )
    if kind in ("image_url", "input_audio", "video_url") or (
        kind == "file" and isinstance(part.get("file"), dict)
    ):
        if kind == "image_url" and isinstance(part["image_url"], str):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        return {key: value for key, value in part.items() if key in ("type", kind)}
    made = _medium(part)
    if made is not None:
        return made
    if kind == "json":
        return {"type": "text", "text": json.dumps(part.get("json"), ensure_ascii=False)}
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    raise BadRequest(
        f"a content block of type {kind!r} cannot be sent to a chat model",
        hint="text, image, audio, video and file blocks can",
    )


def _medium(part: dict[str, Any]) -> Json | None:
    """An image, sound, film or document in any of LangChain's or Anthropic's shapes; None if it is none."""
    kind = part.get("type")
    given = part.get("source")
    source: Mapping[str, Any] = given if isinstance(given, dict) else {}
    data = part.get("base64") or part.get("data") or source.get("data")
    mime = part.get("mime_type") or source.get("media_type") or _MIME.get(str(kind), "")
    url = part.get("url") or source.get("url") or (f"data:{mime};base64,{data}" if data else None)
    if kind in ("text-plain", "document") and (
        source.get("type") == "text" or mime == "text/plain" or part.get("text")
    ):
        return {"type": "text", "text": str(part.get("text") or source.get("data") or data or "")}
    if url is None or kind not in _MIME:
        return None
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "video":
        return {"type": "video_url", "video_url": {"url": url}}
    if kind == "audio":
        if not data:
            raise BadRequest(
                "audio can only be sent as data, not by its URL", hint="read it and pass base64=…"
            )
        sound = mime.rpartition("/")[2].removeprefix("x-")
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": _SOUNDS.get(sound, sound)},
        }
    extras = part.get("extras") or part.get("metadata") or {}
    name = part.get("filename") or extras.get("filename") or part.get("title") or "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": url}}


_MIME = {
    "image": "image/png", "audio": "audio/wav", "video": "video/mp4", "file": "application/pdf", "document": "application/pdf",
    "text-plain": "text/plain",
}  # fmt: skip
_SOUNDS = {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav"}


def _has_tool_results(content: str | list[str | dict[str, Any]]) -> bool:
    return isinstance(content, list) and any(
        isinstance(p, dict) and p.get("type") == "tool_result" for p in content
    )


def _foreign(message: BaseMessage) -> list[Json]:
    """Anthropic's tool results, which stand in user messages there and are messages of their own here."""
    made: Any = convert_to_openai_messages([message])
    return sorted(
        made, key=lambda wire: wire["role"] != "tool"
    )  # results first: they answer what was said before


# -- answers ---------------------------------------------------------------------------------------------------------


def usage_of(usage: Mapping[str, Any] | None) -> UsageMetadata | None:
    """Token counts in LangChain's words; None where the provider gave none."""
    if not usage:
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    of_prompt, of_completion = _details(usage, "prompt"), _details(usage, "completion")
    inputs = {
        "audio": of_prompt.get("audio_tokens"),
        "cache_read": of_prompt.get("cached_tokens"),
        "cache_creation": of_prompt.get("cache_write_tokens"),
    }
    outputs = {
        "audio": of_completion.get("audio_tokens"),
        "reasoning": of_completion.get("reasoning_tokens"),
    }
    made = UsageMetadata(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=_count(usage, "total_tokens") or prompt + completion,
    )
    known = {key: value for key, value in inputs.items() if isinstance(value, int)}
    if known:
        made["input_token_details"] = InputTokenDetails(**known)  # type: ignore[typeddict-item]
    known = {key: value for key, value in outputs.items() if isinstance(value, int)}
    if known:
        made["output_token_details"] = OutputTokenDetails(**known)  # type: ignore[typeddict-item]
    return made


def _details(usage: Mapping[str, Any], of: str) -> Mapping[str, Any]:
    found = usage.get(f"{of}_tokens_details")
    return found if isinstance(found, Mapping) else {}


def _count(usage: Mapping[str, Any], key: str) -> int:
    value = usage.get(key)
    return int(value) if isinstance(value, (int, float)) else 0


def extras_of(answer: Answer, *, streamed: bool = False) -> dict[str, Any]:
    """What of an answer has no field of its own on a message. When streamed, reasoning has already been shown."""
    extras: dict[str, Any] = {}
    if answer.reasoning and not streamed:
        extras["reasoning_content"] = answer.reasoning
    if answer.reasoning_details:
        extras["reasoning_details"] = [dict(detail) for detail in answer.reasoning_details]
    if answer.refusal:
        extras["refusal"] = answer.refusal
    if answer.annotations:
        extras["annotations"] = [dict(annotation) for annotation in answer.annotations]
    if answer.audio:
        extras["audio"] = dict(answer.audio)
    if answer.images:
        extras["images"] = [dict(image) for image in answer.images]
    return extras


def _told(answer: Answer, metadata: Mapping[str, Any], *, usage: bool = True) -> dict[str, Any]:
    """`token_usage` is the provider's own count, with all that has no place in `usage_metadata`."""
    counted = {"token_usage": dict(answer.usage)} if answer.usage and usage else {}
    return {"model_provider": PROVIDER, **metadata, **counted}


def to_message(answer: Answer, metadata: Mapping[str, Any]) -> AIMessage:
    """A whole answer as an `AIMessage`. Its tool calls are complete: the engine has seen to it."""
    return AIMessage(
        content=answer.text,
        additional_kwargs=extras_of(answer),
        response_metadata=_told(answer, metadata),
        tool_calls=[
            tool_call(name=c.name, args=c.parsed() or {}, id=c.id) for c in answer.tool_calls
        ],
        usage_metadata=usage_of(answer.usage),
    )


def to_chunk(delta: Delta) -> AIMessageChunk:
    """One delta as a chunk. What may stand on one chunk only (names, costs, reasons) is `last_chunk`'s."""
    extras = {"reasoning_content": delta.reasoning} if delta.reasoning else {}
    return AIMessageChunk(
        content=delta.text,
        additional_kwargs=extras,
        response_metadata={"model_provider": PROVIDER},
        tool_call_chunks=_call_chunks(delta) if delta.tool_calls or delta.fragments else [],
    )


def _call_chunks(delta: Delta) -> list[ToolCallChunk]:
    whole = [
        tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=n)
        for n, call in enumerate(delta.tool_calls)
    ]
    pieces = [
        tool_call_chunk(name=f.name, args=f.arguments, id=f.id, index=f.index)
        for f in delta.fragments
    ]
    return whole or pieces


def last_chunk(answer: Answer, metadata: Mapping[str, Any], *, usage: bool) -> AIMessageChunk:
    """The chunk that ends a stream: usage, and all that merging would garble if it came twice."""
    return AIMessageChunk(
        content="",
        additional_kwargs=extras_of(answer, streamed=True),
        response_metadata=_told(answer, metadata, usage=usage),
        usage_metadata=usage_of(answer.usage) if usage else None,
        chunk_position="last",
    )
