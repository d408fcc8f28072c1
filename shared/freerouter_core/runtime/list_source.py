"""`ListSource`: one account's list of models: the last good one, and the fetch under way."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from ..catalogue.model import Model
from ..wire.fault import Cause
from .list_fetch import FIRST_SILENCE, LONGEST_SILENCE, ListFailed, ListFetch

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds until a request without any list fetches again: doubled each time, up to the second."""
FIRST_BACKOFF, LONGEST_BACKOFF = 30.0, 1_800.0
"""Seconds until a failed fetch is tried again: doubled each time, up to the second number."""
_NEVER_ASKED = ListFailed("it was not asked")


@dataclass(kw_only=True)
class ListSource:
    """Times are unix seconds."""

    models: tuple[Model, ...] | None = None
    fetched: float = 0.0
    fetch: ListFetch | None = None
    task: asyncio.Task[None] | None = None
    """The fetch under way, and its task."""
    started: float = 0.0
    """When it began."""
    awaited: bool = False
    """Whether somebody waits for it, even if a list is known."""
    failures: int = 0
    """Fetches that failed since the last good one."""
    silences: int = 0
    """How many of them in a row, the last included, got no word from the server."""
    not_before: float = 0.0
    failure: ListFailed | None = None
    """Why the last fetch failed."""

    @property
    def hurried(self) -> bool:
        """Whether the fetch under way is needed now."""
        return self.models is None or self.awaited

    @property
    def silence(self) -> float:
        """Seconds of silence after which the next fetch sends its request again."""
        return min(LONGEST_SILENCE, FIRST_SILENCE * 2.0**self.silences)

    def listed(self, models: tuple[Model, ...], now: float) -> None:
        """A fetch brought the list."""
        self.models, self.fetched = models, now
        self.failures, self.silences, self.not_before, self.failure = 0, 0, 0.0, None

    def failed(self, failure: ListFailed, now: float) -> None:
        """A fetch brought none."""
        self.failures += 1
        self.silences = self.silences + 1 if failure.cause is Cause.READ_TIMEOUT else 0
        self.failure = failure
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** (self.failures - 1))
        self.not_before = now + backoff

    def trouble(self, now: float) -> ListFailed:
        """Why there is no list now."""
        if self.fetch is not None and (self.failure is None or now - self.started >= FIRST_SILENCE):
            return self.fetch.failure()
        return self.failure or _NEVER_ASKED


class Tries:
    """When one call, which has no list yet, fetches that of a source again.

    It does so for as long as the source's trouble is worth it (`ListFailed.patience`), counted from
    the first failure that the call saw: a fetch may take longer than that, and still a second one
    must follow. A new kind of trouble is counted anew.

    `ends`: when the call must have its list. None: it takes what the first fetch brings.
    """

    def __init__(self, source: ListSource, ends: float | None) -> None:
        self._source, self._ends = source, ends
        self._failures = source.failures
        self._pause, self._patience, self._since = FIRST_PAUSE, 0.0, 0.0
        self._again = math.inf

    def next_at(self, now: float) -> float:
        """When to fetch again, now or later. Infinite: never, or not while a fetch is under way."""
        source = self._source
        if source.task is not None or source.failure is None or self._ends is None:
            return math.inf
        if source.failures != self._failures:
            self._failures = source.failures
            if source.failure.patience != self._patience:
                self._patience, self._since = source.failure.patience, now
            again = now + self._pause
            self._pause = min(LONGEST_PAUSE, 2.0 * self._pause)
            self._again = (
                again if again <= min(self._ends, self._since + self._patience) else math.inf
            )
        return self._again
