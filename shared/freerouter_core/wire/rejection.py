"""`Rejection`: a response that is no answer; `wire.judge` says what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from .envelope import error_in, words_of
from .json_values import JsonMapping, as_mapping, cut_middle, parse_json


@dataclass(frozen=True, slots=True)
class Rejection:
    """`status`: of the response, or the code of an error inside a 200. Header names are lower case.

    `error` is the error object of the body. `page`: whether the body is a web page, or empty: it is
    a gateway's, and not the API's own word.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    error: JsonMapping = field(default_factory=dict)
    page: bool = field(default=False, compare=False)


def read_rejection(status: int, headers: Mapping[str, str], body: bytes) -> Rejection:
    """The error in a body of any recorded form.

    Forms: `{error: {…}}`, `{error: "…"}`, `[{error: …}]`, `{detail: …}`, text and HTML.
    """
    body = _in_utf8(body, headers)
    try:
        parsed: object = parse_json(body)
        if isinstance(parsed, str) and parsed[:1] in ("{", "["):
            parsed = parse_json(parsed)
    except ValueError:
        text = _TAG.sub(" ", body[:4000].decode("utf-8", "replace"))
        page = body.lstrip()[:1] in (b"", b"<")
        return Rejection(status, headers, {"message": " ".join(text.split())}, page)
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]  # Gemini's error is in an array
    if not isinstance(parsed, Mapping):
        return Rejection(status, headers, {"message": str(parsed)})
    return Rejection(status, headers, error_in(parsed))


def _in_utf8(body: bytes, headers: Mapping[str, str]) -> bytes:
    """A body in another charset, which its header names, as UTF-8."""
    match = _CHARSET.search(headers.get("content-type", "")[:200])
    if match is None or match[1].lower() in ("utf-8", "utf8"):
        return body
    with suppress(ValueError, LookupError):
        return body.decode(match[1]).encode("utf-8", "replace")
    return body


_CHARSET = re.compile(r"charset=\"?([\w-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{1,4000}>")


def embedded_rejection(error: JsonMapping) -> Rejection:
    """An error inside a 200. Its code is the status; without one, its type says which.

    The status 0: nothing but its words can say.
    """
    code = error.get("code")
    if isinstance(code, str) and code.isdigit() and len(code) == 3:
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or not 300 <= code <= 599:
        metadata = as_mapping(error.get("metadata"))
        types = (metadata.get("error_type"), error.get("error_type"), code, error.get("type"))
        code = next((_STATUS_OF_TYPE[t] for t in map(str, types) if t in _STATUS_OF_TYPE), 0)
    return Rejection(code, {}, error)


_STATUS_OF_TYPE = {
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
    "authentication_error": 401,
    "billing_error": 402,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "overloaded_error": 503,
    "server_error": 500,
}
"""OpenRouter's error types (its SDK's `apierrortype`), and Anthropic's and OpenAI's, for errors
without a numeric code."""


def searchable_text(rejection: Rejection) -> str:
    """What patterns search: the error without quotations, and headers about limits.

    It is cut, so that no error costs more than another.
    """
    error = _Excerpt().of(rejection.error)
    text = cut_middle(json.dumps(error, ensure_ascii=False, default=str), _MAX_TEXT)
    headers = rejection.headers
    limits = [f"{name}: {headers[name][:100]}" for name in headers if name in _LIMIT_HEADERS]
    return " ".join((text, *limits))


_LIMIT_HEADERS = frozenset(
    {
        "x-ratelimit-remaining",
        "x-ratelimit-limit-req-minute",
        "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens-minute",
    }
)
_QUOTATIONS = frozenset(
    {"input", "ctx", "failed_generation", "flagged_input", "messages", "request_body", "prompt"}
)
"""Keys under which errors quote the request or the answer: those words mean nothing here."""
_SAYS = {"message": "says", "Message": "says"}
"""Keys that are words of many refusals themselves, and what the patterns see in their place."""
_QUOTED_INPUT = re.compile(r"['\"]input['\"]\s*:")
_QUOTED_END = re.compile(r"['\"]loc['\"]\s*:")
"""A pydantic server's errors as text: each quotes its input last, and names its place before."""
_MAX_DEPTH, _MAX_PARSED_DEPTH = 50, 8
"""Levels that are searched, and levels down to which strings are parsed as JSON."""
_MAX_PARTS = 300
"""Strings, numbers and containers of an error that are searched."""
_MAX_STRING, _MAX_TEXT = 2_000, 6_000
"""Characters of each string, and of them all, that are searched."""
_MAX_PARSED = 100_000
"""Characters of a string that is parsed as JSON."""


class _Excerpt:
    """Makes one copy of an error: without quotations, and bounded in every way."""

    def __init__(self) -> None:
        self._parts = _MAX_PARTS

    def of(self, value: object, depth: int = 0) -> object:
        """The copy. JSON inside strings, as gateways pass it on, is parsed."""
        self._parts -= 1
        if depth > _MAX_DEPTH or self._parts < 0:
            return None
        if isinstance(value, Mapping):
            if "role" in value and "content" in value:
                return None  # a message of the request
            return {
                _SAYS.get(key, str(key)[:_MAX_STRING]): self.of(part, depth + 1)
                for key, part in islice(value.items(), _MAX_PARTS)
                if key not in _QUOTATIONS and self._parts > 0
            }
        if isinstance(value, list):
            return [self.of(part, depth + 1) for part in value[:_MAX_PARTS] if self._parts > 0]
        if not isinstance(value, str):
            return value
        may_be_json = value[:1] in ("{", "[") and len(value) <= _MAX_PARSED
        if may_be_json and depth < _MAX_PARSED_DEPTH:
            with suppress(ValueError):
                return self.of(parse_json(value), depth + 1)
        text = _without_quoted_input(cut_middle(value, _MAX_PARSED))
        return cut_middle(text, _MAX_STRING)


def _without_quoted_input(text: str) -> str:
    """A text without the inputs that pydantic's errors quote in it."""
    first, *quoted = _QUOTED_INPUT.split(text)
    rests = (_QUOTED_END.search(part) for part in quoted)
    kept = [part[m.start() :] for part, m in zip(quoted, rests, strict=True) if m is not None]
    return " ".join((first, *kept))


def message_of(error: JsonMapping) -> str:
    """The message of an error: the upstream's own, if the gateway's says nothing."""
    told = error.get("message") or error.get("detail") or words_of(error) or error.get("type")
    message = _worded(told or "")
    raw = as_mapping(error.get("metadata")).get("raw")
    if isinstance(raw, Mapping):
        raw = raw.get("message")
    if isinstance(raw, str) and raw and message.lower() in ("", "provider returned error"):
        message = raw[:_MAX_STRING]
    return " ".join(message.split())[:2000]  # `redact_fault` shortens it, once keys are out


def _worded(value: object) -> str:
    return value[:_MAX_STRING] if isinstance(value, str) else str(_Excerpt().of(value))
