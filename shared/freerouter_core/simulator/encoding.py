"""A thought put on the wire: whole or streamed, with usage, as OpenRouter words it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .responder import Thought
from .script import KEEP_ALIVE, Json, Piece, Script, Wait, reply, sse


@dataclass(frozen=True, slots=True)
class Speech:
    """A thought about to be said: why it ends, who says it, after how many seconds and at how many tokens a second."""

    thought: Thought
    finish: str
    request: Mapping[str, Any]
    model: str
    ident: str
    first: float
    speed: float
    cached: bool = False
    """Whether the same beginning of a prompt was marked for caching before."""


def tokens_of(request: Mapping[str, Any]) -> int:
    """Prompt tokens, estimated."""
    return len(json.dumps(request.get("messages", []))) // 4


def cut_to_length(thought: Thought, request: Mapping[str, Any]) -> tuple[Thought, str]:
    """The thought within the request's max_tokens, and the finish reason."""
    limit = request.get("max_tokens") or request.get("max_completion_tokens")
    if limit and len(thought.text) > limit * 4:
        return Thought(thought.text[: limit * 4], thought.calls, thought.reasoning), "length"
    return thought, "tool_calls" if thought.calls else "stop"


def _usage(speech: Speech) -> Json:
    thought, request = speech.thought, speech.request
    prompt = max(1, tokens_of(request))
    said = (
        thought.text
        + thought.reasoning
        + "".join(json.dumps(arguments) for _, arguments in thought.calls)
    )
    completion = max(1, len(said) // 4)
    marked = prompt // 2 if '"cache_control"' in json.dumps(request.get("messages", [])) else 0
    heard = 8 if '"input_audio"' in json.dumps(request.get("messages", [])) else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": 0,
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": marked if speech.cached else 0,
            "cache_write_tokens": 0 if speech.cached else marked,
            "audio_tokens": min(heard, prompt - marked),
        },
        "completion_tokens_details": {
            "reasoning_tokens": len(thought.reasoning) // 4,
            "audio_tokens": len(thought.text) // 4 if _spoken(request) else 0,
        },
    }


def _spoken(request: Mapping[str, Any]) -> bool:
    return "audio" in (request.get("modalities") or ())


def _sound(said: Speech) -> Json:
    """Silence, with what would have been said."""
    return {
        "id": f"audio_{said.ident[4:]}",
        "data": "UklGRgAAAABXQVZF",
        "transcript": said.thought.text,
    }


def _wire_calls(said: Speech) -> list[Json]:
    return [
        {
            "index": n,
            "id": f"call_{said.ident[4:]}_{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        for n, (name, arguments) in enumerate(said.thought.calls)
    ]


def whole(said: Speech) -> Script:
    """The answer as one body."""
    usage = _usage(said)
    message: Json = {
        "role": "assistant",
        "content": said.thought.text or None,
        "refusal": None,
        "reasoning": said.thought.reasoning or None,
    }
    if said.thought.reasoning:
        message["reasoning_details"] = [
            {"type": "reasoning.text", "text": said.thought.reasoning, "format": "unknown"}
        ]
    if said.thought.calls:
        message["tool_calls"] = _wire_calls(said)
    if _spoken(said.request):
        message["audio"] = _sound(said)
    body = {
        "id": said.ident,
        "provider": "Simulated",
        "model": said.model,
        "object": "chat.completion",
        "created": 0,
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": said.finish,
                "native_finish_reason": said.finish,
            }
        ],
        "usage": usage,
    }
    return reply(body, after=said.first + usage["completion_tokens"] / said.speed)


def streamed(said: Speech, chunk: Callable[..., Json]) -> Script:
    """The answer token by token."""
    usage = _usage(said)
    pieces: list[Piece | Json] = [KEEP_ALIVE, Wait(said.first)]

    def say(**delta: Any) -> None:
        pieces.extend((chunk(**delta), Wait(1 / said.speed)))

    for piece in _cut(said.thought.reasoning, 16):
        say(
            content="",
            reasoning=piece,
            reasoning_details=[{"type": "reasoning.text", "text": piece, "index": 0}],
        )
    for piece in _cut(said.thought.text, 8):
        say(content=piece)
    for call in _wire_calls(said):
        arguments = call["function"]["arguments"]
        say(content=None, tool_calls=[{**call, "function": {**call["function"], "arguments": ""}}])
        for piece in _cut(arguments, 7):
            say(
                content=None,
                tool_calls=[{"index": call["index"], "function": {"arguments": piece}}],
            )
    if _spoken(said.request):
        say(content="", audio=_sound(said))
    pieces.append(chunk(content="", finish=said.finish))
    pieces.append(chunk(content="", finish=said.finish, usage=usage))
    return sse(pieces)


def _cut(text: str, size: int) -> list[str]:
    return [text[n : n + size] for n in range(0, len(text), size)]
