"""`fewer_texts`: how many texts to send after a provider has refused that many at once.

No list tells how many a provider takes. Ten is the least that was seen (DashScope), 32 is usual
(text-embeddings-inference).
"""

from __future__ import annotations

import re

_OF_TEXTS = re.compile(
    r"\b(?:batch|inputs?|texts?|items?|documents?|instances?|array)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\b\d{1,4}\b")


def fewer_texts(message: str, most: int) -> int | None:
    """Texts of the next request besides the known one, `most` having been refused with this
    message; None: it is not about their number, or one is the fewest."""
    if most <= 1 or not _OF_TEXTS.search(message):
        return None
    named = [number for number in map(int, _NUMBER.findall(message)) if 1 < number <= most]
    return max(named) - 1 if named else most // 2
