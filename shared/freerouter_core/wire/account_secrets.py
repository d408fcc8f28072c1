"""`Secrets`: what must not be shown of an account, and where it stands in a text."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ..catalogue.addresses import split_address
from ..catalogue.providers import Account

MIN_SECRET = 6
"""Characters: what is shorter may be a word."""
_MIN_PART = 12
"""Characters of a part of a key: shorter ones may occur by chance. What is as long is found in
capital and in small letters, too."""
_STRIDE = 8
"""Every part of twice as many characters has eight that begin at a multiple of eight."""
_LONG = 200_000
"""Characters of a text, such as a picture, in which only the secrets themselves are looked for."""
FEW = 3
"""Characters of a long secret that tell nothing: many keys begin with the same ones."""
_SEPARATORS = dict.fromkeys(map(ord, "\x00 \t\r\n\"'`,;:|+\\\u200b\u200c\u200d\u2060\ufeff"))
"""What may stand between the pieces of a key."""
_BETWEEN = r"[\x00 \t\r\n\"'`,;:|+\\\u200b\u200c\u200d\u2060\ufeff]*"
_SEPARATING = frozenset(map(chr, _SEPARATORS))
NEAR = 16
"""Characters in which the last few letters stand, with what may stand between them."""
_NOTHING = "\uffff"
"""A letter that no text has."""
_SMALL = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

Span = tuple[int, int]
"""Begin and end of a place in a text."""


class Secrets:
    """What must not be shown of an account: each secret, in each encoding, and in pieces."""

    def __init__(self, values: list[str]) -> None:
        self._plain = tuple(values)
        found = {form for value in values for form in _forms(value) if len(form) >= MIN_SECRET}
        forms = sorted(found, key=len, reverse=True)
        long = list(dict.fromkeys(_small(form) for form in forms if len(form) >= _MIN_PART))
        self._short = tuple(form for form in forms if len(form) < _MIN_PART)
        each = [f"(?i:{re.escape(form)})" for form in long] + [*map(re.escape, self._short)]
        self._forms = re.compile("|".join(each) or "(?!)")
        values = [_small(value) for value in values if len(value) >= _MIN_PART]
        self._parts = tuple((value, _grams(value)) for value in values)
        self._needles = (
            *(gram for _, grams in self._parts for gram in grams),
            *(form for form in long if form not in values),
        )
        """One of these, or a short form, is in every text that has a form or a part of one."""
        self._pieces = tuple(
            (value, re.compile(_BETWEEN.join(map(re.escape, value))))
            for value in values
            if value == value.translate(_SEPARATORS)
        )
        self._whole = tuple(value for value, _ in self._pieces)
        """What would be found if what may stand between its pieces were not there."""
        joined = [form.translate(_SEPARATORS) for form in (*long, *map(_small, self._short))]
        heads = (_small(form)[:n] for form in self._short for n in range(1, FEW + 1))
        self._heads = frozenset(heads)
        self._within = _NOTHING.join(["", *joined])
        self._ends = frozenset(
            form[n : n + FEW + 1] for form in joined for n in range(len(form) - FEW)
        )
        """How every beginning ends that tells something."""
        self._values = _NOTHING.join(value.translate(_SEPARATORS) for value in values)
        self._reach = 2 * max(map(len, forms), default=1)
        """Characters in which the longest form stands, and as many between its pieces."""
        self.shortest = min([_MIN_PART, *map(len, self._short)])
        """Characters of the shortest form or part."""

    def may_be_in(self, text: str) -> bool:
        """Whether a text may hold a secret: a quick look, for the many that do not."""
        small = _small(text)
        if any(map(small.__contains__, self._needles)) or any(map(text.__contains__, self._short)):
            return True
        if len(text) >= _LONG:
            return False
        joined = small.translate(_SEPARATORS)
        return any(map(joined.__contains__, self._whole))

    def find(self, text: str) -> list[Span]:
        """The places of secrets in a text, in order. None begins within another."""
        found = [match.span() for match in self._forms.finditer(text)]
        left = _blank(_small(text), found)
        for value, pattern in self._pieces:
            if value in left.translate(_SEPARATORS):
                pieces = [match.span() for match in pattern.finditer(left)]
                found += pieces
                left = _blank(left, pieces)
        for value, grams in self._parts:
            parts = _parts_in(left, value, grams)
            found += parts
            left = _blank(left, parts)
        return sorted(found)

    def are_in_name(self, name: str) -> bool:
        """Whether a long secret is in a name."""
        found = self.find(name) if self.may_be_in(name) else []
        return any(end - begin >= _MIN_PART for begin, end in found)

    def out_of(self, text: str) -> str:
        """The text with "[key]" in place of each secret."""
        if len(text) >= _LONG:
            for value in self._plain:
                text = text.replace(value, "[key]")
            return text
        if len(text) < MIN_SECRET or not self.may_be_in(text):
            return text
        return masked(text, self.find(text))

    def unfinished(self, text: str) -> int:
        """The characters at the end of a text that may be the beginning of a secret, or a part."""
        end = text[-FEW - 1 :].lower()
        if not _SEPARATING.isdisjoint(end):
            end = _small(text[-NEAR:]).translate(_SEPARATORS)[-FEW - 1 :]
        if end not in self._ends and not self._begins_short(end):
            return 0
        near = text[-self._reach :]
        joined = _small(near).translate(_SEPARATORS)
        # All ends of what is within a form are within it, too, so the longest is soon found.
        lengths = range(1, len(joined) + 1)
        most = bisect_left(lengths, True, key=lambda n: joined[-n:] not in self._within)
        for letters in range(most, 0, -1):
            end = joined[-letters:]
            enough = letters > FEW and (_NOTHING + end in self._within or end in self._values)
            if enough or end in self._heads:
                return _with_separators(near, letters)
        return 0

    def _begins_short(self, end: str) -> bool:
        return bool(self._heads) and any(end[-n:] in self._heads for n in range(1, FEW + 1))


def masked(text: str, found: Iterable[Span], begin: int = 0, end: int | None = None) -> str:
    """The text from `begin` to `end` with "[key]" in place of what was found there. What was found
    in part before `begin` stands for the rest of it."""
    shown, end = [], len(text) if end is None else end
    for first, last in found:
        if begin < last <= end:
            shown += [text[begin:first], "[key]"]
            begin = last
    return "".join([*shown, text[begin:end]])


def secrets_of(account: Account) -> Secrets:
    """The secrets of an account: its key, its headers' values, and those of its address."""
    return _secrets(account.key, account.headers, account.base_url)


@lru_cache(maxsize=64)
def _secrets(key: str, headers: tuple[tuple[str, str], ...], base_url: str) -> Secrets:
    values = [key, *(value for _, value in headers)]
    values += [value.rpartition(" ")[2] for value in values if " " in value]
    parts = split_address(base_url)
    if parts is not None and parts.secrets:
        values += parts.secrets
    return Secrets([value for value in values if len(value) >= MIN_SECRET])


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


def _grams(form: str) -> tuple[str, ...]:
    return tuple(form[n : n + _STRIDE] for n in range(0, len(form) - _STRIDE + 1, _STRIDE))


def _small(text: str) -> str:
    """The text in small letters, each in its old place."""
    small = text.lower()
    return small if len(small) == len(text) else text.translate(_SMALL)


def _blank(text: str, found: Iterable[Span]) -> str:
    """The text with nothing in those places, which are in order."""
    kept, done = [], 0
    for begin, end in found:
        kept += [text[done:begin], _NOTHING * (end - begin)]
        done = end
    return "".join([*kept, text[done:]])


def _parts_in(text: str, value: str, grams: tuple[str, ...]) -> list[Span]:
    """The places of every part of `value` that is long enough to be no coincidence."""
    found: list[Span] = []
    for n, gram in enumerate(grams):
        by_gram: list[Span] = []
        done, at = 0, text.find(gram)
        while at >= 0:
            begin, end, first, last = at, at + _STRIDE, n * _STRIDE, (n + 1) * _STRIDE
            while begin > done and first and text[begin - 1] == value[first - 1]:
                begin, first = begin - 1, first - 1
            while end < len(text) and last < len(value) and text[end] == value[last]:
                end, last = end + 1, last + 1
            if end - begin >= _MIN_PART:
                by_gram.append((begin, end))
                done = end
            at = text.find(gram, end)
        text = _blank(text, by_gram)
        found += by_gram
    return sorted(found)


def _with_separators(text: str, letters: int) -> int:
    """The length of the end of a text that has so many letters besides separators."""
    begin = len(text)
    while letters:
        begin -= 1
        letters -= ord(text[begin]) not in _SEPARATORS
    return len(text) - begin
