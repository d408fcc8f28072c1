"""Errors as HTTP responses, in the shape that the clients of each API read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from starlette.responses import JSONResponse

from ...errors import (
    AuthenticationFailed,
    BadRequest,
    BadSetting,
    CatalogueUnavailable,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    NoCandidates,
    Refused,
)
from ...wire.messages.error import OVERLOADED, write_error
from ..as_json import JsonObject
from .hints import over_http
from .request_id import request_id
from .shapes import shape_of

_STATUSES: tuple[tuple[type[FreeRouterError], int, str], ...] = (
    (BadRequest, 400, "invalid_request_error"),
    (BadSetting, 400, "invalid_request_error"),
    (AuthenticationFailed, 502, "upstream_authentication_error"),
    (Refused, 403, "content_refused"),
    (NoCandidates, 503, "no_candidates"),
    (DeadlineExceeded, 504, "timeout"),
    (CatalogueUnavailable, 503, "catalogue_unavailable"),
    (Exhausted, 503, "exhausted"),
    (FreeRouterError, 502, "upstream_error"),
)
"""(error class, HTTP status, error type); the first match counts. A refused provider key is 502:
401 would tell the caller that its own token is wrong."""


_OPENROUTERS = {
    400: "invalid_request",
    403: "content_policy_violation",
    404: "not_found",
    429: "rate_limit_exceeded",
    502: "provider_unavailable",
    503: "provider_overloaded",
    504: "timeout",
}
"""OpenRouter's words for types of errors, by status."""


class ErrorResponse(JSONResponse):
    """JSON that any client can read, although it may quote what one has sent: half a character."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def status_of(error: FreeRouterError) -> int:
    """The HTTP status. 429 if every model was rate-limited, 404 if the model does not exist."""
    if isinstance(error, Exhausted) and error.rate_limited:
        return 429
    if _is_unknown(error):
        return 404
    return next(status for kind, status, _ in _STATUSES if isinstance(error, kind))


def type_of(error: FreeRouterError) -> str:
    """The type of an error, in the words of OpenAI's API and its like."""
    if _is_unknown(error):
        return "invalid_request_error"
    return next(name for kind, _, name in _STATUSES if isinstance(error, kind))


def _is_unknown(error: FreeRouterError) -> bool:
    return isinstance(error, NoCandidates) and error.status_code == 404


def message_of(error: FreeRouterError) -> str:
    """What an error says, with its hint, in words of HTTP."""
    return over_http(str(error))


def error_body(error: FreeRouterError, *, openrouter: bool = False) -> JsonObject:
    """The JSON body of an error, with its hint and the attempts made.

    `openrouter`: OpenRouter's clients read the status in `code`, where OpenAI's have a word.
    """
    name, status = type(error).__name__, status_of(error)
    body: JsonObject = {
        "message": message_of(error),
        "type": type_of(error),
        "code": status if openrouter else "model_not_found" if _is_unknown(error) else name,
        "param": None,
        "hint": over_http(error.hint or ""),
        "attempts": [dict(record) for record in error.attempts],
    }
    if openrouter:
        body["metadata"] = {"error_type": _OPENROUTERS[status], "error_class": name}
    return {"error": body}


def error_response(
    error: FreeRouterError, *, openrouter: bool = False, path: str = ""
) -> JSONResponse:
    """The response to a failed request. `Retry-After` is set if the wait is known."""
    if shape_of(path) == "anthropic":
        # Their clients ask again after any status from 500 on, unless they are told not to.
        retry = {"x-should-retry": str(error.should_retry).lower()}
        headers = retry_headers(error) | retry
        return ErrorResponse(anthropic_error(error), anthropic_status(error), headers)
    body = error_body(error, openrouter=openrouter)
    if shape_of(path) == "ollama":
        body["error"] = message_of(error)
    return ErrorResponse(body, status_of(error), retry_headers(error))


def anthropic_status(error: FreeRouterError) -> int:
    """The status as Anthropic's clients understand it: after a 403 they would ask for a login."""
    status = status_of(error)
    if status == 403:
        return 400
    return OVERLOADED if status == 503 and error.should_retry else status


def anthropic_error(error: FreeRouterError) -> JsonObject:
    """The body of an error, or an event of a stream, in Anthropic's words."""
    body = write_error(anthropic_status(error), message_of(error), request_id.get())
    return body | {"attempts": [dict(record) for record in error.attempts]}


def retry_headers(error: FreeRouterError) -> dict[str, str]:
    """`Retry-After`, if the wait is known."""
    retry_after = getattr(error, "retry_after", None)
    return {} if retry_after is None else {"retry-after": str(max(1, math.ceil(retry_after)))}


def refusal(
    status: int, message: str, headers: Mapping[str, str] | None = None, *, path: str = ""
) -> JSONResponse:
    """The response to a request that no model was asked for."""
    if shape_of(path) == "anthropic":
        body: JsonObject = write_error(status, message, request_id.get())
    elif shape_of(path) == "ollama":
        body = {"error": message}
    else:
        error = {"message": message, "type": "invalid_request_error", "code": status, "param": None}
        body = {"error": error}
    return ErrorResponse(body, status, dict(headers or {}))
