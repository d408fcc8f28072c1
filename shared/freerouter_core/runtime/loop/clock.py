"""Time, as everything above sees it: unix seconds that never run backwards.

A clock also makes the event loop of its runtime. The real clock makes an ordinary loop. The virtual
clock makes a loop whose timers fire at once and in order, so an hour passes in milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Protocol
from weakref import WeakSet

from .os_threads import NativeLoop, new_selector
from .watchdog import SelectorWrapper

CALLABLE_GRACE = 0.03
"""Real seconds that virtual time waits for user callables, each time before it moves."""


class Clock(Protocol):
    """What a runtime needs of time."""

    def now(self) -> float:
        """Unix seconds, monotonic within a process."""

    def wall(self) -> float:
        """Unix seconds as the machine tells them now: what its processes agree on."""

    def new_event_loop(self, busy: Callable[[], bool]) -> NativeLoop:
        """A loop whose timers follow this clock. `busy` tells whether a request is under way."""

    def held(self) -> AbstractContextManager[None]:
        """For the time in which a user callable runs on its own thread, which takes real time."""

    def stopped(self) -> AbstractContextManager[None]:
        """For the time in which nothing may become late: our own code waits for a disk or a
        server on a thread, an observer is told, or many callers hand over their requests."""


def _best_source() -> Callable[[], float]:
    """The clock that only moves forward, and that goes on while the machine sleeps."""
    # Linux: CLOCK_MONOTONIC stands still meanwhile. macOS: it goes on, `time.monotonic` does not.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        number = getattr(time, name, None)
        if number is not None:
            with suppress(OSError):
                time.clock_gettime(number)
                return partial(time.clock_gettime, number)
    return time.monotonic


MAX_LEAD = 2.0
"""Seconds by which the machine's clock may lead before this one follows it."""
MAX_IDLE_WAIT = 10.0
"""Seconds that a loop waits at most for a timer: while a machine sleeps, no wait ends."""


class RealClock:
    """The machine's clock at the start, advanced by one that only moves forward.

    Time asleep counts. If the machine's clock is set back, this one goes on, so no wait gets
    longer. If it is set forward, this one follows as soon as no request is under way; `source`
    then still measures the timeouts.
    """

    def __init__(self, source: Callable[[], float] | None = None) -> None:
        self._source = source or _best_source()
        self._epoch = self.wall() - self._source()
        self._is_busy: Callable[[], bool] = lambda: False

    def now(self) -> float:
        now = self._epoch + self._source()
        lead = self.wall() - now
        if lead > MAX_LEAD and not self._is_busy():
            self._epoch += lead
            now += lead
        return now

    def wall(self) -> float:
        return time.time()

    def new_event_loop(self, busy: Callable[[], bool]) -> NativeLoop:
        self._is_busy = busy
        return _RealLoop(self._source)

    def held(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stopped(self) -> AbstractContextManager[None]:
        return nullcontext()


class _RealLoop(NativeLoop):
    """Its timers count the time asleep, too."""

    def __init__(self, source: Callable[[], float]) -> None:
        # The source itself, and no method that calls it: asyncio asks it in every round.
        self.time = source  # type: ignore[method-assign]
        super().__init__(longest_wait=MAX_IDLE_WAIT)


class VirtualClock:
    """Starts at `start` (unix seconds). Moves only while a runtime has nothing to do but wait."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self.elapsed = 0.0
        """Seconds since the start. Apart from it, because a sum would lose the microseconds."""
        self.holders = 0
        self.stoppers = 0
        self._lock = threading.Lock()
        self._loops: WeakSet[_VirtualLoop] = WeakSet()

    def now(self) -> float:
        return self._start + self.elapsed

    def wall(self) -> float:
        return self.now()

    def advance(self, seconds: float) -> None:
        """Let time pass between calls: a test ends a bench or a window with it."""
        self.elapsed += seconds

    def new_event_loop(self, busy: Callable[[], bool]) -> NativeLoop:
        loop = _VirtualLoop(self, busy)
        self._loops.add(loop)
        return loop

    @contextmanager
    def held(self) -> Iterator[None]:
        """Slow time down for a user callable, or it would be out of time before it began."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """No time passes. From any thread: loops that wait for the end of this are woken. The loop
        on whose thread it ends does not wait."""
        with self._lock:
            self.stoppers += 1
        try:
            yield
        finally:
            with self._lock:
                self.stoppers -= 1
            own = _own_loop()
            for loop in [loop for loop in self._loops if loop is not own]:
                with suppress(RuntimeError):  # it is closed
                    loop.call_soon_threadsafe(_nothing)


def _own_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _nothing() -> None:
    """What a loop is woken with."""


class _VirtualSelector(SelectorWrapper):
    """Turns the loop's wait for its next timer into a step of the virtual clock.

    Only while a request is under way. An idle loop blocks, or its background timers would race.
    """

    def __init__(self, clock: VirtualClock, busy: Callable[[], bool]) -> None:
        super().__init__(new_selector())
        self._clock = clock
        self._busy = busy

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        if timeout is None or self._clock.stoppers or not self._busy():
            return self._real.select(None)
        ready = self._real.select(CALLABLE_GRACE if self._clock.holders else 0)
        if not ready:
            self._clock.advance(timeout)
        return ready


class _VirtualLoop(NativeLoop):
    def __init__(self, clock: VirtualClock, busy: Callable[[], bool]) -> None:
        self._clock = clock
        # Not watched: virtual time stands still while the loop is busy, so nobody waits.
        super().__init__(_VirtualSelector(clock, busy))

    def time(self) -> float:
        return self._clock.elapsed
