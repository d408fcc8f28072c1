"""The ways a simulated model fails, by name. Bodies have the shapes that were recorded from the real service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .script import KEEP_ALIVE, Accident, Json, Piece, Script, Wait, event, reply, sse


@dataclass(frozen=True, slots=True)
class Case:
    """What a fault may look at: the model asked, whether a stream was, the good answer that will not come."""

    model: str
    stream: bool
    now: float
    first_token: float
    good: Callable[[], Script]
    chunk: Callable[..., Json]


Fault = Callable[[Case], Script]


def _error(status: int, message: str, sent: dict[str, str] | None = None, **metadata: Any) -> Fault:
    def fail(case: Case) -> Script:
        error: Json = {
            "message": message.format(model=case.model, paid=case.model.removesuffix(":free")),
            "code": status,
        }
        if metadata:
            error["metadata"] = {
                k: v.format(model=case.model) if isinstance(v, str) else v
                for k, v in metadata.items()
            }
        body = {"error": error, "user_id": "user_simulated"}
        return reply(body, status=status, after=min(0.2, case.first_token), headers=sent)

    return fail


def account_minute(case: Case, until: float) -> Script:
    """OpenRouter's own 429 for the minute: the reset is in the headers and again in the body, epoch milliseconds."""
    return _limited(case, "free-models-per-min. ", "openrouter_free_tier_per_minute", "20", until)


def account_day(case: Case, until: float) -> Script:
    message = "free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
    return _limited(case, message, "openrouter_free_tier_daily", "50", until)


def _limited(case: Case, what: str, source: str, limit: str, until: float) -> Script:
    headers = {
        "X-RateLimit-Limit": limit,
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(until * 1000)),
    }
    return _error(
        429, f"Rate limit exceeded: {what}", headers, headers=headers, limit_source=source
    )(case)


def _in_200(error: Json | None, body: Json | None = None) -> Fault:
    def fail(case: Case) -> Script:
        content = dict(body or {})
        if error is not None:
            content["error"] = error
        if case.stream:
            return sse(
                [case.chunk() | content] if body is not None else [content], after=case.first_token
            )
        return reply(content, after=case.first_token)

    return fail


def _empty(case: Case) -> Script:
    usage = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9, "cost": 0}
    if case.stream:
        return sse(
            [case.chunk(content=""), case.chunk(content="", finish="stop", usage=usage)],
            after=case.first_token,
        )
    message = {"role": "assistant", "content": "", "refusal": None, "reasoning": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "stop",
        "native_finish_reason": "stop",
    }
    return reply(
        {"id": "gen-empty", "model": case.model, "choices": [choice], "usage": usage},
        after=case.first_token,
    )


def _truncated_tool(case: Case) -> Script:
    function = {"name": "delete_records", "arguments": '{"target": "va'}
    call = {"index": 0, "id": "call_cut", "type": "function", "function": function}
    if case.stream:
        return sse(
            [case.chunk(tool_calls=[call]), case.chunk(finish="length")], after=case.first_token
        )
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    return reply(
        {"id": "gen-cut", "model": case.model, "choices": [choice]}, after=case.first_token
    )


def _mid_stream(
    *ending: Piece | Json | Callable[[Case], Piece | Json], done: bool = False, words: int = 3
) -> Fault:
    """Some words of an answer, then the ending. Without a stream: only the ending."""

    def fail(case: Case) -> Script:
        made = [piece(case) if callable(piece) else piece for piece in ending]
        if not case.stream:
            accidents = [
                p for p in made if isinstance(p, (bytes, Accident)) and p is not KEEP_ALIVE
            ]
            errors = [p["error"] for p in made if isinstance(p, dict) and "error" in p]
            if errors:
                return reply({"error": errors[0]}, after=case.first_token)
            return Script(lead=(Wait(case.first_token),), body=(b'{"id": "gen-', *accidents))
        pieces: list[Piece | Json] = [KEEP_ALIVE, Wait(case.first_token)]
        pieces += [case.chunk(content=word) for word in ("Once ", "upon ", "a ")[:words]]
        return sse([*pieces, *made], done=done)

    return fail


def _hang(case: Case) -> Script:
    """Nothing but keep-alive comments (streamed) or nothing at all, until the client gives up."""
    if not case.stream:
        return Script(lead=(Accident("hang"),))
    alive: list[Piece | Json] = [KEEP_ALIVE, Wait(1.0)]
    return sse([*alive * 600, Accident("hang")], done=False)


def _stall(case: Case) -> Script:
    """Words, then keep-alive comments for ever: bytes arrive and no token does."""
    alive: list[Piece | Json] = [KEEP_ALIVE, Wait(1.0)]
    return _mid_stream(*alive * 600, Accident("hang"))(case)


def _half(case: Case) -> Script:
    """The first half of a good answer, then a cut."""
    good = case.good()
    return Script(
        good.status, good.headers, good.lead, (*good.body[: len(good.body) // 2], Accident("cut"))
    )


def _slow(case: Case) -> Script:
    good = case.good()
    return Script(good.status, good.headers, (Wait(30.0), *good.lead), good.body)


_UPSTREAM = (
    "{model} is temporarily rate-limited upstream. Please retry shortly, or add your own key"
)
_ERROR_CHUNK: Json = {
    "code": 502,
    "message": "Upstream error",
    "metadata": {"error_type": "provider_unavailable"},
}

FAULTS: dict[str, Fault] = {
    "429-upstream": _error(
        429,
        "Provider returned error",
        raw=_UPSTREAM,
        provider_name="Simulated",
        limit_source="upstream_provider_shared_pool",
    ),
    "429-bare": _error(429, "Rate limit exceeded"),
    "429-retry-after": _error(
        429, "Provider returned error", {"Retry-After": "7"}, raw=_UPSTREAM, provider_name="Simulated"
    ),
    "429-at-once": _error(429, "High concurrency usage of this API, please reduce concurrency"),
    "429-minute": lambda case: account_minute(case, case.now + 30.0),
    "429-day": lambda case: account_day(case, (case.now // 86_400 + 1) * 86_400),
    "400-invalid": _error(400, "Provider returned error", raw="INVALID_ARGUMENT", provider_name="Simulated"),
    "400-context": _error(400, "This endpoint's maximum context length is 8192 tokens. However, you requested about 9999 tokens."),
    "400-max-price": _error(400, "Unrecognized key(s) in object: 'max_price'"),
    "401": _error(401, "User not found."),
    "402": _error(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"),
    "403-harness": _error(
        403,
        "{model} is only available on agentic harnesses.",
        failed_routing_step="Gate Free Endpoints by Agentic Harness",
    ),
    "403-moderation": _error(403, "Input was flagged", reasons=["violence"], flagged_input="…", provider_name="Simulated"),
    "404-gone": _error(404, "No endpoints found for {model}."),
    "404-ended": _error(404, "This model is unavailable for free. The paid version is available now - use this slug instead: {paid}"),
    "404-tools": _error(404, "No endpoints found that support tool use."),
    "404-tool-choice": _error(404, "No endpoints found that support the provided 'tool_choice' value."),
    "404-policy": _error(404, "No endpoints found matching your data policy (Free model publication)."),
    "404-upstream": _error(404, "Provider returned error", raw="not found", provider_name="Simulated"),
    "408": _error(408, "Request timed out"),
    "500": _error(500, "Internal Server Error"),
    "502": _error(502, "Provider returned error", raw="bad gateway", provider_name="Simulated"),
    "503": _error(503, "No instances available"),
    "524": _error(524, "A timeout occurred"),
    "html-502": lambda case: Script(502, {"content-type": "text/html"}, body=(b"<html><h1>Bad gateway</h1></html>",)),
    "refused": lambda case: Script(lead=(Accident("refuse"),)),
    "timeout": lambda case: Script(lead=(Accident("timeout"),)),
    "cut": lambda case: Script(lead=(Wait(case.first_token),), body=(Accident("cut"),)),
    "hang": _hang,
    "slow": _slow,
    "error-in-200": _in_200({"message": "Provider returned error", "code": 429, "metadata": {"raw": "Too Many Requests", "provider_name": "Simulated"}}),
    "choices-null": _in_200(None, {"choices": None}),
    "choices-empty": _in_200(None, {"choices": []}),
    "not-json": lambda case: Script(body=(b"upstream connect error",)),
    "empty": _empty,
    "truncated-tool": _truncated_tool,
    "stream-error-before": lambda case: _mid_stream(lambda c: c.chunk(content="") | {"error": _ERROR_CHUNK}, words=0, done=True)(case),
    "stream-error-empty-choices": lambda case: _mid_stream({"id": "gen-x", "object": "chat.completion.chunk", "choices": [], "error": _ERROR_CHUNK}, words=0)(case),
    "stream-error-bare": _mid_stream({"error": {"code": "server_error", "message": "Upstream error"}}, words=0),
    "mid-stream-error": _mid_stream(lambda c: c.chunk(content="", finish="error") | {"error": _ERROR_CHUNK}),
    "mid-stream-finish-error": _mid_stream(lambda c: c.chunk(content="", finish="error"), {"error": _ERROR_CHUNK}),
    "mid-stream-cut": _mid_stream(Accident("cut")),
    "mid-stream-eof": _mid_stream(event({"choices": []})),
    "mid-stream-half": _half,
    "stall": _stall,
}  # fmt: skip
"""Every fault by name. Those that begin with `mid-stream` and `stall` strike after text was shown."""
