"""Keys out of text. A server may quote the key it refused, or the request it did not understand."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ..catalogue.addresses import split_address
from ..catalogue.providers import Account
from ..errors import hide_keys
from .answer import Answer
from .delta import Delta
from .fault import Fault

_MAX_MESSAGE = 300
"""Characters of a fault's message."""
_MIN_SECRET = 6
"""Characters: what is shorter may be a word."""
_MIN_PART = 12
"""Characters of a part of a key: shorter ones may occur by chance."""
_STRIDE = 8
"""Every part of twice as many characters has eight that begin at a multiple of eight."""
_MAX_DEPTH = 20
"""Levels of a JSON value that are cleaned. What is deeper is left out."""
_LONG = 200_000
"""Characters of a text, such as a picture, in which only the secrets themselves are looked for."""
_TEXTLESS = frozenset({int, float, bool, type(None)})
"""Types of values in which no text can stand."""
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SEPARATORS = dict.fromkeys(map(ord, "\x00 \t\r\n\"'`,;:|+\\\u200b\u200c\u200d\u2060\ufeff"))
"""What may stand between the pieces of a key."""
_BETWEEN = r"[\x00 \t\r\n\"'`,;:|+\\\u200b\u200c\u200d\u2060\ufeff]*"


def strip_control_characters(text: str) -> str:
    """`text` without what would command a terminal."""
    return _CONTROL_CHARACTER.sub("", text)


def redact(text: str, account: Account | None = None) -> str:
    """`text` without the account's secrets, in any common encoding, and anything that looks like a
    key. Its secrets are the key, its headers' values, and the password of its address."""
    if not text:
        return text
    return hide_keys(text if account is None else _without(text, _secrets_of(account)))


def redact_fault(fault: Fault, account: Account) -> Fault:
    """The fault with keys out of its message, which is shortened only then."""
    if not fault.message:
        return fault
    message = strip_control_characters(redact(fault.message, account))
    return replace(fault, message=message[:_MAX_MESSAGE])


def tells_key(answer: Answer, account: Account) -> bool:
    """Whether something in what the model said looks like a key."""
    called = [text for call in answer.tool_calls for text in (call.name, call.arguments)]
    texts = "\n".join([answer.text, answer.reasoning, answer.refusal, *called])
    return _suspicious(texts, _secrets_of(account)) or hide_keys(texts) != texts


def redact_answer(answer: Answer, account: Account, *, with_text: bool = False) -> Answer:
    """The answer with keys out of all that its text is not; `with_text`: out of its text and calls
    too."""
    secrets = _secrets_of(account)
    if with_text and tells_key(answer, account):
        calls = tuple(
            replace(
                call, name=redact(call.name, account), arguments=redact(call.arguments, account)
            )
            for call in answer.tool_calls
        )
        answer = answer.with_(
            text=redact(answer.text, account),
            reasoning=redact(answer.reasoning, account),
            refusal=redact(answer.refusal, account),
            tool_calls=calls,
        )
    if not _suspicious(_texts_in(_metadata_of(answer)), secrets):
        return answer
    changes: dict[str, Any] = {}
    for name in _METADATA:
        value = getattr(answer, name)
        if value:
            changes[name] = _clean(value, secrets)
    return answer.with_(**changes)


def redact_delta(delta: Delta, account: Account) -> Delta:
    """The delta with keys out of its reasoning."""
    if not (delta.reasoning or delta.reasoning_details):
        return delta
    secrets = _secrets_of(account)
    if not _suspicious(_texts_in((delta.reasoning, delta.reasoning_details)), secrets):
        return delta
    return replace(
        delta,
        reasoning=_without(delta.reasoning, secrets),
        reasoning_details=_clean(delta.reasoning_details, secrets),
    )


_METADATA = (
    "model",
    "upstream",
    "id",
    "reasoning",
    "finish_reason",
    "native_finish_reason",
    "usage",
    "annotations",
    "reasoning_details",
    "images",
    "audio",
    "error",
)
"""What an answer has besides text, refusal and calls. A model cannot know the key, so what quotes
it there is the server."""
_metadata_of = attrgetter(*_METADATA)


class _Secrets:
    """What must not be shown of an account: each secret, in each encoding, and in pieces."""

    def __init__(self, values: list[str]) -> None:
        self.plain = tuple(values)
        forms = {form for value in values for form in _forms(value) if len(form) >= _MIN_SECRET}
        self.forms = tuple(sorted(forms, key=len, reverse=True))
        self.grams = tuple((value, _grams(value)) for value in values if len(value) >= _MIN_PART)
        self.needles = (
            *(gram for _, grams in self.grams for gram in grams),
            *(form for form in self.forms if len(form) < _MIN_PART or form not in values),
        )
        """One of these is in every text that has a form or a part of one."""
        self.pieces = tuple(
            (value.translate(_SEPARATORS), re.compile(_BETWEEN.join(map(re.escape, value))))
            for value in values
            if len(value) >= _MIN_PART and value == value.translate(_SEPARATORS)
        )
        self.whole = tuple(value for value, _ in self.pieces)
        """What would be found if what may stand between its pieces were not there."""


def _grams(form: str) -> tuple[str, ...]:
    return tuple(form[n : n + _STRIDE] for n in range(0, len(form) - _STRIDE + 1, _STRIDE))


def _secrets_of(account: Account) -> _Secrets:
    return _secrets(account.key, account.headers, account.base_url)


@lru_cache(maxsize=64)
def _secrets(key: str, headers: tuple[tuple[str, str], ...], base_url: str) -> _Secrets:
    values = [key, *(value for _, value in headers)]
    values += [value.rpartition(" ")[2] for value in values if " " in value]
    parts = split_address(base_url)
    if parts is not None and parts.secrets:
        values += parts.secrets
    return _Secrets([value for value in values if len(value) >= _MIN_SECRET])


def _forms(value: str) -> list[str]:
    """A secret as it is, JSON-escaped, quoted for a URL, in hexadecimal and in base64."""
    raw = value.encode("utf-8", "replace")
    quoted = "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in raw)
    forms = [value, quoted, quoted.lower(), raw.hex(), raw.hex().upper()]
    escaped = json.dumps(value)[1:-1]
    forms += [escaped, escaped.replace("/", "\\/")]
    forms += ["".join(f"\\u{ord(letter):04x}" for letter in value)]
    for inner in _in_base64(value):
        forms += [inner, inner.replace("+", "-").replace("/", "_")]
    return forms


def _in_base64(value: str) -> Iterator[str]:
    """What is sure to be in the base64 of any text that has `value`: its first byte has one of
    three places, and its ends share letters with what stands beside it."""
    raw = value.encode("utf-8", "replace")
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[shift] :]
        yield inner if not (shift + len(raw)) % 3 else inner[:-1]


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


def _suspicious(text: str, secrets: _Secrets) -> bool:
    """Whether a text may hold a secret: a quick look, for the many that do not."""
    if any(map(text.__contains__, secrets.needles)):
        return True
    if len(text) >= _LONG:
        return False
    joined = text.translate(_SEPARATORS)
    return any(map(joined.__contains__, secrets.whole))


def _texts_in(values: Sequence[object]) -> str:
    """All texts of JSON values in one, but none that is too short to hold a secret."""
    said: list[str] = []
    level, depth = values, 0
    while level:
        below: list[object] = []
        for value in level:
            kind = type(value)
            if kind in _TEXTLESS:
                continue  # most values are: said early, as it is quick to tell
            if isinstance(value, str):
                if len(value) >= _MIN_SECRET:
                    said.append(value)
            elif isinstance(value, (list, tuple)) and depth <= _MAX_DEPTH:
                below += value
            elif isinstance(value, (dict, Mapping)) and depth <= _MAX_DEPTH:
                below += value
                below += value.values()
            else:  # too deep, or no JSON
                said.append(str(value))
        level, depth = below, depth + 1
    return "\n".join(said)


def _without(text: str, secrets: _Secrets) -> str:
    if len(text) < _MIN_SECRET:
        return text
    for form in secrets.forms if len(text) < _LONG else secrets.plain:
        if form in text:
            text = text.replace(form, "[key]")
    if len(text) >= _LONG:
        return text
    for value, grams in secrets.grams:
        if any(gram in text for gram in grams):
            text = _without_parts(text, value, grams)
    for joined, pattern in secrets.pieces:
        if joined in text.translate(_SEPARATORS):
            text = pattern.sub("[key]", text)
    return text


def _without_parts(text: str, value: str, grams: tuple[str, ...]) -> str:
    """The text without every part of `value` that is long enough to be no coincidence."""
    for n, gram in enumerate(grams):
        at = text.find(gram)
        while at >= 0:
            begin, end, first, last = at, at + _STRIDE, n * _STRIDE, (n + 1) * _STRIDE
            while begin and first and text[begin - 1] == value[first - 1]:
                begin, first = begin - 1, first - 1
            while end < len(text) and last < len(value) and text[end] == value[last]:
                end, last = end + 1, last + 1
            if end - begin >= _MIN_PART:
                text, end = f"{text[:begin]}[key]{text[end:]}", begin + len("[key]")
            at = text.find(gram, end)
    return text


def _clean(value: Any, secrets: _Secrets, depth: int = 0) -> Any:
    """A JSON value with the secrets out of its texts and the names of its fields."""
    if isinstance(value, str):
        return _without(value, secrets)
    if depth > _MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        return None
    if isinstance(value, Mapping):
        return {
            _clean(name, secrets): _clean(item, secrets, depth + 1) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_clean(item, secrets, depth + 1) for item in value)
    return value
