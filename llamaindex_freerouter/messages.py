"""LlamaIndex messages to OpenAI wire dicts, and answers to LlamaIndex responses. Translation only; nothing is mutated."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    ChatResponse,
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

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_calls import ToolCall
from freerouter_core.wire.tool_pairing import pair_tool_calls

from .tools import legacy_call, sent_name

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


def to_wire(messages: Sequence[ChatMessage]) -> list[Json]:
    """Messages, and every block they may hold, as wire dicts."""
    wire = [_one(message) for message in messages]
    for n, message in enumerate(wire):
        _answered(message.get("tool_calls") or [], wire[n + 1 :])
    return pair_tool_calls(wire)


def _answered(calls: list[Json], after: list[Json]) -> None:
    """Calls that came without an id take those their answers give, in order (Ollama answers by the tool's name)."""
    results = [message for message in after[: len(calls)] if message["role"] == "tool"]
    known = {call["id"] for call in calls}
    free = [i for result in results if (i := result["tool_call_id"]) and i not in known]
    for call in calls:
        if call["id"].startswith("call_?"):
            call["id"] = free.pop(0) if free else call["id"].replace("?", "")


def _one(message: ChatMessage) -> Json:
    role = _ROLES[message.role]
    parts: list[Json] = []
    calls: list[Json] = []
    for block in message.blocks:
        if isinstance(block, ToolCallBlock):
            calls.append(_call(block.tool_call_id, block.tool_name, block.tool_kwargs, len(calls)))
        else:
            parts += _parts(block)
    if role == "assistant":  # pictures and sounds that a model made are none it can be shown
        parts = [part for part in parts if part["type"] == "text"]
    content: Any = parts
    if all(part["type"] == "text" for part in parts):
        content = "".join(part["text"] for part in parts)
    wire: Json = {"role": role, "content": content}
    extra = message.additional_kwargs
    if role == "assistant":
        if not calls:
            single = [extra["function_call"]] if extra.get("function_call") else []
            old = [legacy_call(call) for call in extra.get("tool_calls") or single]
            calls = [
                _call(ident, name, arguments or {}, n)
                for n, (ident, name, arguments) in enumerate(old)
            ]
        if calls:
            wire["tool_calls"] = calls
            wire["content"] = content or None
        thoughts = _thoughts(message)
        if thoughts:
            # Only the model that had them may have them back, in the form it takes; `wire.body.build_body` sees to that.
            wire |= thoughts
            wire["model"] = [
                str(extra.get("requested_model") or ""),
                str(extra.get("model_name") or ""),
            ]
    elif role == "tool":
        wire["tool_call_id"] = str(extra.get("tool_call_id") or "")
    if extra.get("name") and role != "tool":
        wire["name"] = extra["name"]
    return wire


def _thoughts(message: ChatMessage) -> Json:
    for block in message.blocks:
        if isinstance(block, ThinkingBlock):
            found = {
                "reasoning": block.content,
                "reasoning_details": block.additional_information.get("reasoning_details"),
            }
            return {key: value for key, value in found.items() if value}
    return {}


def _call(ident: str | None, name: str, kwargs: Any, n: int) -> Json:
    """`tool_kwargs` may be a dict or its JSON (llama_index#21378); what is neither is sent as no arguments."""
    arguments = (
        kwargs if isinstance(kwargs, str) else json.dumps(kwargs, ensure_ascii=False, default=str)
    )
    try:
        if not isinstance(json.loads(arguments), dict):
            arguments = "{}"
    except ValueError:
        arguments = "{}"
    return {
        "id": ident or f"call_?{n}",
        "type": "function",
        "function": {"name": sent_name(name), "arguments": arguments},
    }


def _parts(block: Any) -> list[Json]:
    match block:
        case TextBlock():
            return [{"type": "text", "text": block.text}]
        case ImageBlock():
            return [{"type": "image_url", "image_url": _image(block)}]
        case AudioBlock():
            data = block.resolve_audio(as_base64=True).read().decode()
            return [
                {
                    "type": "input_audio",
                    "input_audio": {"data": data, "format": block.format or "wav"},
                }
            ]
        case VideoBlock():
            url = (
                str(block.url)
                if block.url
                else _data_url(block.resolve_video(), block.video_mimetype or "video/mp4")
            )
            return [{"type": "video_url", "video_url": {"url": url}}]
        case DocumentBlock():
            mime = block.document_mimetype or "application/pdf"
            data = str(block.url) if block.url else _data_url(block.resolve_document(), mime)
            return [
                {
                    "type": "file",
                    "file": {"filename": block.title or "document.pdf", "file_data": data},
                }
            ]
        case CitableBlock():
            return [part for inner in block.content for part in _parts(inner)]
        case CitationBlock():
            return _parts(block.cited_content)
        case ThinkingBlock() | CachePoint():
            return []  # thoughts are replayed as reasoning_details; cache points are a paid provider's
    raise BadRequest(f"a block of type {type(block).__name__} cannot be sent to a chat model")


def _image(block: ImageBlock) -> Json:
    url = (
        str(block.url)
        if block.url
        else _data_url(block.resolve_image(), block.image_mimetype or "image/png")
    )
    return {"url": url} | ({"detail": block.detail} if block.detail else {})


def _data_url(stream: Any, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(stream.read()).decode()}"


# -- answers ---------------------------------------------------------------------------------------------------------


def to_response(answer: Answer, metadata: Mapping[str, Any]) -> ChatResponse:
    """A whole answer as a `ChatResponse`."""
    return ChatResponse(
        message=_message(
            answer.text,
            answer.reasoning,
            answer.tool_calls,
            answer,
            str(metadata.get("requested_model") or ""),
        ),
        raw=raw_of(answer, metadata),
        additional_kwargs=_counts(answer),
    )


class Growing:
    """The message of a stream so far. Each response is cumulative, its `delta` only what is new.

    `names`: tools' own names by those that were sent; `most`: how many calls are wanted at most.
    """

    def __init__(self, names: Mapping[str, str], most: int | None = None) -> None:
        self._names, self._most = names, most
        self.text, self.reasoning = "", ""
        self._calls: dict[int, ToolCall] = {}

    def take(self, delta: Delta) -> ChatResponse:
        self.text += delta.text
        self.reasoning += delta.reasoning
        for n, call in enumerate(delta.tool_calls):
            self._calls[n] = replace(call, name=self._names.get(call.name, call.name))
        for piece in delta.fragments:
            known = self._calls.get(piece.index) or ToolCall(
                piece.id or f"call_{piece.index}", "", ""
            )
            name = known.name or self._names.get(piece.name or "", piece.name or "")
            self._calls[piece.index] = ToolCall(known.id, name, known.arguments + piece.arguments)
        return ChatResponse(
            message=_message(
                self.text, self.reasoning, tuple(self._calls.values())[: self._most], None
            ),
            delta=delta.text,
            raw={
                "choices": [{"index": 0, "delta": {"content": delta.text}, "finish_reason": None}]
            },
            additional_kwargs={"thinking_delta": delta.reasoning} if delta.reasoning else {},
        )

    def end(self, answer: Answer, metadata: Mapping[str, Any]) -> ChatResponse:
        """The last response: nothing new, but whole, with usage where token counters look for it."""
        calls = (tuple(self._calls.values()) or answer.tool_calls)[: self._most]
        text, reasoning = self.text or answer.text, self.reasoning or answer.reasoning
        return ChatResponse(
            message=_message(
                text, reasoning, calls, answer, str(metadata.get("requested_model") or "")
            ),
            delta="",
            raw=raw_of(answer, metadata),
            additional_kwargs=_counts(answer),
        )


def _message(
    text: str, reasoning: str, calls: tuple[ToolCall, ...], answer: Answer | None, asked: str = ""
) -> ChatMessage:
    blocks: list[Any] = []
    extra: dict[str, Any] = {}
    details = [dict(detail) for detail in answer.reasoning_details] if answer else []
    if reasoning or details:
        known = {"reasoning_details": details} if details else {}
        blocks.append(ThinkingBlock(content=reasoning, additional_information=known))
    if answer is not None and answer.audio and not text:
        text = str(answer.audio.get("transcript") or "")
    if text or not calls:
        blocks.append(TextBlock(text=text))
    for call in calls:
        kwargs = call.parsed()
        blocks.append(
            ToolCallBlock(
                tool_call_id=call.id,
                tool_name=call.name,
                tool_kwargs=call.arguments if kwargs is None else kwargs,
            )
        )
    if calls:
        # Streamed structured output looks for calls only here (core/program/utils.py), as plain dicts.
        extra["tool_calls"] = [call.wire() for call in calls]
    if answer is not None:
        blocks += [_picture(image) for image in answer.images]
        if answer.audio and answer.audio.get("data"):
            blocks.append(
                AudioBlock(
                    audio=str(answer.audio["data"]).encode(), format=answer.audio.get("format")
                )
            )
        if answer.annotations:
            extra["annotations"] = [dict(annotation) for annotation in answer.annotations]
        extra["model_name"] = answer.model
        extra["requested_model"] = asked
        if answer.refusal:
            extra["refusal"] = answer.refusal
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extra)


def _picture(image: Json) -> ImageBlock:
    """A picture a model made: OpenRouter sends it as a data URL."""
    url = str((image.get("image_url") or {}).get("url") or "")
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return ImageBlock(image=data.encode(), image_mimetype=head.removeprefix("data:"))
    return ImageBlock(url=url)


def raw_of(answer: Answer, metadata: Mapping[str, Any]) -> Json:
    """The answer as a wire dict, with ours under "freerouter": what callbacks and tracers read."""
    message: Json = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [call.wire() for call in answer.tool_calls]
    for key in ("reasoning", "reasoning_details", "refusal", "annotations", "images"):
        value = getattr(answer, key)
        if value:
            message[key] = value if isinstance(value, str) else [dict(item) for item in value]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": answer.finish_reason,
        "native_finish_reason": answer.native_finish_reason,
    }
    if answer.audio:
        message["audio"] = dict(answer.audio)
    return {
        "id": answer.id,
        "model": answer.model,
        "provider": answer.upstream,
        "object": "chat.completion",
        "choices": [choice],
        "usage": answer.usage,
        "freerouter": dict(metadata),
    }


def _counts(answer: Answer) -> dict[str, Any]:
    usage = answer.usage or {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: usage[name] for name in names if isinstance(usage.get(name), int)}
