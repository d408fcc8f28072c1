"""`Work`: works on a job, on the runtime's loop, until it is done or stopped.

What travels. The store grants tasks and takes what was finished; both go in one step (`exchange`).
Each task is tried by a `RowRun` of its own. Rows that have ended are read from the store, so what
is shown was committed, whoever did it.

How much is under way. A few requests stand in line, and the ledger decides how many are sent: when
one is let go, the next joins the line. While all accounts are full, one is enough that waits for
the first room. Where no limit stops them, `ConcurrencyLimit` does.

What may wait. Stores run on one thread, the input on another. A job whose tasks all wait for a day
to begin sleeps until then.

What is shown. Nothing before the rows that the job had are known to be those of its input.

What is cancelled, and how. `stop` lets what is in flight finish, and gives back the rest. A
cancelled caller gives back everything. A killed process gives back nothing: others take its tasks
once its lease is over, or at once on the same machine.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ...errors import JobFailed
from ...guards.base import ChatClient
from ...routing.concurrency import ConcurrencyLimit
from ...runtime.ledger.worker_thread import WorkerThread
from ...runtime.loop.bridge import StreamBuffer
from ...wire.request import Validator
from ..context import Context
from .feeding import InputFeed
from .in_line import IN_LINE, enough_wait
from .job_store import RENEWAL, Claimed, Counts, Ended, Finished, JobStore, Wish, Worker
from .options import Measured, WorkOptions
from .reading import AHEAD, InputReader
from .row_run import FATAL, RowEnd, RowRun
from .streak import FailureStreak

T = TypeVar("T")
FETCH = 200
"""Ended rows that are read at once."""
READY = 64
"""Tasks at most that are leased before they can be asked."""
LINGER = 0.25
"""Seconds that an answer may wait for others, to be committed with them."""
GROUP = 32
"""Answers that wait for no others."""
POLL = 5.0
"""Seconds between looks at what other workers have done."""


class Work:
    """The work of one process on a job."""

    def __init__(
        self,
        context: Context,
        client: ChatClient,
        store: JobStore,
        reader: InputReader | None,
        options: WorkOptions,
        validate: Validator | None = None,
    ) -> None:
        self._context, self._client, self._store = context, client, store
        self._options, self._validate = options, validate
        self._clock = context.runtime.clock
        self._thread = WorkerThread("freerouter-job")
        self.feed = None if reader is None else InputFeed(reader, store, options.changed)
        self._worker = Worker.new()
        self._limit = ConcurrencyLimit()
        self._ready: deque[Claimed] = deque()
        self._runs: dict[RowRun, asyncio.Task[None]] = {}
        self._in_flight = 0
        self._finished: list[Finished] = []
        self._news = asyncio.Event()
        self._lingers: asyncio.TimerHandle | None = None
        """Tells the news when answers have waited long enough for others."""
        self._fatal: BaseException | None = None
        self._stopping = False
        self._streak = FailureStreak(options.stop_after)
        self._cursor = -1 if options.given else 0
        self.measured = Measured(self._clock.now())

    # -- the loop -------------------------------------------------------------------------------

    async def show(self, put: Callable[[Ended], None]) -> None:
        """Work until nothing is left. `put`, a `StreamBuffer`, gets the rows that have ended."""
        await self.run(put if isinstance(put, StreamBuffer) else None)

    async def run(self, show: StreamBuffer[Ended] | None) -> None:
        """Work until nothing is left. `show` gets the rows that have ended; None: nobody reads."""
        helpers = [asyncio.create_task(self._renew())]
        try:
            await self._call(self._free)
            if self.feed is not None:
                helpers.append(asyncio.create_task(self._read(self.feed)))
            while True:
                hides = show is not None and self.feed is not None and not self.feed.compared
                over = await self._turn(None if hides else show)
                if over and (not hides or self._fatal is not None):
                    break
                if over:  # it was stopped, but what is in the job is shown
                    await self._news.wait()
            if self._fatal is not None:
                raise self._fatal
        finally:
            tasks = [*helpers, *self._runs.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(JobFailed):
                await self._call(self._leave)
            self._thread.end()
            if self.feed is not None:
                self.feed.rest()

    def stop(self) -> None:
        """Ask nobody any more, let what is in flight finish, then end. On the runtime's loop."""
        self._stopping = True
        if self.feed is not None:
            self.feed.stop()
        self._tell()

    def waits_for(self, now: float) -> tuple[str, float | None]:
        """What the job waits for, and how many seconds; None: it does not wait."""
        if self._streak.paused_until > now:
            return self._streak.told(), self._streak.paused_until - now
        if self._in_flight or not self._runs:
            return "", None
        first = min(self._runs, key=lambda run: run.waits_until)
        what = f"room: {first.waits_for}" if first.waits_for else "room under the limits"
        return what, max(0.0, first.waits_until - now)

    async def _turn(self, show: StreamBuffer[Ended] | None) -> bool:
        """Hand in, take, start. Whether the work is over."""
        self._news.clear()
        if self._lingers is not None:
            self._lingers.cancel()
            self._lingers = None
        self._check_time()
        if self._stopping or self._fatal is not None:
            self._cancel_waiting()
        finished, self._finished = self._finished, []
        reads = show is not None and not show.is_full
        wish = Wish(
            tasks=self._wanted(),
            after=self._cursor if reads else None,
            rows=FETCH,
            given=self._options.given,
            part=self._options.part,
            fresh=self._streak.is_long,
        )
        now = self._clock.wall()
        granted = await self._call(lambda: self._store.exchange(self._worker, finished, wish, now))
        self._ready.extend(granted.claimed)
        self.measured.counts = granted.counts
        self._start()
        if show is not None:
            for ended in granted.ended:
                self._cursor = ended.number if self._options.given else ended.turn
                show(ended)
        if self.feed is not None and self._open_rows < AHEAD:
            self.feed.go_on()
        more = len(granted.ended) == FETCH or (show is not None and not (reads or show.is_full))
        if self._is_over(left=granted.left) and (show is None or (reads and not more)):
            return True
        busy = bool(self._runs or self._ready)
        if granted.left and not busy:  # others have the rest: if they live
            await self._call(self._free)
        if not more:
            await self._wait_for_news(show, granted.due, busy=busy)
        return False

    def _is_over(self, *, left: bool) -> bool:
        """Whether nothing is left to do here."""
        if self._runs or self._finished:
            return False
        if self._stopping or self._fatal is not None:
            return True
        return not left and not self._ready and (self.feed is None or self.feed.ended)

    async def _wait_for_news(
        self, show: StreamBuffer[Ended] | None, due: float | None, *, busy: bool
    ) -> None:
        """Wait for news. It is news as well if a reader who was far behind has caught up."""
        if show is None or not show.is_full:
            await self._wait(due, busy=busy)
            return
        catching_up = asyncio.create_task(show.drain())
        catching_up.add_done_callback(lambda _: self._news.set())
        try:
            with contextlib.nullcontext() if busy else self._clock.stopped():
                await self._wait(due, busy=True)
        finally:
            catching_up.cancel()

    async def _wait(self, due: float | None, *, busy: bool) -> None:
        """Wait for news, but not past the moment when something can be done."""
        now, wall = self._clock.now(), self._clock.wall()
        moments = [] if busy else [now + POLL]
        if due is not None and self._wanted():
            moments.append(now + max(0.0, due - wall))
        if self._streak.paused_until > now:
            moments.append(self._streak.paused_until)
        if self._options.until is not None and not self._stopping:
            moments.append(now + max(0.0, self._options.until - wall))
        if not moments:
            await self._news.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(moments) - now)):
                await self._news.wait()

    def _tell(self) -> None:
        """There is something to hand in or to take. Answers may wait for others."""
        alone = not self._finished or not self._runs or self._stopping
        if alone or len(self._finished) >= GROUP:
            self._news.set()
        elif self._lingers is None:
            loop = asyncio.get_running_loop()
            self._lingers = loop.call_later(LINGER, self._news.set)

    # -- how much is under way ------------------------------------------------------------------

    @property
    def _open_rows(self) -> int:
        """Rows that nobody asks yet, as far as this worker knows."""
        return self.measured.counts.left - len(self._runs) - len(self._ready)

    @property
    def _most(self) -> int:
        """Requests that may be in flight."""
        return self._options.concurrency or self._limit.size

    @property
    def _room(self) -> int:
        """Tasks that may be under way. After failures in a row it is one."""
        if self._streak.is_long:
            return 1
        if self._options.concurrency is not None:
            return self._options.concurrency
        return self._limit.size + IN_LINE

    @property
    def _may_start(self) -> bool:
        ended = self._stopping or self._fatal is not None
        merges = self.feed is not None and self.feed.merges
        return not (ended or merges) and self._clock.now() >= self._streak.paused_until

    def _wanted(self) -> int:
        """How many tasks to lease besides those that are ready."""
        most = min(READY, self._most)
        if not self._may_start or len(self._ready) > most // 2:
            return 0
        return most - len(self._ready)

    def _start(self) -> None:
        """Start what is ready, as much as is useful."""
        while self._ready and self._may_start:
            waits = [run.waits_until for run in self._runs if not run.in_flight]
            if len(self._runs) >= self._room or enough_wait(self._context, waits):
                break
            run = RowRun(
                self._streak.take(self._ready),
                self._context,
                self._client,
                validate=self._validate,
                attempts=self._options.attempts,
                on_sent=self._sent,
                on_wait=self._start,
            )
            self._runs[run] = asyncio.create_task(self._try(run))
        self._measure()

    def _sent(self, run: RowRun) -> None:
        self._in_flight += 1
        self._start()
        if len(self._ready) <= min(READY, self._most) // 2:
            self._tell()

    # -- one task -------------------------------------------------------------------------------

    async def _try(self, run: RowRun) -> None:
        """Try a task until something comes of it."""
        try:
            end = await self._try_once(run)
            while end.finished is None and self._fatal is None and not self._stopping:
                now = self._clock.now()
                run.waits_until = max(now + end.wait, self._streak.paused_until)
                await asyncio.sleep(run.waits_until - now)
                end = await self._try_once(run)
            if end.finished is not None:
                self._finished.append(end.finished)
        except Exception as error:  # a bug: it must not look as if the job went on
            self._fatal = self._fatal or error
        finally:
            self._gone(run)

    def _gone(self, run: RowRun, _: object = None) -> None:
        if self._runs.pop(run, None) is not None:
            self._tell()

    async def _try_once(self, run: RowRun) -> RowEnd:
        try:
            end = await run.run()
        finally:
            if run.in_flight:
                self._in_flight -= 1
                run.sent_at = None
        self._learn(end)
        self._start()
        return end

    def _learn(self, end: RowEnd) -> None:
        """Learn from the end of a try."""
        now, measured = self._clock.now(), self.measured
        measured.requests += end.requests
        if end.finished is not None and end.finished.state != "open":
            measured.flow.ended(now)
            measured.failed += not end.answered
        if end.answered:
            self._streak.answered()
            measured.answered += 1
            measured.seconds += end.seconds
            measured.tokens += end.tokens
            self._limit.answered(end.seconds, now)
            return
        if isinstance(end.error, FATAL):
            self._fatal = self._fatal or end.error
            return
        if end.finished is None and end.reached:
            return  # it was limits: nothing failed
        if end.blamed or (end.finished is not None and not end.requests):
            return  # the row is to blame, and no server
        self._limit.failed(now)
        self._fatal = self._fatal or self._streak.failed(end.error, now)

    def _cancel_waiting(self) -> None:
        for run, task in self._runs.items():
            if not run.in_flight:
                task.cancel()
                # A task that never began has no end of its own.
                task.add_done_callback(partial(self._gone, run))

    def _check_time(self) -> None:
        until = self._options.until
        if until is not None and self._clock.wall() >= until and not self._stopping:
            self.measured.until = until
            self.stop()

    def _measure(self) -> None:
        measured = self.measured
        measured.in_flight, measured.waiting = self._in_flight, len(self._runs) - self._in_flight
        measured.largest = self._most
        held = any(run.is_held for run in self._runs) if self._runs else None
        measured.flow.look(self._clock.now(), held=held)

    # -- beside the loop ------------------------------------------------------------------------

    async def _read(self, feed: InputFeed) -> None:
        """Read the input, as far as the work needs it."""
        try:
            await feed.run(self._put, lambda: self._open_rows, self._clock)
        except Exception as error:  # of the input: it ends the job, and is the caller's
            self._fatal = self._fatal or error
        self._tell()

    async def _put(self, call: Callable[[], Counts]) -> Counts:
        self.measured.counts = counts = await self._call(call)
        self._tell()
        return counts

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL)
            with contextlib.suppress(JobFailed):
                await self._call(self._free)

    def _free(self) -> None:
        """Tell that this worker lives, and free what dead ones hold."""
        self._store.renew(self._worker, self._clock.wall())

    def _leave(self) -> None:
        finished, self._finished = self._finished, []
        if finished:
            self._store.exchange(self._worker, finished, Wish(), self._clock.wall())
        self._store.release(self._worker)
        self._store.close()

    async def _call(self, call: Callable[[], T]) -> T:
        """Call the store on its thread."""
        with self._clock.stopped():
            return await self._thread.run(call)
