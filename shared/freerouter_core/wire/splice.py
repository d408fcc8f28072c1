"""`Splice`: joins the text of a model that continues to the text that was already shown, so that nothing is said twice.

A model handed the beginning of an answer goes on in one of three ways: exactly where it stopped, from a little before (the
last word or sentence once more), or from the start. Which of them shows in its first words, so those are held back while
they could still be a repetition; what repeats is dropped. An answer that starts anew in other words cannot be joined.
"""

from __future__ import annotations

import re

LEAST = 4
"""Bytes that must coincide before a match counts as a repetition: one letter coincides by chance."""
ANEW = 12
"""Characters from the very start of what was shown that, said again and then left, tell an answer begun anew."""

_WORD = re.compile(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+")
"""Where a repetition may begin: at a word, and in Chinese or Japanese at any character."""


class NoSeam(Exception):
    """The answer was begun anew, in other words: it cannot continue what was shown."""


class Splice:
    """`before` is the text that was shown; `feed` gives what of the new text may be shown after it.

    `feed` and `close` raise `NoSeam` where the two cannot be joined.
    """

    def __init__(self, before: str) -> None:
        self._before = before
        self._starts = [0, *(m.start() for m in _WORD.finditer(before) if m.start())]
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
        overlap = self._overlap(said)
        if overlap:
            return said[overlap:]
        shown = self._before.strip()
        if said and _common(said, shown) >= min(ANEW, len(shown)):
            raise NoSeam
        # The beginning is handed over without the space it ends with, so that what continues it begins with that space.
        tail = self._before[len(self._before.rstrip()) :]
        return held.removeprefix(tail)

    def _overlap(self, said: str) -> int:
        """Characters at the beginning of `said` that repeat the end of what was shown, the most that do."""
        for at in self._starts:
            ending = self._before[at : at + len(said) + 1] if at else self._before.lstrip()
            bare = ending.rstrip()
            if at + len(ending) < len(self._before) or not bare or not said.startswith(bare):
                continue
            spaced, rest = len(ending) > len(bare), said[len(bare) :]
            if spaced and _WORD.match(rest):
                continue  # a word that merely begins like the last one
            unfinished = not spaced and len(bare) > 1 and _WORD.fullmatch(bare)
            if at == 0 or len(bare.encode()) >= LEAST or unfinished:
                space = ending[len(bare) :]
                return len(bare) + (len(space) if rest.startswith(space) else 0)
        return 0


def _common(one: str, other: str) -> int:
    """The length of the beginning that two texts share."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
