"""`InputReader`: reads a job's input on a thread of its own, as far as the work needs it.

An input may be a generator of millions, may take its time, or may ask a model itself. So it is read
in portions, and no further than `AHEAD` rows before the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...runtime.ledger.worker_thread import WorkerThread
from ...runtime.loop.clock import Clock
from .rows import Row

AHEAD = 1_000
"""Rows that are in the job and not under way, from which on no more are read."""
PORTION = 250
"""Rows that are read at once."""
PATIENCE = 0.05
"""Real seconds after which a portion is handed on, however small it is."""


class InputReader:
    """Reads portions of `rows`, for one worker after the other: none is lost between them."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._thread: WorkerThread | None = None
        self._portion: list[Row] = []
        self._error: Exception | None = None
        self.before: int | None = None
        """How many rows the job had when reading began; None: it has not."""
        self.count = 0
        """Rows taken so far."""
        self.ended = False
        """Whether all rows were taken."""

    async def read(self, clock: Clock) -> list[Row]:
        """The next rows; none at the end. They come again until they are `taken`. Raises what the
        input raises."""
        if self._thread is None:
            self._thread = WorkerThread("freerouter-rows")
        with clock.held():
            return await self._thread.run(self.fill)

    def fill(self) -> list[Row]:
        """The same, on this thread."""
        self._fill()
        if self._error is not None and not self._portion:
            raise self._error
        return self._portion

    def taken(self) -> None:
        """The rows of the last `read` are in the job."""
        self.count += len(self._portion)
        self._portion = []

    def _fill(self) -> None:
        until = time.monotonic() + PATIENCE
        portion = self._portion
        while len(portion) < PORTION and not (portion and time.monotonic() > until):
            if self.ended or self._error is not None:
                return
            try:
                row = next(self._rows, None)
            except Exception as error:
                self._error = error
                return
            if row is None:
                self.ended = True
                return
            portion.append(row)

    def rest(self) -> None:
        """End the thread, without waiting for the caller's code on it."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.end(wait=False)
