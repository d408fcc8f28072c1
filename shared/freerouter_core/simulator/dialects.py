"""How each provider words its limits: error bodies, response headers and model lists.

The shapes come from users' bug reports; `wire.judge` says what each means. No text is copied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .faults import FaultContext, account_day, account_minute
from .response import Json, TimedResponse, json_response

LimitError = Callable[[FaultContext, str, float], TimedResponse]
"""Makes the 429 of a limit: "minute" or "day", and when it ends (unix seconds)."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's wording. `by_model`: its limits hold for each model, not for the account."""

    limit_error: LimitError
    headers: Callable[[int, int, float], dict[str, str]] = lambda remaining, limit, seconds: {}
    """Response headers, from requests remaining, requests allowed and seconds to the reset."""
    model_list: Callable[[list[Json]], Json] = lambda rows: {"data": rows, "total_count": len(rows)}
    by_model: bool = True


def _duration(seconds: float) -> str:
    """As Go writes it: 2m59.56s."""
    minutes, rest = divmod(seconds, 60.0)
    return f"{int(minutes)}m{rest:.2f}s" if minutes else f"{rest:.2f}s"


def _openrouter(context: FaultContext, limit: str, until: float) -> TimedResponse:
    return account_day(context, until) if limit == "day" else account_minute(context, until)


def _groq(context: FaultContext, limit: str, until: float) -> TimedResponse:
    kind = "tokens per day (TPD)" if limit == "day" else "requests per minute (RPM)"
    wait, allowed = until - context.now, context.allowed or 30
    message = (
        f"Rate limit reached for model `{context.model}` in organization `org_sim` on {kind}: "
        f"Limit {allowed}, Used {allowed}. Please try again in {_duration(wait)}."
    )
    error = {"message": message, "type": "requests", "code": "rate_limit_exceeded"}
    headers = {"retry-after": str(math.ceil(wait))}
    return json_response({"error": error}, status=429, headers=headers)


def _groq_headers(remaining: int, limit: int, seconds: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": _duration(seconds),
    }


def _gemini(context: FaultContext, limit: str, until: float) -> TimedResponse:
    window = "Day" if limit == "day" else "Minute"
    quota = f"GenerateRequestsPer{window}PerProjectPerModel-FreeTier"
    wait = f"{until - context.now:.6f}s" if limit == "minute" else "38.6s"
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": quota, "quotaValue": str(context.allowed or 15)}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait},
    ]
    error = {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": details,
    }
    # Its OpenAI endpoint sends an array.
    return replace(json_response({}, status=429), body=(json.dumps([{"error": error}]).encode(),))


def _mistral(context: FaultContext, limit: str, until: float) -> TimedResponse:
    body = {
        "object": "error",
        "message": "Requests rate limit exceeded",
        "type": "rate_limited",
        "code": "1300",
    }
    headers = {"retry-after": str(math.ceil(until - context.now))}
    return json_response(body, status=429, headers=headers)


def _cerebras(context: FaultContext, limit: str, until: float) -> TimedResponse:
    window = "day" if limit == "day" else "minute"
    headers = {
        f"x-ratelimit-remaining-requests-{window}": "0",
        f"x-ratelimit-reset-requests-{window}": f"{until - context.now:.6f}",
    }
    body = {
        "message": f"Requests per {window} limit exceeded - too many requests sent.",
        "type": "too_many_requests_error",
    }
    return json_response(body, status=429, headers=headers)


def _nvidia(context: FaultContext, limit: str, until: float) -> TimedResponse:
    return json_response({"status": 429, "title": "Too Many Requests"}, status=429)


def _cloudflare(context: FaultContext, limit: str, until: float) -> TimedResponse:
    message = (
        "you have used up your daily free allocation of 10,000 neurons"
        if limit == "day"
        else "Capacity temporarily exceeded"
    )
    body = {"errors": [{"message": message, "code": 3036}], "success": False, "result": {}}
    return json_response(body, status=429)


def _ollama(context: FaultContext, limit: str, until: float) -> TimedResponse:
    body = {"error": "you've reached your hourly usage limit"}
    headers = {"retry-after": str(math.ceil(until - context.now))}
    return json_response(body, status=429, headers=headers)


def _gemini_list(rows: list[Json]) -> Json:
    return {"object": "list", "data": [row | {"id": f"models/{row['id']}"} for row in rows]}


def _cloudflare_list(rows: list[Json]) -> Json:
    return {"result": [row | {"id": "0-1", "name": row["id"]} for row in rows]}


def _ollama_list(rows: list[Json]) -> Json:
    return {"models": [row | {"name": row["id"]} for row in rows]}


DIALECTS: Mapping[str, Dialect] = {
    "openrouter": Dialect(_openrouter, by_model=False),
    "groq": Dialect(_groq, _groq_headers),
    "gemini": Dialect(_gemini, model_list=_gemini_list),
    "mistral": Dialect(_mistral, by_model=False),
    "cerebras": Dialect(_cerebras),
    "nvidia": Dialect(_nvidia, by_model=False),
    "cloudflare": Dialect(_cloudflare, model_list=_cloudflare_list, by_model=False),
    "ollama": Dialect(_ollama, model_list=_ollama_list, by_model=False),
}
"""By provider's name."""
