"""`fewer_texts`: how many texts to send after a provider has refused that many at once.

No list tells how many a provider takes. Ten is the least that was seen (DashScope), 32 is usual
(text-embeddings-inference). A message may hold many numbers: a status, a date, a port, an id. Only
one that is said to be a limit, or a number of texts, is believed. Without one, half is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TEXTS = r"(?:batch|inputs?|texts?|items?|documents?|instances?|array|elements?|strings?|list)"
_OF_TEXTS = re.compile(rf"\b{_TEXTS}\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w./#-])(?<!\d:)(?:\d{1,3},\d{3}|\d{1,4})(?!\w|[-:./,]\d)")
_LIMIT_BEFORE = re.compile(
    r"(?:\b(?:at most|max|maximum|limit|limited|up to|only|exceed|exceeds|(?:more|larger|greater|"
    rf"fewer|less) than(?: or equal to)?)|[<>≤]=?)(?:[ =:`\"'(]|\b(?:{_TEXTS}|allowed|size|length|"
    r"number|count|of|per|request|is|are|to|the)\b){0,24}\Z",
    re.IGNORECASE,
)
"""What stands before a limit, to the end of the text before it."""
_TEXTS_AFTER = re.compile(
    rf"[ -]?(?:{_TEXTS}\b|(?:at once|max\b|maximum\b|per (?:request|batch|call)))", re.IGNORECASE
)
_PERIOD = r"(?:requests? )?(?:per|a|an|/) ?(?:sec\w*|min\w*|hour|day)"
_OTHER_AFTER = re.compile(
    r"[ -]?(?:%|(?:tokens?|char\w*|letters?|words?|[kmg]?bytes?|[kmg]b|dim\w*|m?s|sec\w*|min\w*|"
    rf"hours?|days?|rpm|rpd|{_PERIOD})\b)",
    re.IGNORECASE,
)
_BEFORE = 80
"""Letters before a number that may say what it is."""
_STATUSES = frozenset({
    400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 424, 429, 431, 451, 500, 502, 503, 504, 529,
})  # fmt: skip


def fewer_texts(message: str, most: int) -> int | None:
    """Texts of the next request besides the known one, `most` having been refused with this
    message; None: it is not about their number, or one is the fewest."""
    if most <= 1 or not _OF_TEXTS.search(message):
        return None
    named = [number for number in _limits(message) if 1 < number <= most]
    return max(named) - 1 if named else most // 2


def _limits(message: str) -> Iterator[int]:
    """The numbers that are said to be a limit, or a number of texts."""
    for match in _NUMBER.finditer(message):
        begin, end = match.span()
        number = int(match[0].replace(",", ""))
        before, other = message[max(0, begin - _BEFORE) : begin], _OTHER_AFTER.match(message, end)
        is_limit = number not in _STATUSES and not other and _LIMIT_BEFORE.search(before)
        if is_limit or _TEXTS_AFTER.match(message, end):
            yield number
