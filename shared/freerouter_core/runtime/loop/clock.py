"""Time, as everything above sees it: unix seconds that never run backwards.

A clock also makes the event loop of its runtime. The real clock makes an ordinary loop. The virtual
clock makes a loop whose timers fire at once and in order, so an hour passes in milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from .os_threads import NativeLoop, new_selector

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

CALLABLE_GRACE = 0.03
"""Real seconds that virtual time waits for user callables, each time before it moves."""


class Clock(Protocol):
    """What a runtime needs of time."""

    def now(self) -> float:
        """Unix seconds, monotonic within a process."""

    def new_event_loop(self, busy: Callable[[], bool]) -> asyncio.AbstractEventLoop:
        """A loop whose timers follow this clock. `busy` tells whether a request is under way."""

    def held(self) -> AbstractContextManager[None]:
        """For the time in which a user callable runs on its own thread, which takes real time."""


class RealClock:
    """The wall clock at its start, advanced by the monotonic clock.

    So a step of the system's clock can neither undo a wait nor prolong it.
    """

    def __init__(self) -> None:
        self._epoch = time.time() - time.monotonic()

    def now(self) -> float:
        return self._epoch + time.monotonic()

    def new_event_loop(self, busy: Callable[[], bool]) -> asyncio.AbstractEventLoop:
        return NativeLoop()

    def held(self) -> AbstractContextManager[None]:
        return nullcontext()


class VirtualClock:
    """Starts at `start` (unix seconds). Moves only while a runtime has nothing to do but wait."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self.elapsed = 0.0
        """Seconds since the start. Apart from it, because a sum would lose the microseconds."""
        self.holders = 0

    def now(self) -> float:
        return self._start + self.elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass between calls: a test ends a bench or a window with it."""
        self.elapsed += seconds

    def new_event_loop(self, busy: Callable[[], bool]) -> asyncio.AbstractEventLoop:
        return _VirtualLoop(self, busy)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Slow time down for a user callable, or it would be out of time before it began."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1


class _VirtualSelector(selectors.BaseSelector):
    """Turns the loop's wait for its next timer into a step of the virtual clock.

    Only while a request is under way. An idle loop blocks, or its background timers would race.
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
        ready = self._real.select(CALLABLE_GRACE if self._clock.holders else 0)
        if not ready:
            self._clock.advance(timeout)
        return ready

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class _VirtualLoop(NativeLoop):
    def __init__(self, clock: VirtualClock, busy: Callable[[], bool]) -> None:
        self._clock = clock
        super().__init__(_VirtualSelector(clock, busy))

    def time(self) -> float:
        return self._clock.elapsed
