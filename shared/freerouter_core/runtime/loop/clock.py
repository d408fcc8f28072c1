"""Time, as everything above may see it: unix seconds that never run backwards.

A clock also makes the event loop that its runtime lives on. The real one makes an ordinary loop; the virtual one
makes a loop whose timers fire at once, in order, so that an hour of rate limits passes in milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from .os_threads import NativeLoop, new_selector

HOLD = 0.03
"""Real seconds that virtual time waits for news from other threads, each time it would move."""


class Clock(Protocol):
    """What a runtime needs of time."""

    def now(self) -> float:
        """Unix seconds, monotone within a process."""

    def new_event_loop(self, busy: Callable[[], bool]) -> asyncio.AbstractEventLoop:
        """A loop whose timers follow this clock; `busy` says whether any request is under way."""

    def held(self) -> AbstractContextManager[None]:
        """While something works on a thread of its own, which takes real time."""


class RealClock:
    """The wall clock at start, advanced by the monotonic clock: a clock step cannot undo a wait."""

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()

    def now(self) -> float:
        return self._epoch + time.monotonic()

    def new_event_loop(self, busy: Callable[[], bool]) -> asyncio.AbstractEventLoop:
        return NativeLoop()

    def held(self) -> AbstractContextManager[None]:
        return nullcontext()


class VirtualClock:
    """Starts at `start` (unix seconds) and moves only when a runtime has nothing to do but wait."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self.elapsed = 0.0
        """Seconds since the start. Kept apart: beside unix seconds a float has no room for microseconds."""
        self.holders = 0

    def now(self) -> float:
        return self._start + self.elapsed

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. Between calls this is how a test lets a bench or a window end."""
        self.elapsed += seconds

    def new_event_loop(self, busy: Callable[[], bool]) -> asyncio.AbstractEventLoop:
        return _VirtualLoop(self, busy)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Time waits a little for who works elsewhere, or a guard would be out of time before it began."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1


class _VirtualSelector:
    """Turns the loop's wait for its next timer into a step of the virtual clock.

    Only while a request is under way: an idle loop blocks for real, or its background timers would race ahead.
    """

    def __init__(self, clock: VirtualClock, busy: Callable[[], bool]) -> None:
        self._real = new_selector()
        self._clock = clock
        self._busy = busy

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        if timeout is None or not self._busy():
            return self._real.select(None)
        ready = self._real.select(HOLD if self._clock.holders else 0)
        if not ready:
            self._clock.advance(timeout)
        return ready

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _VirtualLoop(NativeLoop):
    def __init__(self, clock: VirtualClock, busy: Callable[[], bool]) -> None:
        self._clock = clock
        super().__init__(_VirtualSelector(clock, busy))

    def time(self) -> float:
        return self._clock.elapsed
