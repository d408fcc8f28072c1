"""Answers of the core as LangChain messages, results and chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import (
    ToolCallChunk,
    invalid_tool_call,
    tool_call,
    tool_call_chunk,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

import freerouter_core
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json, as_mapping
from freerouter_core.wire.usage import count_in

PROVIDER = "freerouter"
"""`model_provider` of every message. `model_name` and `upstream_provider` say who answered."""


def result_of(outcome: freerouter_core.Outcome) -> ChatResult:
    """A whole answer."""
    message = to_message(outcome.answer, outcome.metadata)
    info = {"finish_reason": outcome.answer.finish_reason}
    return ChatResult(
        generations=[ChatGeneration(message=message, generation_info=info)],
        llm_output={"model_name": outcome.answer.model},
    )


def to_message(answer: Answer, metadata: Mapping[str, object]) -> AIMessage:
    """A whole answer as a message. Its tool calls are complete."""
    return AIMessage(
        content=answer.text,
        additional_kwargs=_extras(answer),
        response_metadata=_metadata(answer, metadata),
        tool_calls=[
            tool_call(name=c.name, args=c.parsed() or {}, id=c.id) for c in answer.tool_calls
        ],
        invalid_tool_calls=[
            invalid_tool_call(name=c.name, args=c.arguments, id=c.id, error=c.problem)
            for c in answer.invalid_calls
        ],
        usage_metadata=usage_of(answer.usage),
    )


RESTARTED_AT = "restarted_at"
"""In `additional_kwargs` of a structured stream: at which character of its text another model began
the object again. The last of these counts."""


class ChunkWriter:
    """Writes the chunks of one stream.

    Merging adds chunks up, so what may stand on one chunk only (names, costs, reasons) waits for
    the last. `names_model`: no other model can follow the one whose text comes, so the first chunk
    with text already names it.
    """

    def __init__(self, *, names_model: bool) -> None:
        self._names_model = names_model
        self._speaker = ""
        self._named = ""
        self._length = 0

    def chunk(self, delta: Delta) -> ChatGenerationChunk | None:
        """A delta as a chunk; None if it shows nothing."""
        self._speaker = delta.model or self._speaker
        calls = delta.tool_calls or delta.fragments or delta.invalid_calls
        if not (delta.text or delta.reasoning or calls):
            return None
        metadata: Json = {"model_provider": PROVIDER}
        if self._names_model and not self._named and (delta.text or calls):
            metadata["model_name"] = self._named = self._speaker
        extras: Json = {"reasoning_content": delta.reasoning} if delta.reasoning else {}
        if delta.restarts:
            extras[RESTARTED_AT] = [self._length]
        self._length += len(delta.text)
        message = AIMessageChunk(
            content=delta.text,
            additional_kwargs=extras,
            response_metadata=metadata,
            tool_call_chunks=_call_chunks(delta) if calls else [],
        )
        return ChatGenerationChunk(message=message)

    def last_chunk(self, outcome: freerouter_core.Outcome, *, usage: bool) -> ChatGenerationChunk:
        """The chunk that ends a stream. `usage`: whether it carries token counts."""
        answer = outcome.answer
        metadata = _metadata(answer, outcome.metadata, usage=usage)
        if self._named:
            del metadata["model_name"]
        message = AIMessageChunk(
            content="",
            additional_kwargs=_extras(answer, streamed=True),
            response_metadata=metadata,
            usage_metadata=usage_of(answer.usage) if usage else None,
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)


def text_of(message: BaseMessage) -> str:
    """The text of a message: of a structured stream that began again, the last beginning's."""
    restarts = message.additional_kwargs.get(RESTARTED_AT)
    return message.text[restarts[-1] :] if restarts else message.text


def _call_chunks(delta: Delta) -> list[ToolCallChunk]:
    chunks = [
        tool_call_chunk(name=call.name, args=call.json_arguments, id=call.id, index=n)
        for n, call in enumerate(delta.tool_calls)
    ]
    chunks += [
        tool_call_chunk(name=f.name, args=f.arguments, id=f.id, index=f.index)
        for f in delta.fragments
    ]
    # LangChain would complete arguments that are cut, and make a valid call of them. What does not
    # begin as JSON stays invalid, and so does what ends with a bracket that closes nothing.
    for n, call in enumerate(delta.invalid_calls, len(delta.tool_calls)):
        told = f"{call.problem}: {call.arguments}"
        chunks.append(
            tool_call_chunk(name=None, args=_spoiling(call.arguments), id=None, index=call.index)
            if call.shown
            else tool_call_chunk(name=call.name, args=told, id=call.id, index=n)
        )
    return chunks


def _spoiling(arguments: str) -> str:
    """What makes arguments that were shown no JSON, however they are completed."""
    closers: list[str] = []
    in_string = escaped = False
    for character in arguments:
        if in_string:
            in_string = character != '"' or escaped
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            closers.append("}" if character == "{" else "]")
        elif character in "}]" and closers:
            closers.pop()
    end = ("\\" if escaped else "") + ('"' if in_string else "")
    return end + ("}" if closers[-1:] == ["]"] else "]")


def _extras(answer: Answer, *, streamed: bool = False) -> Json:
    """What has no field of its own on a message. A stream has shown the reasoning already."""
    extras: Json = {}
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


def _metadata(answer: Answer, metadata: Mapping[str, object], *, usage: bool = True) -> Json:
    """`token_usage` is the provider's own count, with details that `usage_metadata` has no place
    for."""
    token_usage = {"token_usage": dict(answer.usage)} if answer.usage and usage else {}
    return {"model_provider": PROVIDER, **metadata, **token_usage}


def usage_of(usage: Json | None) -> UsageMetadata | None:
    """Token counts under LangChain's names; None if the provider gave none that can be read."""
    if not usage:
        return None
    prompt, completion, total = (count_in(usage.get(name)) for name in _COUNTS)
    if total is not None and (prompt is None) is not (completion is None):
        rest = max(0, total - (prompt or completion or 0))
        prompt, completion = (rest, completion) if prompt is None else (prompt, rest)
    if prompt is None or completion is None:
        return None
    tokens = UsageMetadata(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=total or prompt + completion,
    )
    details = as_mapping(usage.get("prompt_tokens_details"))
    inputs = _integers(
        audio=details.get("audio_tokens"),
        cache_read=details.get("cached_tokens"),
        cache_creation=details.get("cache_write_tokens"),
    )
    details = as_mapping(usage.get("completion_tokens_details"))
    outputs = _integers(
        audio=details.get("audio_tokens"), reasoning=details.get("reasoning_tokens")
    )
    if inputs:
        tokens["input_token_details"] = cast("InputTokenDetails", inputs)
    if outputs:
        tokens["output_token_details"] = cast("OutputTokenDetails", outputs)
    return tokens


def _integers(**counts: object) -> dict[str, int]:
    """The counts that a provider gave. The names are keys of LangChain's TypedDicts."""
    return {name: count for name, value in counts.items() if (count := count_in(value)) is not None}


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
