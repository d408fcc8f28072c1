"""`Rejection`: a response that is no answer, read from a body of any recorded shape; `wire.judge` says what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Rejection:
    """A response that is no answer: its status (or the code inside a 200), headers in lower case, error object."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)


def read_rejection(status: int, headers: Mapping[str, str], body: bytes) -> Rejection:
    """The error in a body of any shape: `{error: {…}}`, `{error: "…"}`, `[{error: …}]`, `{detail: …}`, text, HTML."""
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        text = re.sub(r"<[^>]+>", " ", body[:4000].decode("utf-8", "replace"))
        return Rejection(status, headers, {"message": " ".join(text.split())})
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]  # Gemini wraps its error in an array
    error = parsed.get("error", parsed) if isinstance(parsed, Mapping) else {"message": str(parsed)}
    if not isinstance(error, Mapping):
        error = {"message": str(error)}
    return Rejection(status, headers, error)


def embedded_rejection(error: Mapping[str, Any]) -> Rejection:
    """An error found inside a 200. Its code is the status; without a numeric one, its type is."""
    code = error.get("code")
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or not 300 <= code <= 599:
        kind = str(
            _mapping(error.get("metadata")).get("error_type") or error.get("error_type") or code
        )
        code = _CODES.get(kind, 502)
    return Rejection(code, {}, error)


# OpenRouter's error_type vocabulary (SDK `apierrortype`), for errors that carry no numeric code.
_CODES = {
    "authentication": 401,
    "payment_required": 402,
    "permission_denied": 403,
    "content_policy_violation": 403,
    "refusal": 403,
    "not_found": 404,
    "payload_too_large": 413,
    "unprocessable": 422,
    "rate_limit_exceeded": 429,
    "context_length_exceeded": 400,
    "token_limit_exceeded": 400,
    "max_tokens_exceeded": 400,
    "string_too_long": 400,
    "invalid_request": 400,
    "invalid_prompt": 400,
    "provider_overloaded": 503,
    "provider_unavailable": 502,
    "server": 500,
    "timeout": 504,
}


def searchable_text(rejection: Rejection) -> str:
    """Everything a pattern may look at: the error as text, less what it quotes of the request, and the header that tells whose
    limit it was."""
    try:
        said = json.dumps(_own_words(rejection.error), ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        said = str(rejection.error)
    told = [f"{name}: {rejection.headers[name]}" for name in rejection.headers if name in _LIMITS]
    return " ".join((said, *told))


_LIMITS = frozenset(
    {
        "x-ratelimit-remaining",
        "x-ratelimit-limit-req-minute",
        "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens-minute",
    }
)
_ECHOES = frozenset({"input", "ctx", "failed_generation", "flagged_input"})
"""Where errors quote the request or the answer: somebody else's words, which tell nothing of the model."""


def _own_words(value: Any, depth: int = 0) -> Any:
    """A copy without echoes; JSON inside of strings, as gateways pass it on, is looked into."""
    if isinstance(value, Mapping):
        return {k: _own_words(v, depth + 1) for k, v in value.items() if k not in _ECHOES}
    if isinstance(value, list):
        return [_own_words(item, depth + 1) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "[") and depth < 8:
        try:
            return _own_words(json.loads(value), depth + 1)
        except ValueError:
            return value
    return value


def unknown_field(error: Any) -> tuple[tuple[str, ...], Any] | None:
    """(path, value) of the field that a pydantic server did not know, e.g. (("body", "seed"), 7): its list of errors may stand
    anywhere in the body. A field it knows, with a value it does not take, is the caller's fault and none of these."""
    if isinstance(error, str) and error[:1] in ("{", "["):
        try:
            return unknown_field(json.loads(error))
        except ValueError:
            return None
    if isinstance(error, Mapping):
        words = f"{error.get('type')} {error.get('msg')}"
        path = error.get("loc")
        null = "input" in error and error["input"] is None
        if isinstance(path, list) and (
            "extra_forbidden" in words or "not permitted" in words or (null and "content" in path)
        ):
            return tuple(str(part) for part in path), error.get("input")
        error = list(error.values())
    if isinstance(error, list):
        return next((found for item in error if (found := unknown_field(item)) is not None), None)
    return None


def message_of(error: Mapping[str, Any]) -> str:
    message = str(error.get("message") or error.get("detail") or error.get("type") or "")
    raw = _mapping(error.get("metadata")).get("raw")
    if isinstance(raw, Mapping):
        raw = raw.get("message")
    if isinstance(raw, str) and raw and message.lower() in ("", "provider returned error"):
        message = raw
    return " ".join(message.split())[:2000]  # cut for good by `clean`, after keys are out of it


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
