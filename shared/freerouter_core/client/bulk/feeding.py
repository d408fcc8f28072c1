"""`InputFeed`: reads a job's input into its store, as far as the work needs it.

Rows that the job has already are compared with it first, and at once: until then nothing of it is
shown, for what it holds may be no answers to this input. New rows follow as the work needs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ...runtime.loop.clock import Clock
from .job_store import Changed, Counts, JobStore
from .reading import AHEAD, InputReader

Put = Callable[[Callable[[], Counts]], Awaitable[Counts]]
"""Calls the store, and tells the work what came of it."""


class InputFeed:
    """The input of one worker. Used on the runtime's loop."""

    def __init__(self, reader: InputReader, store: JobStore, changed: Changed) -> None:
        self._reader, self._store, self._changed = reader, store, changed
        self._read_on = asyncio.Event()
        self._stopped = False
        self.compared = False
        """Whether all rows that the job had are the input's. After a merge, those that are left."""
        self.ended = False
        """Whether the whole input is in the job."""

    @property
    def merges(self) -> bool:
        """Whether rows may still be merged away: those must be neither asked nor shown."""
        return self._changed == "merge" and not self.compared

    @property
    def compares(self) -> int | None:
        """Rows that were read, while they are compared with those of the job. None: that is over,
        or has not begun."""
        return None if self.compared or self._reader.before is None else self._reader.count

    async def run(self, put: Put, open_rows: Callable[[], int], clock: Clock) -> None:
        """Read until the input ends or this is stopped. `open_rows`: how many nobody asks yet.
        Raises what the input raises, and `BadSetting` if it is refused."""
        reader, counts = self._reader, await put(self._store.counts)
        if reader.before is None:
            reader.before = counts.rows
        # Of a whole job, even one row more is refused.
        whole = counts.complete or self._changed == "merge"
        while not reader.ended:
            self.compared = not whole and reader.count >= reader.before
            while self.compared and open_rows() >= AHEAD and not self._stopped:
                self._read_on.clear()
                await self._read_on.wait()
            if self.compared and self._stopped:
                return
            rows = await reader.read(clock)
            if rows:
                await put(partial(self._store.add, rows, self._changed, reader.before))
                reader.taken()
        await put(partial(self._store.close_input, reader.count, self._changed))
        self.compared = self.ended = True

    def go_on(self) -> None:
        """Few rows are left that nobody asks yet."""
        self._read_on.set()

    def stop(self) -> None:
        """Read no row that the job does not have."""
        self._stopped = True
        self._read_on.set()

    def rest(self) -> None:
        """Let go of the input's thread."""
        self._reader.rest()
