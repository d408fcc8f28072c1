"""What a body holds, in whatever envelope: an answer, or the words of an error.

Servers wrap answers (`{"data": {"choices": …}}`, an array of one) and tell errors as they like:
`error`, `errors`, `error_msg`, `base_resp`, `Response.Error`, `success: false`, a code beside a
message. So nothing is listed by provider. A body without choices that says something in words, and
shows a sign of failure, is an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from .json_values import Json, JsonMapping, as_mapping

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
    if body.get("error"):
        return error_in(body) or {"message": ""}
    for key in _ERRORS[1:]:
        error = _first_error(body.get(key))
        if error is not None:
            return error
    inner = as_mapping(body.get("Response"))
    if inner:
        return error_told(inner)
    return dict(body) if _has_failed(body) and words_of(body) else None


def error_in(body: JsonMapping) -> Json:
    """The error object of a body: what is under `error`, or the body itself.

    Frameworks write a word, a flag or nothing there, and what happened beside it:
    `{"statusCode": 429, "error": "Too Many Requests", "message": "… retry in 40 seconds"}`. So only
    an object that says something stands for the whole. A word under `error` is the message if
    nothing else is one, or nothing but the name of a status.
    """
    error = body.get("error")
    if isinstance(error, Mapping) and words_of(error):
        return dict(error)
    beside = {key: value for key, value in body.items() if key != "error"}
    if isinstance(error, Mapping):
        return beside | dict(error)
    if not error or isinstance(error, bool):
        return beside
    if isinstance(error, str) and words_of(beside).strip(" .!").lower() in _NO_WORDS:
        return beside | {"message": error}
    return beside | {"error": error}


_NO_WORDS = frozenset(
    {
        "", "error", "bad gateway", "bad request", "conflict", "content too large", "forbidden",
        "gateway timeout", "gone", "internal server error", "method not allowed", "not acceptable",
        "not found", "not implemented", "payload too large", "payment required",
        "request entity too large", "request timeout", "service unavailable", "too many requests",
        "unauthorized", "unavailable for legal reasons", "unprocessable content",
        "unprocessable entity", "unsupported media type",
    }
)  # fmt: skip
"""What says no more than that there was an error."""


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
