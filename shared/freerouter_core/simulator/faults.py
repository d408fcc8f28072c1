"""The ways a simulated model fails, by name. Bodies have shapes recorded from the real service."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace

from .response import (
    KEEP_ALIVE,
    ConnectionFailure,
    Delay,
    Json,
    Piece,
    TimedResponse,
    json_response,
    sse_event,
    stream_response,
)
from .wrong_vectors import CHANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultContext:
    """The request that a fault strikes."""

    model: str
    stream: bool
    now: float
    """Unix seconds."""
    first_token: float
    """Seconds to the first token."""
    answer: Callable[[], TimedResponse]
    """Makes the answer that the model would have given."""
    chunk: Callable[..., Json]
    """Makes a chunk of its stream. Keywords are fields of the delta, `finish` and `usage`."""
    texts: tuple[int, ...] = ()
    """Tokens of each text to embed."""
    allowed: int | None = None
    """Requests that the limit allows which refuses it; None: none does."""


Fault = Callable[[FaultContext], TimedResponse]


def _error(
    status: int, message: str, response_headers: dict[str, str] | None = None, **metadata: object
) -> Fault:
    """An OpenRouter error. Texts may name `{model}`, its id, or `{paid}`, that without `:free`."""

    def respond(context: FaultContext) -> TimedResponse:
        error: Json = {
            "message": message.format(
                model=context.model, paid=context.model.removesuffix(":free")
            ),
            "code": status,
        }
        if metadata:
            error["metadata"] = {
                name: value.format(model=context.model) if isinstance(value, str) else value
                for name, value in metadata.items()
            }
        return json_response(
            {"error": error, "user_id": "user_simulated"},
            status=status,
            after=min(0.2, context.first_token),
            headers=response_headers,
        )

    return respond


def _upstream(
    status: int, raw: str, response_headers: dict[str, str] | None = None, **metadata: object
) -> Fault:
    """An error of the inference provider, passed on by OpenRouter."""
    message = "Provider returned error"
    return _error(status, message, response_headers, raw=raw, provider_name="Simulated", **metadata)


def account_minute(context: FaultContext, until: float) -> TimedResponse:
    """OpenRouter's own 429 for the minute.

    Headers and body state the reset in epoch milliseconds.
    """
    return _account_limit(
        context, "free-models-per-min. ", "openrouter_free_tier_per_minute", "20", until
    )


def account_day(context: FaultContext, until: float) -> TimedResponse:
    """OpenRouter's own 429 for the day."""
    message = "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
    return _account_limit(context, message, "openrouter_free_tier_daily", "50", until)


def _account_limit(
    context: FaultContext, window: str, source: str, limit: str, until: float
) -> TimedResponse:
    headers = {
        "X-RateLimit-Limit": str(context.allowed or limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(until * 1000)),
    }
    message = f"Rate limit exceeded: {window}"
    return _error(429, message, headers, headers=headers, limit_source=source)(context)


def _error_in_200(error: Json) -> Fault:
    """A status 200 whose body, or first event, is an error."""

    def respond(context: FaultContext) -> TimedResponse:
        content: Json = {"error": error}
        if context.stream:
            return stream_response([content], after=context.first_token)
        return json_response(content, after=context.first_token)

    return respond


def _body_in_200(body: Json) -> Fault:
    """A status 200 with this body, or a stream of one chunk with these fields."""

    def respond(context: FaultContext) -> TimedResponse:
        if context.stream:
            return stream_response([context.chunk() | body], after=context.first_token)
        return json_response(body, after=context.first_token)

    return respond


def _empty(context: FaultContext) -> TimedResponse:
    """An answer without text, as a model gives that finishes at once."""
    usage = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9, "cost": 0}
    if context.stream:
        chunks: list[Piece | Json] = [
            context.chunk(content=""),
            context.chunk(content="", finish="stop", usage=usage),
        ]
        return stream_response(chunks, after=context.first_token)
    message = {"role": "assistant", "content": "", "refusal": None, "reasoning": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
    }
    body = {"id": "gen-empty", "model": context.model, "choices": [choice], "usage": usage}
    return json_response(body, after=context.first_token)


def _truncated_tool(context: FaultContext) -> TimedResponse:
    """A tool call whose arguments end in the middle."""
    function = {"name": "delete_records", "arguments": '{"target": "va'}
    call = {"index": 0, "id": "call_cut", "type": "function", "function": function}
    if context.stream:
        chunks: list[Piece | Json] = [
            context.chunk(tool_calls=[call]),
            context.chunk(finish="length"),
        ]
        return stream_response(chunks, after=context.first_token)
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    body = {"id": "gen-cut", "model": context.model, "choices": [choice]}
    return json_response(body, after=context.first_token)


def _mid_stream(
    *ending: Piece | Json | Callable[[FaultContext], Piece | Json],
    done: bool = False,
    word_count: int = 3,
) -> Fault:
    """A few words of an answer, then the ending. Without a stream, only the ending."""

    def respond(context: FaultContext) -> TimedResponse:
        pieces = [piece(context) if callable(piece) else piece for piece in ending]
        if not context.stream:
            errors = [p["error"] for p in pieces if isinstance(p, dict) and "error" in p]
            if errors:
                return json_response({"error": errors[0]}, after=context.first_token)
            rest = [
                p
                for p in pieces
                if isinstance(p, (bytes, ConnectionFailure)) and p is not KEEP_ALIVE
            ]
            return TimedResponse(
                prelude=(Delay(context.first_token),), body=(b'{"id": "gen-', *rest)
            )
        start: list[Piece | Json] = [KEEP_ALIVE, Delay(context.first_token)]
        start += [context.chunk(content=text) for text in ("Once ", "upon ", "a ")[:word_count]]
        return stream_response([*start, *pieces], done=done)

    return respond


_KEPT_ALIVE: tuple[Piece, ...] = (KEEP_ALIVE, Delay(1.0)) * 600
"""Ten minutes of keep-alive comments."""


def _hang(context: FaultContext) -> TimedResponse:
    """Nothing until the client gives up; in a stream, keep-alive comments only."""
    if not context.stream:
        return TimedResponse(prelude=(ConnectionFailure("hang"),))
    return stream_response([*_KEPT_ALIVE, ConnectionFailure("hang")], done=False)


def _half(context: FaultContext) -> TimedResponse:
    """The first half of the good answer, then a cut."""
    answer = context.answer()
    half = answer.body[: len(answer.body) // 2]
    return replace(answer, body=(*half, ConnectionFailure("cut")))


def _slow(context: FaultContext) -> TimedResponse:
    """The good answer, half a minute late."""
    answer = context.answer()
    return replace(answer, prelude=(Delay(30.0), *answer.prelude))


def _stream_error_before(context: FaultContext) -> TimedResponse:
    """An error in the first chunk of a stream."""
    first = context.chunk(content="") | {"error": _STREAM_ERROR}
    return _mid_stream(first, word_count=0, done=True)(context)


def _finish_error(context: FaultContext) -> Json:
    return context.chunk(content="", finish="error")


def _changed_vectors(name: str) -> Fault:
    """A good answer whose vectors are wrong in one way. To a chat it is an ordinary answer."""

    def respond(context: FaultContext) -> TimedResponse:
        answer = context.answer()
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return answer  # a streamed chat
        body = json.loads(b"".join(piece for piece in answer.body if isinstance(piece, bytes)))
        if "data" not in body:
            return answer
        for row in body["data"]:
            if isinstance(row["embedding"], str):
                row["embedding"] = array("f", base64.b64decode(row["embedding"])).tolist()
        body["data"] = CHANGES[name](body["data"])
        return replace(answer, body=(json.dumps(body).encode(),))

    return respond


_RATE_LIMITED = (
    "{model} is temporarily rate-limited upstream. Please retry shortly, or add your own key"
)
_STREAM_ERROR: Json = {
    "code": 502,
    "message": "Upstream error",
    "metadata": {"error_type": "provider_unavailable"},
}

FAULTS: dict[str, Fault] = {
    "429-upstream": _upstream(429, _RATE_LIMITED, limit_source="upstream_provider_shared_pool"),
    "429-bare": _error(429, "Rate limit exceeded"),
    "429-silent": lambda context: TimedResponse(429, prelude=(Delay(0.2),)),
    "429-retry-after": _upstream(429, _RATE_LIMITED, {"Retry-After": "7"}),
    "429-at-once": _error(429, "High concurrency usage of this API, please reduce concurrency"),
    "429-minute": lambda context: account_minute(context, context.now + 30.0),
    "429-day": lambda context: account_day(context, (context.now // 86_400 + 1) * 86_400),
    "400-invalid": _upstream(400, "INVALID_ARGUMENT"),
    "400-context": _error(
        400,
        "This endpoint's maximum context length is 8192 tokens. "
        "However, you requested about 9999 tokens.",
    ),
    "400-max-price": _error(400, "Unrecognized key(s) in object: 'max_price'"),
    "401": _error(401, "User not found."),
    "402": _error(
        402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"
    ),
    "403-harness": _error(
        403,
        "{model} is only available on agentic harnesses.",
        failed_routing_step="Gate Free Endpoints by Agentic Harness",
    ),
    "403-moderation": _error(
        403,
        "Input was flagged",
        reasons=["violence"],
        flagged_input="…",
        provider_name="Simulated",
    ),
    "404-gone": _error(404, "No endpoints found for {model}."),
    "404-ended": _error(
        404,
        "This model is unavailable for free. The paid version is available now - "
        "use this slug instead: {paid}",
    ),
    "404-tools": _error(404, "No endpoints found that support tool use."),
    "404-tool-choice": _error(
        404, "No endpoints found that support the provided 'tool_choice' value."
    ),
    "404-policy": _error(
        404, "No endpoints found matching your data policy (Free model publication)."
    ),
    "404-upstream": _upstream(404, "not found"),
    "408": _error(408, "Request timed out"),
    "500": _error(500, "Internal Server Error"),
    "502": _upstream(502, "bad gateway"),
    "503": _error(503, "No instances available"),
    "503-loading": _error(503, "Loading model"),
    "503-silent": lambda context: TimedResponse(503, prelude=(Delay(0.2),)),
    "524": _error(524, "A timeout occurred"),
    "html-502": lambda context: TimedResponse(
        502, {"content-type": "text/html"}, body=(b"<html><h1>Bad gateway</h1></html>",)
    ),
    "refused": lambda context: TimedResponse(prelude=(ConnectionFailure("refuse"),)),
    "timeout": lambda context: TimedResponse(prelude=(ConnectionFailure("timeout"),)),
    "cut": lambda context: TimedResponse(
        prelude=(Delay(context.first_token),), body=(ConnectionFailure("cut"),)
    ),
    "hang": _hang,
    "slow": _slow,
    "error-in-200": _error_in_200(
        {
            "message": "Provider returned error",
            "code": 429,
            "metadata": {"raw": "Too Many Requests", "provider_name": "Simulated"},
        }
    ),
    "choices-null": _body_in_200({"choices": None}),
    "choices-empty": _body_in_200({"choices": []}),
    "not-json": lambda context: TimedResponse(body=(b"upstream connect error",)),
    "empty": _empty,
    "truncated-tool": _truncated_tool,
    "stream-error-before": _stream_error_before,
    "stream-error-empty-choices": _mid_stream(
        {
            "id": "gen-x",
            "object": "chat.completion.chunk",
            "choices": [],
            "error": _STREAM_ERROR,
        },
        word_count=0,
    ),
    "stream-error-bare": _mid_stream(
        {"error": {"code": "server_error", "message": "Upstream error"}}, word_count=0
    ),
    "mid-stream-error": _mid_stream(
        lambda context: _finish_error(context) | {"error": _STREAM_ERROR}
    ),
    "mid-stream-finish-error": _mid_stream(_finish_error, {"error": _STREAM_ERROR}),
    "mid-stream-cut": _mid_stream(ConnectionFailure("cut")),
    "mid-stream-eof": _mid_stream(sse_event({"choices": []})),
    "mid-stream-half": _half,
    "stall": _mid_stream(*_KEPT_ALIVE, ConnectionFailure("hang")),
    **{name: _changed_vectors(name) for name in CHANGES},
}
"""Every fault by name. `stall` and those named `mid-stream…` strike after text was shown."""
