"""Answers as OpenAI's chat completions API has them, with the fields that OpenRouter adds.

OpenRouter's own clients require `system_fingerprint`; OpenAI's take what OpenRouter adds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .answer import Answer
from .delta import Delta
from .json_values import Json, JsonMapping
from .tool_calls import ToolCall, ToolCallFragment

_FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


@dataclass(frozen=True, slots=True)
class Completion:
    """What all chunks of one completion have in common. `created`: unix seconds."""

    id: str
    created: int
    service_tier: str | None = None
    """The tier that the client is told; None: it named none."""
    notes: JsonMapping = field(default_factory=dict)
    """What `freerouter` tells besides the attempts."""

    def whole(self, answers: Sequence[Answer], metadata: Sequence[JsonMapping]) -> Json:
        """A `chat.completion` with a choice for each answer."""
        choices = [
            {
                "index": index,
                "message": _message(answer),
                "finish_reason": finish_reason(answer),
                "native_finish_reason": answer.native_finish_reason,
                "logprobs": answer.logprobs,
            }
            for index, answer in enumerate(answers)
        ]
        body = self._head("chat.completion", answers[0].model)
        body |= {"provider": metadata[0].get("upstream_provider"), "choices": choices}
        usage = added_usage(answer.usage for answer in answers)
        if usage is not None:
            body["usage"] = usage
        return body | {"freerouter": self._told(metadata)}

    def chunk(self, delta: Delta, model: str, *, first: bool = False, index: int = 0) -> Json:
        """A `chat.completion.chunk`. `first`: it is the first of its choice."""
        said: Json = {"role": "assistant"} if first else {}
        if delta.text or first:
            said["content"] = delta.text
        if delta.reasoning:
            said["reasoning"] = delta.reasoning
        if delta.reasoning_details:
            said["reasoning_details"] = list(delta.reasoning_details)
        if delta.tool_calls or delta.invalid_calls or delta.fragments:
            calls = [{"index": number, **call} for number, call in enumerate(_calls(delta))]
            said["tool_calls"] = calls + [_fragment(piece) for piece in _pieces(delta)]
        return self._chunk(model, [_choice(said, None, index)])

    def last(self, answer: Answer, metadata: JsonMapping, *, index: int = 0) -> Json:
        """The last chunk of a choice: the finish reason, and what is known of the whole only."""
        said = _further(answer)
        choice = _choice(said, finish_reason(answer), index)
        choice |= {
            "native_finish_reason": answer.native_finish_reason,
            "logprobs": answer.logprobs,
        }
        chunk = self._chunk(answer.model, [choice])
        chunk["provider"] = metadata.get("upstream_provider")
        return chunk | {"freerouter": self._told([metadata])}

    def usage(self, answers: Sequence[Answer]) -> Iterator[Json]:
        """The chunk of usage after all others, if a provider told any."""
        usage = added_usage(answer.usage for answer in answers)
        if usage is not None:
            yield self._chunk(answers[0].model, []) | {"usage": usage}

    def failed(self, error: JsonMapping, model: str) -> Iterator[Json]:
        """OpenRouter's chunks of a stream that broke. `error`: the body of the error.

        The first is as documented. ChatOpenRouter only reads the error of one without choices.
        """
        choice = _choice({"role": "assistant", "content": ""}, "error", 0)
        yield {**self._chunk(model, [choice]), **error}
        yield {**self._chunk(model, []), **error}

    def _chunk(self, model: str, choices: list[Json]) -> Json:
        return self._head("chat.completion.chunk", model) | {"choices": choices}

    def _head(self, kind: str, model: str) -> Json:
        head: Json = {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": model,
            "system_fingerprint": fingerprint(model),
        }
        return head if self.service_tier is None else head | {"service_tier": self.service_tier}

    def _told(self, metadata: Sequence[JsonMapping]) -> Json:
        """The attempts of the first answer, those of the others, and the notes."""
        others = {"others": [dict(other) for other in metadata[1:]]} if len(metadata) > 1 else {}
        told = {**metadata[0], **others, **self.notes}
        told.pop("logprobs", None)  # the choices have them
        return told


def fingerprint(model: str) -> str:
    """A name for what answered: it is another for another model."""
    return f"fp_{hashlib.sha256(model.encode('utf-8', 'replace')).hexdigest()[:10]}"


def finish_reason(answer: Answer) -> str:
    """Why the answer ended, in OpenAI's words."""
    if answer.tool_calls or answer.invalid_calls:
        return "tool_calls"
    return answer.finish_reason if answer.finish_reason in _FINISH_REASONS else "stop"


def full_usage(usage: JsonMapping) -> Json:
    """A usage with the three counts that strict clients require."""
    counts = [_count(usage.get(name)) for name in _COUNTS]
    prompt, completion = counts[0] or 0, counts[1] or 0
    return {
        **usage,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if counts[2] is None else counts[2],
    }


def added_usage(usages: Iterator[Json | None]) -> Json | None:
    """The usage of all answers together; None: no provider told any."""
    told = [full_usage(usage) for usage in usages if usage is not None]
    if not told:
        return None
    total = told[0]
    for other in told[1:]:
        total = _added(total, other)
    return total


def _added(one: Json, other: Json) -> Json:
    added = dict(one)
    for name, value in other.items():
        mine = added.get(name)
        if isinstance(value, Mapping) and isinstance(mine, Mapping):
            added[name] = _added(dict(mine), dict(value))
        elif _is_number(value) and _is_number(mine):
            added[name] = mine + value
    return added


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _message(answer: Answer) -> Json:
    message: Json = {
        "role": "assistant",
        "content": answer.text or (None if answer.tool_calls or answer.invalid_calls else ""),
        "refusal": answer.refusal or None,
    }
    calls = _calls(answer)
    if calls:
        message["tool_calls"] = calls
    if answer.reasoning:
        message["reasoning"] = answer.reasoning
    if answer.reasoning_details:
        message["reasoning_details"] = list(answer.reasoning_details)
    return message | _further(answer)


def _further(answer: Answer) -> Json:
    """What an answer holds besides words and calls."""
    parts = {
        "annotations": list(answer.annotations),
        "images": list(answer.images),
        "audio": answer.audio,
    }
    return {name: part for name, part in parts.items() if part}


def _choice(delta: Json, reason: str | None, index: int) -> Json:
    return {"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}


def _calls(said: Answer | Delta) -> list[Json]:
    """The calls of an answer. An invalid one has no JSON for arguments but the reason, so that no
    client carries it out, or completes it, and each tells its model."""
    invalid = [
        ToolCall(call.id, call.name, f"({call.problem})")
        for call in said.invalid_calls
        if not call.shown
    ]
    return [call.wire() for call in (*said.tool_calls, *invalid)]


def _pieces(delta: Delta) -> Iterator[ToolCallFragment]:
    """Pieces of calls, and what makes those that were shown no JSON if the call is invalid."""
    yield from delta.fragments
    for call in delta.invalid_calls:
        if call.shown:
            yield ToolCallFragment(call.index, None, None, f"({call.problem})")


def _fragment(fragment: ToolCallFragment) -> Json:
    function: Json = {"name": fragment.name} if fragment.name else {}
    function["arguments"] = fragment.arguments
    begins = {"id": fragment.id, "type": "function"} if fragment.id else {}
    return {"index": fragment.index, **begins, "function": function}
