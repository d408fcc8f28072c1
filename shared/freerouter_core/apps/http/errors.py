"""What errors of ours are over HTTP: a status, and a body as OpenAI's clients read it."""

from __future__ import annotations

from typing import Any

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

_STATUS: tuple[tuple[type[FreeRouterError], int, str], ...] = (
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
"""What callers are told: the first row that fits. A refused key of ours is no matter of theirs, hence no 401."""


def status_of(error: FreeRouterError) -> int:
    if isinstance(error, Exhausted) and error.rate_limited:
        return 429
    return next(status for kind, status, _ in _STATUS if isinstance(error, kind))


def error_body(error: FreeRouterError) -> dict[str, Any]:
    """An error as OpenAI's clients read it, with our hint and the attempts made."""
    kind = next(word for row, _, word in _STATUS if isinstance(error, row))
    told: dict[str, Any] = {
        "message": str(error),
        "type": kind,
        "code": type(error).__name__,
        "param": None,
    }
    return {
        "error": told
        | {"hint": error.hint, "attempts": [dict(record) for record in error.attempts]}
    }


def failed(error: FreeRouterError) -> JSONResponse:
    """The response, which says when to come back where that is known."""
    headers = {}
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers["retry-after"] = str(max(1, round(wait)))
    return JSONResponse(error_body(error), status_of(error), headers)
