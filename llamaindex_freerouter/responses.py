"""Answers of the core as LlamaIndex responses: whole, or growing with a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    ContentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall
from freerouter_core.wire.usage import count_in

from .tools import INVALID_CALLS


def to_response(answer: Answer, metadata: Mapping[str, object]) -> ChatResponse:
    """A whole answer."""
    return ChatResponse(
        message=_whole_message(answer, metadata),
        raw=_raw(answer, metadata),
        additional_kwargs=_token_counts(answer),
    )


class ResponseBuilder:
    """The responses of a stream. Each is cumulative; its `delta` is only what is new.

    `max_calls`: tool calls beyond this number are left out.
    """

    def __init__(self, max_calls: int | None = None) -> None:
        self._max_calls = max_calls
        self._text, self._reasoning = "", ""
        self._calls: dict[int, ToolCall] = {}

    def add(self, delta: Delta) -> ChatResponse:
        """The response so far."""
        if delta.restarts:
            self._text = ""
        self._text += delta.text
        self._reasoning += delta.reasoning
        for n, call in enumerate(delta.tool_calls):
            self._calls[n] = call
        for piece in delta.fragments:
            call = self._calls.get(piece.index) or ToolCall(
                piece.id or f"call_{piece.index}", "", ""
            )
            name = call.name or piece.name or ""
            self._calls[piece.index] = ToolCall(call.id, name, call.arguments + piece.arguments)
        extras: Json = {"thinking_delta": delta.reasoning} if delta.reasoning else {}
        if delta.restarts:
            extras["restarts"] = True
        choice = {"index": 0, "delta": {"content": delta.text}, "finish_reason": None}
        return ChatResponse(
            message=_message(self._text, self._reasoning, self._shown_calls()),
            delta=delta.text,
            raw={"choices": [choice]},
            additional_kwargs=extras,
        )

    def finish(self, answer: Answer, metadata: Mapping[str, object]) -> ChatResponse:
        """The last response: the whole message, with usage where token counters look for it."""
        # Other models' thoughts were shown too if they failed: the message has its own alone.
        thoughts = "" if metadata.get("replaced") else self._reasoning
        shown = answer.with_(
            text=self._text or answer.text,
            reasoning=thoughts or answer.reasoning,
            tool_calls=answer.tool_calls[: self._max_calls],
            invalid_calls=answer.invalid_calls[: self._max_calls],
        )
        return ChatResponse(
            message=_whole_message(shown, metadata),
            delta="",
            raw=_raw(answer, metadata),
            additional_kwargs=_token_counts(answer),
        )

    def _shown_calls(self) -> tuple[ToolCall, ...]:
        return tuple(self._calls.values())[: self._max_calls]


# -- messages --------------------------------------------------------------------------------------


def _whole_message(answer: Answer, metadata: Mapping[str, object]) -> ChatMessage:
    """The message of a whole answer, with all that a stream shows at its end only."""
    audio = answer.audio or {}
    text = answer.text or str(audio.get("transcript") or "")
    details = [dict(detail) for detail in answer.reasoning_details]
    message = _message(text, answer.reasoning, answer.tool_calls, details)
    _add_invalid_calls(message, answer.invalid_calls)
    message.blocks += [_image(image) for image in answer.images]
    if audio.get("data"):
        message.blocks.append(
            AudioBlock(audio=str(audio["data"]).encode(), format=audio.get("format"))
        )
    extras = message.additional_kwargs
    if answer.annotations:
        extras["annotations"] = [dict(annotation) for annotation in answer.annotations]
    extras["model_name"] = answer.model
    extras["requested_model"] = str(metadata.get("requested_model") or "")
    extras["model_id"] = str(metadata.get("model_id") or "")
    if answer.refusal:
        extras["refusal"] = answer.refusal
    return message


def _message(
    text: str, reasoning: str, calls: tuple[ToolCall, ...], details: Sequence[Json] = ()
) -> ChatMessage:
    blocks: list[ContentBlock] = []
    if reasoning or details:
        information = {"reasoning_details": details} if details else {}
        blocks.append(ThinkingBlock(content=reasoning, additional_information=information))
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
    # Streamed structured output looks for calls only here (core/program/utils.py), as plain dicts.
    extras = {"tool_calls": [call.wire() for call in calls]} if calls else {}
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extras)


def _add_invalid_calls(message: ChatMessage, calls: Sequence[InvalidToolCall]) -> None:
    """Add calls that cannot be carried out. `tools.selections` gives them to an agent under names
    that no tool has, so that it tells its model and goes on."""
    for call in calls:
        message.blocks.append(
            ToolCallBlock(
                tool_call_id=call.id, tool_name=call.name or "unknown", tool_kwargs=call.arguments
            )
        )
    if calls:
        message.additional_kwargs[INVALID_CALLS] = {call.id: call.problem for call in calls}


def _image(image: Json) -> ImageBlock:
    """An image that the model made. OpenRouter sends it as a data URL."""
    url = str((image.get("image_url") or {}).get("url") or "")
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return ImageBlock(image=data.encode(), image_mimetype=head.removeprefix("data:"))
    return ImageBlock(url=url)


# -- raw -------------------------------------------------------------------------------------------


def _raw(answer: Answer, metadata: Mapping[str, object]) -> Json:
    """The answer as a wire dict, which callbacks and tracers read. Ours is under "freerouter"."""
    message: Json = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [call.wire() for call in answer.tool_calls]
    for key in ("reasoning", "reasoning_details", "refusal", "annotations", "images"):
        value = getattr(answer, key)
        if value:
            message[key] = value if isinstance(value, str) else [dict(item) for item in value]
    if answer.audio:
        message["audio"] = dict(answer.audio)
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": answer.finish_reason,
        "native_finish_reason": answer.native_finish_reason,
    }
    return {
        "id": answer.id,
        "model": answer.model,
        "provider": answer.upstream,
        "object": "chat.completion",
        "choices": [choice],
        "usage": answer.usage,
        "freerouter": dict(metadata),
    }


def _token_counts(answer: Answer) -> dict[str, int]:
    usage = answer.usage or {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counts = {name: count_in(usage.get(name)) for name in names}
    return {name: count for name, count in counts.items() if count is not None}
