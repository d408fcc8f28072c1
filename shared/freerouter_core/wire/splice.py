"""`Splice`: joins the text of a model that continues to the text that was already shown, so that nothing is said twice.

A model handed the beginning of an answer goes on in one of three ways: exactly where it stopped, from a little before (the last word
or line once more), or from the start. Which of them shows in its first words, so those are held back while they could still be a
repetition; what repeats is dropped. An answer that starts anew in other words cannot be joined.

Both mistakes are possible: a repetition taken for new text doubles it, new text taken for a repetition loses it. So a match counts only
where it begins where words or lines do, and the more it looks like going on exactly (it begins with a space, it is only digits), the
longer it has to be.
"""

from __future__ import annotations

import re

REACH = 2_000
"""Characters from the end within which a repetition may begin, apart from the very start."""
SURE = 12
"""Bytes, in two words or more, that must coincide where the new text begins with a space."""
LEAST = 4
"""Bytes that must coincide otherwise, where they are no word of their own."""
ANEW = 12
"""Characters from the very start that, said again and then left, tell an answer begun anew."""

_START = re.compile(r"(?<!\S)\S|(?<!\w)\w|[\u3040-\u9fff]")
"""Where a repetition may begin: a word, anything after a space, and in Chinese or Japanese any character."""
_WORD = re.compile(r"\w+")
_IDEOGRAPH = re.compile(r"[\u3040-\u9fff]")
_ENDED = re.compile(r"[.!?…\u3002\uff01\uff1f\"'\u201d\u2019)\]}>|*`_]\s*$|\n\s*$")
_PAUSED = re.compile(r"[^\w\s]\s*$|\n\s*$")


class CannotSplice(Exception):
    """The answer was begun anew, in other words: it cannot continue what was shown."""


def ends_cleanly(text: str) -> bool:
    """Whether a text may have ended where it does: after a sentence, a bracket, a line; not amid a word."""
    return _ENDED.search(text) is not None


class Splice:
    """`before` is the text that was shown; `feed` gives what of the new text may be shown after it.

    `feed` and `close` raise `CannotSplice` where the two cannot be joined.
    """

    def __init__(self, before: str) -> None:
        self._before = before
        self._first = len(before) - len(before.lstrip())
        near = (m.start() for m in _START.finditer(before, max(0, len(before) - REACH)))
        self._starts = sorted({self._first, *near})
        self._still = self._starts
        """Where what is held back may still be a repetition from."""
        self._held: list[str] = []
        self._length = 0
        self._joined = not before.strip()

    def feed(self, text: str) -> str:
        """What is certain to be new by now."""
        if self._joined:
            return text
        self._held.append(text)
        said = text if self._length else text.lstrip()
        self._still = [at for at in self._still if self._before.startswith(said, at + self._length)]
        self._length += len(said)
        return "" if self._still else self._join()

    def close(self) -> str:
        """What was held back when the stream ended: an answer that was complete already adds nothing."""
        return "" if self._joined else self._join()

    def _join(self) -> str:
        held, self._joined = "".join(self._held), True
        said = held.lstrip()
        overlap = self._overlap(said, spaced=held[:1].isspace())
        if overlap:
            return said[overlap:]
        if self._anew(said):
            raise CannotSplice
        # The beginning is handed over without the space it ends with, so that what continues it begins with that space.
        tail = self._before[len(self._before.rstrip()) :]
        return held.removeprefix(tail)

    def _overlap(self, said: str, *, spaced: bool) -> int:
        """Characters at the beginning of `said` that repeat the end of what was shown, the most that do."""
        for at in self._starts:
            ending = self._before[at : at + len(said) + 1]
            bare = ending.rstrip()
            if at + len(ending) < len(self._before) or not bare or not said.startswith(bare):
                continue
            gap, rest = ending[len(bare) :], said[len(bare) :]
            if gap and _WORD.match(rest):
                continue  # a word that merely begins like the last one
            if self._repeats(bare, whole=at == self._first, spaced=spaced):
                return len(bare) + (len(gap) if rest.startswith(gap) else 0)
        return 0

    def _repeats(self, bare: str, *, whole: bool, spaced: bool) -> bool:
        """Whether a coincidence of that length is a repetition. `whole`: it is all that was shown; `spaced`: the new text begins
        with a space, as one that goes on exactly does."""
        if bare.isdigit() or (not _WORD.search(bare) and len(bare) < LEAST):
            return False
        if _IDEOGRAPH.match(bare) and len(bare) < 3:
            return False
        if spaced:
            return len(bare.encode()) >= SURE and len(_WORD.findall(bare)) >= 2
        return bare.isalnum() or len(bare.encode()) >= LEAST or (whole and len(bare) >= 3)

    def _anew(self, said: str) -> bool:
        """Whether it begins like the very start and then leaves it. A line or sentence may well begin as the first one did."""
        shown = self._before.strip()
        shared = _common(said, shown)
        if (
            not said
            or self._before.endswith("\n")
            or self._before.find(shown[:ANEW], self._first + 1) >= 0
        ):
            return False
        words = len(_WORD.findall(said[:shared]))
        few = words >= 2 and shared >= 6 and not _PAUSED.search(self._before)
        return shared >= min(ANEW, len(shown)) or few


def _common(one: str, other: str) -> int:
    """The length of the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
