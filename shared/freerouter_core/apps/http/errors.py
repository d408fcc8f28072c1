"""Errors as HTTP responses, in the shape that OpenAI's clients read."""

from __future__ import annotations

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
from ..as_json import JsonObject

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


def status_of(error: FreeRouterError) -> int:
    """The HTTP status. 429 if every model was rate-limited."""
    if isinstance(error, Exhausted) and error.rate_limited:
        return 429
    return next(status for kind, status, _ in _STATUSES if isinstance(error, kind))


def error_body(error: FreeRouterError) -> JsonObject:
    """The JSON body of an error, with its hint and the attempts made."""
    return {
        "error": {
            "message": str(error),
            "type": next(name for kind, _, name in _STATUSES if isinstance(error, kind)),
            "code": type(error).__name__,
            "param": None,
            "hint": error.hint,
            "attempts": [dict(record) for record in error.attempts],
        }
    }


def error_response(error: FreeRouterError) -> JSONResponse:
    """The response to a failed request. `Retry-After` is set if the wait is known."""
    headers = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after)))
    return JSONResponse(error_body(error), status_of(error), headers)


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response to a request that no model was asked for."""
    error = {"message": message, "type": "invalid_request_error", "code": status, "param": None}
    return JSONResponse({"error": error}, status, dict(headers or {}))
