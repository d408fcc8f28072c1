"""Writes a reply as OpenRouter sends it: as one body or as a stream, with usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from .responder import Reply
from .response import (
    KEEP_ALIVE,
    Delay,
    Json,
    JsonView,
    Piece,
    TimedResponse,
    json_response,
    stream_response,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A reply with everything its encoding needs."""

    reply: Reply
    finish_reason: str
    request: JsonView
    messages: str
    """The request's messages as JSON."""
    model: str
    id: str
    first_token: float
    """Seconds to the first token."""
    speed: float
    """Tokens a second."""
    logprobs: bool = False
    """Whether it tells the chances of its tokens."""
    cache_hit: bool = False
    """Whether an earlier request marked the same prompt for caching."""


def prompt_tokens(request: JsonView) -> int:
    """An estimate; see `tokens_of`."""
    return tokens_of(json.dumps(request.get("messages", [])))


def tokens_of(messages: str) -> int:
    """An estimate, by the messages as JSON: a token for every four characters."""
    return len(messages) // 4


def truncate(reply: Reply, request: JsonView) -> tuple[Reply, str]:
    """The reply within the request's `max_tokens`, and its finish reason."""
    limit = request.get("max_tokens") or request.get("max_completion_tokens")
    if limit and len(reply.text) > limit * 4:
        return Reply(reply.text[: limit * 4], reply.calls, reply.reasoning), "length"
    return reply, "tool_calls" if reply.calls else "stop"


def encode(completion: Completion) -> TimedResponse:
    """The answer as one body."""
    reply, usage = completion.reply, _usage(completion)
    message: Json = {
        "role": "assistant",
        "content": reply.text or None,
        "refusal": None,
        "reasoning": reply.reasoning or None,
    }
    if reply.reasoning:
        message["reasoning_details"] = [
            {"type": "reasoning.text", "text": reply.reasoning, "format": "unknown"}
        ]
    if reply.calls:
        message["tool_calls"] = _tool_calls(completion)
    if _wants_audio(completion.request):
        message["audio"] = _audio(completion)
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": completion.finish_reason,
        "native_finish_reason": completion.finish_reason,
        "logprobs": _logprobs(completion, _split(reply.text, 8)),
    }
    body = {
        "id": completion.id,
        "provider": "Simulated",
        "model": completion.model,
        "object": "chat.completion",
        "created": 0,
        "system_fingerprint": None,
        "choices": [choice],
        "usage": usage,
    }
    seconds = completion.first_token + usage["completion_tokens"] / completion.speed
    return json_response(body, after=seconds)


def encode_stream(completion: Completion, chunk: Callable[..., Json]) -> TimedResponse:
    """The answer token by token. `chunk` makes a chunk from the fields of its delta."""
    reply, pause = completion.reply, Delay(1 / completion.speed)
    pieces: list[Piece | Json] = [KEEP_ALIVE, Delay(completion.first_token)]

    def send(**delta: object) -> None:
        pieces.extend((chunk(**delta), pause))

    for text in _split(reply.reasoning, 16):
        details = [{"type": "reasoning.text", "text": text, "index": 0}]
        send(content="", reasoning=text, reasoning_details=details)
    for text in _split(reply.text, 8):
        send(content=text, logprobs=_logprobs(completion, [text]))
    for call in _tool_calls(completion):
        function = call["function"]
        send(content=None, tool_calls=[call | {"function": function | {"arguments": ""}}])
        for text in _split(function["arguments"], 7):
            fragment = {"index": call["index"], "function": {"arguments": text}}
            send(content=None, tool_calls=[fragment])
    if _wants_audio(completion.request):
        send(content="", audio=_audio(completion))
    pieces.append(chunk(content="", finish=completion.finish_reason))
    pieces.append(chunk(content="", finish=completion.finish_reason, usage=_usage(completion)))
    return stream_response(pieces)


def _logprobs(completion: Completion, tokens: list[str]) -> Json | None:
    """Every token is as probable as any other."""
    if not completion.logprobs:
        return None
    told = [
        {"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": []}
        for token in tokens
    ]
    return {"content": told, "refusal": None}


def _usage(completion: Completion) -> Json:
    reply, request, messages = completion.reply, completion.request, completion.messages
    prompt = max(1, tokens_of(messages))
    arguments = "".join(json.dumps(arguments) for _, arguments in reply.calls)
    generated = max(1, len(reply.text + reply.reasoning + arguments) // 4)
    cacheable = prompt // 2 if '"cache_control"' in messages else 0
    audio = 8 if '"input_audio"' in messages else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "cost": 0,
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": cacheable if completion.cache_hit else 0,
            "cache_write_tokens": 0 if completion.cache_hit else cacheable,
            "audio_tokens": min(audio, prompt - cacheable),
        },
        "completion_tokens_details": {
            "reasoning_tokens": len(reply.reasoning) // 4,
            "audio_tokens": len(reply.text) // 4 if _wants_audio(request) else 0,
        },
    }


def _wants_audio(request: JsonView) -> bool:
    return "audio" in (request.get("modalities") or ())


def _audio(completion: Completion) -> Json:
    """Silence, with the reply as its transcript."""
    return {
        "id": f"audio_{completion.id[4:]}",
        "data": "UklGRgAAAABXQVZF",
        "transcript": completion.reply.text,
    }


def _tool_calls(completion: Completion) -> list[Json]:
    return [
        {
            "index": n,
            "id": f"call_{completion.id[4:]}_{n}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
        }
        for n, (name, arguments) in enumerate(completion.reply.calls)
    ]


def _split(text: str, size: int) -> list[str]:
    return [text[n : n + size] for n in range(0, len(text), size)]
