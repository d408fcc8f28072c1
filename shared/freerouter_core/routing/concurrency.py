"""`ConcurrencyLimit`: how many requests of a job may be in flight, where no stated limit decides.

It grows by one with each answer while answers come as fast as before, so it doubles in the time of
an answer. Answers that take several times as long say that the servers queue what they get: then it
shrinks. So it does when a request fails, once in the time of an answer. Stated limits need none of
this: who waits for them is not in flight.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST, FIRST, LARGEST = 2, 8, 128
"""Requests in flight: at least, at first, and at most."""
SLOWER, MUCH_SLOWER = 2.0, 4.0
"""Times the usual seconds of an answer, from which on it grows no more, and shrinks."""
ANSWERS = 16
"""Answers that a mean is taken of."""


@dataclass(slots=True)
class ConcurrencyLimit:
    """The limit as it is now, and what it was learnt from."""

    now: float = FIRST
    usual: float = 0.0
    """Mean seconds of an answer while they came fastest. 0: not known yet."""
    recent: float = 0.0
    """Mean seconds of the last answers."""
    answers: int = 0
    shrunk_at: float = float("-inf")
    """Unix seconds."""

    @property
    def size(self) -> int:
        """Requests that may be in flight."""
        return int(self.now)

    def answered(self, seconds: float, at: float) -> None:
        """A request was answered after `seconds`, at a time in unix seconds."""
        self.answers += 1
        weight = 1.0 / min(self.answers, ANSWERS)
        self.recent += weight * (seconds - self.recent)
        if self.answers < ANSWERS:
            self.now = min(LARGEST, self.now + 1)
            return
        # What is usual follows slowly upwards: models that answer now may be slower ones.
        self.usual = min(self.recent, self.usual * 1.001) if self.usual else self.recent
        if self.recent > MUCH_SLOWER * self.usual:
            self._shrink(0.9, at)
        elif self.recent <= SLOWER * self.usual:
            self.now = min(LARGEST, self.now + 1)

    def failed(self, at: float) -> None:
        """A request failed."""
        self._shrink(0.7, at)

    def _shrink(self, factor: float, at: float) -> None:
        if at - self.shrunk_at > self.recent:
            self.now, self.shrunk_at = max(SMALLEST, self.now * factor), at
