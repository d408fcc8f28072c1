"""Errors in the words of Anthropic's API."""

from __future__ import annotations

from ..json_values import Json

OVERLOADED = 529
"""Anthropic's status for too many requests of everybody, after which clients try again."""
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
"""By status. Any other: a wrong request under 500, else the API's own."""


def write_error(status: int, words: str, ident: str = "") -> Json:
    """The body of an error. `ident`: the request's id."""
    usual = "invalid_request_error" if status < 500 else "api_error"
    error = {"type": _TYPES.get(status, usual), "message": words}
    return {"type": "error", "error": error} | ({"request_id": ident} if ident else {})


def too_long(tokens: int, window: int) -> str:
    """The words by which Claude Code knows that it must shorten the conversation."""
    return f"prompt is too long: {max(tokens, window + 1)} tokens > {window} maximum"
