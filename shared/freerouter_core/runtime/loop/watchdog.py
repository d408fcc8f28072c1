"""`Watchdog`: tells when the runtime's loop was blocked, and for how long.

All requests share one loop, so whatever runs there for long makes everybody wait. The time between
two waits of the loop's selector is the time in which nobody else got a turn. Measuring it costs two
readings of a clock a round, and no thread.
"""

from __future__ import annotations

import math
import selectors
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...events import log

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

BLOCKED = 0.25
"""Seconds of one round of the loop from which on a warning is logged."""
WARNING_INTERVAL = 60.0
"""Seconds between two warnings, at least."""


class Watchdog:
    """The longest round of one loop. `now` is the clock that it measures with, in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.longest = 0.0
        """Seconds of the longest round so far."""
        self._began: float | None = None
        self._warned_at: float | None = None

    def begin(self) -> None:
        """A round begins: the selector has returned."""
        self._began = self.now()

    def end(self) -> None:
        """The round is over: the loop waits again."""
        if self._began is None:
            return
        ended = self.now()
        seconds = ended - self._began
        if seconds > self.longest:
            self.longest = seconds
        if seconds >= BLOCKED:
            self._warn(seconds, ended)

    def reset(self, now: Callable[[], float] | None = None) -> None:
        """Forget the longest round, and measure with another clock from the next one on."""
        self.longest, self._began = 0.0, None
        self.now = now or self.now

    def _warn(self, seconds: float, now: float) -> None:
        if self._warned_at is not None and now - self._warned_at < WARNING_INTERVAL:
            return
        self._warned_at = now
        log.warning(
            "the event loop was blocked for %.2f s, and all requests waited: a logging handler,"
            " a thread that holds the interpreter, or a busy machine may be the cause",
            seconds,
            extra={"freerouter_event": "LoopBlocked", "freerouter_seconds": seconds},
        )


class SelectorWrapper(selectors.BaseSelector):
    """A selector that does what another does."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._real = selector

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._real.select(timeout)

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def close(self) -> None:
        self._real.close()


class WatchedSelector(SelectorWrapper):
    """A selector whose loop is watched. It waits for a timer at most `longest_wait` seconds."""

    def __init__(
        self, selector: selectors.BaseSelector, watchdog: Watchdog, longest_wait: float = math.inf
    ) -> None:
        super().__init__(selector)
        self._watchdog, self._longest_wait = watchdog, longest_wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._watchdog.end()
        ready = self._real.select(None if timeout is None else min(timeout, self._longest_wait))
        self._watchdog.begin()
        return ready
