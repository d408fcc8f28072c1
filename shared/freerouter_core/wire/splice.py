"""`Splice`: joins the text of a model that continues to the text that was already shown.

A model that is handed the beginning of an answer goes on in one of three ways: exactly where it
stopped, a little before (the last word or line once more), or from the start. The first words
show which, so they are held back while they may still be a repetition. Repetitions are dropped.
An answer that starts anew in other words cannot be joined.

Both mistakes are possible: a repetition taken for new text doubles it, and new text taken for a
repetition is lost. So a match counts only if it begins where a word or a line does. A match must
be longer if the text looks like an exact continuation: if it begins with a space, or is digits.
"""

from __future__ import annotations

import re

SEARCHED_CHARACTERS = 2_000
"""How far from its end the shown text is searched, besides its very start."""
MIN_OVERLAP_AFTER_SPACE = 12
"""Bytes, in two words or more, that must match if the new text begins with a space."""
MIN_OVERLAP = 4
"""Bytes that must match otherwise, unless they are a word of their own."""
RESTART_CHARACTERS = 12
"""A match this long with the very start, and then a difference, is an answer begun anew."""

_START = re.compile(r"(?<!\S)\S|(?<!\w)\w|[\u3040-\u9fff]")
"""Where a repetition may begin: a word, anything after a space, any CJK character."""
_WORD = re.compile(r"\w+")
_CJK = re.compile(r"[\u3040-\u9fff]")
_CLEAN_ENDS = frozenset(".!?…\u3002\uff01\uff1f\"'\u201d\u2019)]}>|*`_")


class CannotSplice(Exception):
    """The answer was begun anew, in other words: it cannot continue what was shown."""


def ends_cleanly(text: str) -> bool:
    """Whether a text may be complete: it ends with a sentence, a bracket or a line."""
    shown = text.rstrip()
    return "\n" in text[len(shown) :] or shown[-1:] in _CLEAN_ENDS


def _pauses(text: str) -> bool:
    """Whether a text ends with punctuation or a line."""
    shown = text.rstrip()
    last = shown[-1:]
    return "\n" in text[len(shown) :] or bool(last and not (last.isalnum() or last == "_"))


class Splice:
    """`before` is the text that was shown. `feed` returns what may be shown after it.

    `feed` and `close` raise `CannotSplice` if the two cannot be joined.
    """

    def __init__(self, before: str) -> None:
        self._before = before
        self._first = len(before) - len(before.lstrip())
        end_begins = max(0, len(before) - SEARCHED_CHARACTERS)
        near_the_end = (match.start() for match in _START.finditer(before, end_begins))
        self._starts = sorted({self._first, *near_the_end})
        self._possible_starts = self._starts
        """Where the text held back may still be a repetition from."""
        self._held_back: list[str] = []
        self._length = 0
        """Of the text held back, without leading whitespace."""
        self._is_joined = not before.strip()

    def feed(self, text: str) -> str:
        """What is certain to be new by now."""
        if self._is_joined:
            return text
        self._held_back.append(text)
        text = text if self._length else text.lstrip()
        self._possible_starts = [
            start
            for start in self._possible_starts
            if self._before.startswith(text, start + self._length)
        ]
        self._length += len(text)
        return "" if self._possible_starts else self._join()

    def close(self) -> str:
        """The new text held back at the end: nothing, if the answer was complete already."""
        return "" if self._is_joined else self._join()

    def _join(self) -> str:
        held_back, self._is_joined = "".join(self._held_back), True
        text = held_back.lstrip()
        overlap = self._overlap(text, after_space=held_back[:1].isspace())
        if overlap:
            return text[overlap:]
        if self._begins_anew(text):
            raise CannotSplice
        # The model was handed the beginning without its last whitespace, and may repeat that.
        return held_back.removeprefix(self._before[len(self._before.rstrip()) :])

    def _overlap(self, text: str, *, after_space: bool) -> int:
        """How many characters at the beginning of `text` repeat the end of what was shown."""
        for start in self._starts:
            ending = self._before[start : start + len(text) + 1]
            repeated = ending.rstrip()
            reaches_end = start + len(ending) >= len(self._before)
            if not reaches_end or not repeated or not text.startswith(repeated):
                continue
            space, rest = ending[len(repeated) :], text[len(repeated) :]
            if space and _WORD.match(rest):
                continue  # another word, which only begins like the last one
            if self._is_repetition(repeated, whole=start == self._first, after_space=after_space):
                return len(repeated) + (len(space) if rest.startswith(space) else 0)
        return 0

    def _is_repetition(self, match: str, *, whole: bool, after_space: bool) -> bool:
        """Whether a match is no coincidence. `whole`: it is all that was shown."""
        if match.isdigit() or (not _WORD.search(match) and len(match) < MIN_OVERLAP):
            return False
        if _CJK.match(match) and len(match) < 3:
            return False
        size = len(match.encode())
        if after_space:
            return size >= MIN_OVERLAP_AFTER_SPACE and len(_WORD.findall(match)) >= 2
        return match.isalnum() or size >= MIN_OVERLAP or (whole and len(match) >= 3)

    def _begins_anew(self, text: str) -> bool:
        """Whether `text` begins like the very start and then differs.

        After a line's end it may: a later line can begin like the first.
        """
        shown = self._before.strip()
        opening = shown[:RESTART_CHARACTERS]
        comes_again = self._before.find(opening, self._first + 1) >= 0
        if not text or self._before.endswith("\n") or comes_again:
            return False
        shared = _shared_length(text, shown)
        word_count = len(_WORD.findall(text[:shared]))
        is_amid_a_sentence = not _pauses(self._before)
        return shared >= min(RESTART_CHARACTERS, len(shown)) or (
            word_count >= 2 and shared >= 6 and is_amid_a_sentence
        )


def _shared_length(one: str, other: str) -> int:
    """The length of the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
