"""`FailureStreak`: failures in a row of a job, which pause it, and in the end stop it."""

from __future__ import annotations

from collections import deque

from ...catalogue.counts import count_words
from ...errors import FreeRouterError, JobFailed
from .job_store import Claimed

FAILURES = 3
"""Failures in a row, from which on the job pauses between requests."""
HOPELESS, MANY_FAILURES = 86_400.0, 50
"""Seconds without an answer, and failures in a row meanwhile, after which the job stops."""
PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds of such a pause: the first, doubling, and the longest."""


class FailureStreak:
    """The failures since the last answer. Times are unix seconds."""

    def __init__(self, stop_after: int | None) -> None:
        self._stop_after = stop_after
        self._count = 0
        self._since = 0.0
        self._last: FreeRouterError | None = None
        self.paused_until = 0.0

    @property
    def is_long(self) -> bool:
        """Whether one request at a time is enough."""
        return self._count >= FAILURES

    def answered(self) -> None:
        """A request was answered."""
        self._count, self.paused_until = 0, 0.0

    def failed(self, error: FreeRouterError | None, now: float) -> JobFailed | None:
        """A request failed. Returns the error that stops the job; None: it goes on."""
        if not self._count:
            self._since = now
        self._count, self._last = self._count + 1, error
        hopeless = self._count >= MANY_FAILURES and now >= self._since + HOPELESS
        if hopeless or (self._stop_after is not None and self._count >= self._stop_after):
            return JobFailed(
                f"{count_words(self._count, 'try', 'tries')} failed in a row{self._told_last}"
            )
        if self.is_long:
            pause = PAUSE * 2.0 ** min(10, self._count - FAILURES)
            self.paused_until = now + min(LONGEST_PAUSE, pause)
        return None

    def take(self, ready: deque[Claimed]) -> Claimed:
        """Take the next of the tasks that are ready. After failures in a row it is one that has not
        failed yet: it tells more, for a row that fails again may be to blame itself."""
        fresh = (n for n, task in enumerate(ready) if not task.tries)
        place = next(fresh, 0) if self.is_long else 0
        task = ready[place]
        del ready[place]
        return task

    def told(self) -> str:
        """What a paused job waits for."""
        return f"a better time, after {count_words(self._count, 'failure')}{self._told_last}"

    @property
    def _told_last(self) -> str:
        return "" if self._last is None else f"; the last: {self._last.message}"
