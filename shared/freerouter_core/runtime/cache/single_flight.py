"""`SingleFlight`: equal requests that are under way at once are sent once.

What travels. The first caller of a key starts a `Flight`: a task of its own, whose deltas are kept
until it ends. All callers, the first included, follow it. Who joins late gets what was shown so far
at once. Each follower reads at its own pace, so a slow one slows down nobody else.

What is written. A result that is to be kept can be read here while it is being written.

What is cancelled, and how. A follower that leaves, the first included, ends nothing while others
follow. When the last one has left, the task is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from ...wire.delta import Delta
from ..loop.clock import Clock
from ..loop.job import AsyncCall
from ..stream_output import Show, SlowReader

T = TypeVar("T")


@dataclass(slots=True)  # frozen ones take longer to make
class Terms:
    """What a flight depends on besides its key, of him who started it.

    Attributes:
        streamed: whether there are deltas to see.
        shown: what decides how it is shown. Only who has the same may see its deltas.
        asks: what decides how it may fail, besides the time.
        until: when it fails for want of time, by the clock. None: never.
    """

    streamed: bool
    shown: tuple[object, ...]
    asks: tuple[object, ...]
    until: float | None = None

    def fails_as(self, other: Terms) -> bool:
        """Whether asking again on these terms would fail as it did on the others."""
        if other.until is not None and (self.until is None or self.until > other.until + SLACK):
            return False
        return self.asks == other.asks


SLACK = 1.0
"""Seconds of further time in which nothing is expected to change."""


class Flight(Generic[T]):
    """One request that several callers follow."""

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self.terms = terms
        self.task: asyncio.Task[T]
        self.value: bytes | None = None
        """What is being kept of its result. None: nothing."""
        self.kept: asyncio.Task[Any] | None = None
        """What keeps that for later requests, and may take a moment longer."""
        self.joined = False
        """Whether others than the one who started it follow, or have followed last."""
        self.abandoned = False
        """Whether all have left before its end. Who comes now needs another."""
        self._clock = clock
        self._deltas: list[Delta] = []
        self._followers = 0
        self._waiting: list[asyncio.Future[None]] = []
        """Of those who want the next delta."""
        self._patient: list[asyncio.Future[None]] = []
        """Of those who want the end alone."""

    def show(self, delta: Delta) -> None:
        """Show a delta to all who follow, now or later."""
        self._deltas.append(delta)
        self._wake()

    async def follow(self, show: Show | None, until: float | None = None) -> T:
        """The result, when it is there. Its deltas are shown meanwhile, unless `show` is None.

        Raises what the request raised, and `TimeoutError` if nothing was shown and no result came
        by `until`, in the clock's seconds.
        """
        self._followers += 1
        self.joined = self._followers > 1
        shown = 0
        reader = cast("SlowReader", show) if hasattr(show, "drain") else None
        try:
            while True:
                while show is not None and shown < len(self._deltas):
                    show(self._deltas[shown])
                    shown += 1
                    if reader is not None and reader.is_full:
                        with self._clock.held():  # the caller takes real time
                            await reader.drain()
                if self.task.done():
                    return self.task.result()
                news = self._news(to_show=show is not None)
                if until is None or shown:
                    await news
                    continue
                async with asyncio.timeout(max(0.0, until - self._clock.now())):
                    await news
        finally:
            self._followers -= 1
            if not self._followers and not self.task.done():
                self.abandoned = True
                self.task.cancel()

    async def _news(self, *, to_show: bool) -> None:
        """Wait until there is something to show, or the end."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting if to_show else self._patient).append(future)
        await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        _wake(waiting)

    async def fly(self, work: Callable[[Flight[T]], AsyncCall[T]]) -> T:
        """The body of the task."""
        result = await work(self)
        self.wake_all()  # a step of the loop earlier than a callback of the task would
        return result

    def wake_all(self) -> None:
        """The task has ended: all who wait learn of it."""
        self._wake()
        _wake(self._patient)


class SingleFlight(Generic[T]):
    """The flights under way, by key. On the runtime's loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._flights: dict[str, Flight[T]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    def under_way(self, key: str) -> Flight[T] | None:
        """The flight of a key, if there is one that may be joined."""
        flight = self._flights.get(key)
        return None if flight is None or flight.abandoned or flight.task.done() else flight

    def being_kept(self, key: str) -> bytes | None:
        """What is being kept of a flight that has ended. On any thread."""
        flight = self._flights.get(key)
        return None if flight is None else flight.value

    def start(self, key: str, terms: Terms, work: Callable[[Flight[T]], AsyncCall[T]]) -> Flight[T]:
        """Start a flight: `work` gets it, shows its deltas through it and returns the result."""
        flight: Flight[T] = Flight(terms, self._clock)
        self._flights[key] = flight
        flight.task = asyncio.get_running_loop().create_task(flight.fly(work))
        flight.task.add_done_callback(lambda _: self._ended(key, flight))
        return flight

    def _ended(self, key: str, flight: Flight[T]) -> None:
        """A flight is forgotten when its result can be had otherwise."""
        if not flight.task.cancelled():
            flight.task.exception()  # it counts as seen, also if nobody follows any more
        flight.wake_all()
        if flight.kept is not None and not flight.kept.done():
            flight.kept.add_done_callback(lambda _: self._remove(key, flight))
        else:
            self._remove(key, flight)

    def _remove(self, key: str, flight: Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def forget(self) -> None:
        """After a fork or a close: forget what was under way."""
        self._flights.clear()


def _wake(waiting: Iterable[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
