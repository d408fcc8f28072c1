"""What a body holds, in whatever envelope: an answer, or the words of an error.

Servers wrap answers (`{"data": {"choices": …}}`, an array of one) and tell errors as they like:
`error`, `errors`, `error_msg`, `base_resp`, `Response.Error`, `success: false`, a code beside a
message. So nothing is listed by provider. A body without choices that says something in words, and
shows a sign of failure, is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from .json_values import Json, JsonMapping, as_mapping
from .message import error_of

_WRAPPERS = ("data", "result", "response", "body", "output")
_MAX_WRAPPERS = 4
"""Envelopes around an answer that are opened."""
_MAX_DEPTH = 6
"""Levels of an error that are looked through for its words."""
_MAX_ITEMS = 8
"""Items of a list that are."""
_ERRORS = ("error", "Error", "errors", "Errors", "base_resp", "baseResp")
_WORDS = (
    "message", "Message", "msg", "error_msg", "errorMsg", "errmsg", "error_message",
    "errorMessage", "status_msg", "statusMsg", "detail", "description", "error_description",
    "reason", "title",
)  # fmt: skip
"""Keys of what an error says, the most telling first."""
_CODES = (
    "code", "Code", "error_code", "errorCode", "errcode", "errno", "status_code", "statusCode",
)  # fmt: skip
_FINE = frozenset({"", "0", "200", "20000", "none", "ok", "success", "succeeded", "true"})
"""Codes of success, in lower case."""
_FAILED = ("error", "fail", "unavailable", "maintenance")
"""Beginnings of words for a state of failure."""


def answer_in(payload: object) -> object:
    """What has `choices` in a payload, out of its envelopes; the payload if nothing has."""
    inner = payload
    for _ in range(_MAX_WRAPPERS):
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        elif isinstance(inner, Mapping) and "choices" not in inner and not inner.get("error"):
            found = (inner.get(key) for key in _WRAPPERS)
            inner = next((part for part in found if isinstance(part, (Mapping, list))), None)
        else:
            break
    if isinstance(inner, Mapping) and "choices" in inner:
        return inner
    return payload[0] if isinstance(payload, list) and len(payload) == 1 else payload


def error_told(body: JsonMapping) -> Json | None:
    """The error that a body without choices tells; None: it tells none."""
    error = error_of(body.get("error"))
    if error is not None:
        return error
    for key in _ERRORS[1:]:
        error = _first_error(body.get(key))
        if error is not None:
            return error
    inner = as_mapping(body.get("Response"))
    if inner:
        return error_told(inner)
    return dict(body) if _has_failed(body) and words_of(body) else None


def _first_error(value: object) -> Json | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, Mapping):
        return dict(value) if words_of(value) and not _is_fine(value) else None
    return {"message": value} if isinstance(value, str) and value else None


def _is_fine(body: JsonMapping) -> bool:
    """Whether each code there is one of success."""
    codes = [body[key] for key in _CODES if key in body]
    return bool(codes) and all(str(code).lower() in _FINE for code in codes)


def _has_failed(body: JsonMapping) -> bool:
    """Whether a flat body shows a sign of failure."""
    if "error" in (body.get("object"), body.get("type")) or body.get("success") is False:
        return True
    if any(key in body and str(body[key]).lower() not in _FINE for key in _CODES):
        return True
    status = body.get("status")
    if isinstance(status, int) and not isinstance(status, bool):
        return status >= 400
    return isinstance(status, str) and status.lower().startswith(_FAILED)


def words_of(value: object, depth: int = 0) -> str:
    """What an error says: the first text under a key for such, however deep it stands."""
    if isinstance(value, str):
        return value
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        told = (words_of(item, depth + 1) for item in value[:_MAX_ITEMS])
        return next(filter(None, told), "")
    if not isinstance(value, Mapping):
        return ""
    keys = (*_WORDS, *_ERRORS, "Response")
    return next(filter(None, (words_of(value.get(key), depth + 1) for key in keys)), "")
