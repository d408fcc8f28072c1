"""A thought put on the wire: whole or streamed, with usage, as OpenRouter words it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .mind import Thought
from .script import KEEP_ALIVE, Json, Piece, Script, Wait, reply, sse


def tokens_of(request: Mapping[str, Any]) -> int:
    """Prompt tokens, estimated."""
    return len(json.dumps(request.get("messages", []))) // 4


def cut_to_length(thought: Thought, request: Mapping[str, Any]) -> tuple[Thought, str]:
    """The thought within the request's max_tokens, and the finish reason."""
    limit = request.get("max_tokens") or request.get("max_completion_tokens")
    if limit and len(thought.text) > limit * 4:
        return Thought(thought.text[: limit * 4], thought.calls, thought.reasoning), "length"
    return thought, "tool_calls" if thought.calls else "stop"


def _usage(thought: Thought, request: Mapping[str, Any]) -> Json:
    prompt = max(1, tokens_of(request))
    said = thought.text + thought.reasoning + "".join(json.dumps(arguments) for _, arguments in thought.calls)
    completion = max(1, len(said) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": 0,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(thought.reasoning) // 4, "audio_tokens": 0},
    }


def _wire_calls(thought: Thought, ident: str) -> list[Json]:
    return [
        {
            "index": n,
            "id": f"call_{ident[4:]}_{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        for n, (name, arguments) in enumerate(thought.calls)
    ]


def whole(
    thought: Thought,
    finish: str,
    request: Mapping[str, Any],
    model: str,
    ident: str,
    first: float,
    speed: float,
    chunk: Callable[..., Json],
) -> Script:
    """The answer as one body."""
    usage = _usage(thought, request)
    message: Json = {
        "role": "assistant",
        "content": thought.text or None,
        "refusal": None,
        "reasoning": thought.reasoning or None,
    }
    if thought.reasoning:
        message["reasoning_details"] = [
            {"type": "reasoning.text", "text": thought.reasoning, "format": "unknown"}
        ]
    if thought.calls:
        message["tool_calls"] = _wire_calls(thought, ident)
    body = {
        "id": ident,
        "provider": "Simulated",
        "model": model,
        "object": "chat.completion",
        "created": 0,
        "choices": [
            {"index": 0, "message": message, "finish_reason": finish, "native_finish_reason": finish}
        ],
        "usage": usage,
    }
    return reply(body, after=first + usage["completion_tokens"] / speed)


def streamed(
    thought: Thought,
    finish: str,
    request: Mapping[str, Any],
    model: str,
    ident: str,
    first: float,
    speed: float,
    chunk: Callable[..., Json],
) -> Script:
    """The answer token by token."""
    usage = _usage(thought, request)
    pieces: list[Piece | Json] = [KEEP_ALIVE, Wait(first)]

    def say(**delta: Any) -> None:
        pieces.extend((chunk(**delta), Wait(1 / speed)))

    for piece in _cut(thought.reasoning, 16):
        say(
            content="",
            reasoning=piece,
            reasoning_details=[{"type": "reasoning.text", "text": piece, "index": 0}],
        )
    for piece in _cut(thought.text, 8):
        say(content=piece)
    for call in _wire_calls(thought, ident):
        arguments = call["function"]["arguments"]
        say(content=None, tool_calls=[{**call, "function": {**call["function"], "arguments": ""}}])
        for piece in _cut(arguments, 7):
            say(content=None, tool_calls=[{"index": call["index"], "function": {"arguments": piece}}])
    pieces.append(chunk(content="", finish=finish))
    pieces.append(chunk(content="", finish=finish, usage=usage))
    return sse(pieces)


def _cut(text: str, size: int) -> list[str]:
    return [text[n : n + size] for n in range(0, len(text), size)]
