"""`WaitingLines`: the requests that wait for a limit, in order of their places."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable

from ...routing.lanes import Place
from ..loop.clock import Clock


class _Waiter:
    """One request in line. `until`: when it expects room; `leaves`: until when it is sure to wait.
    Both are unix seconds."""

    __slots__ = ("leaves", "place", "turn", "until")

    def __init__(
        self, place: Place, until: float, leaves: float, turn: asyncio.Future[None]
    ) -> None:
        self.place, self.until, self.leaves, self.turn = place, until, leaves, turn


class WaitingLines:
    """One line for each scope, ordered by the places of its requests.

    Only the head of a line has a timer. When the head was served, or has left, the next is woken.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[str, deque[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def length(self, scope: str, *, interactive: bool = False) -> int:
        """How many requests wait for `scope`; those of the `interactive` lane only, if asked."""
        line = self._lines.get(scope, ())
        if not interactive:
            return len(line)
        return next((n for n, one in enumerate(line) if one.place.background), len(line))

    def busy_until(self, scope: str, place: Place) -> float | None:
        """When the last in line expects room. None if nobody waits who goes before `place`."""
        line = self._lines.get(scope)
        return line[-1].until if line and line[0].place < place else None

    def ahead(self, scope: str, place: Place) -> list[float]:
        """Until when each of those is sure to wait who goes before `place`, in order."""
        line = self._lines.get(scope, ())
        return [waiter.leaves for waiter in line if waiter.place < place]

    async def wait(self, place: Place, scope: str, until: float, leaves: float = math.inf) -> None:
        """Stand in line for `scope`, and return when it is this request's turn to try.

        That is at `until` (unix seconds) or when room was freed, but never before those ahead.
        `leaves`: until when it is sure to wait; in the past, if it may be served elsewhere.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(place, until, leaves, loop.create_future())
        line = self._lines.setdefault(scope, deque())
        at = next((n for n, other in enumerate(line) if other.place > place), len(line))
        line.insert(at, waiter)
        self._start_timer(scope)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            loop.call_soon(self._wake_head, scope)  # its turn goes to the next at once
            raise
        finally:
            line.remove(waiter)
            if line:
                # This request reserves first on this loop; then the next may try.
                loop.call_soon(self._start_timer, scope)
            else:
                self._lines.pop(scope, None)
                self._stop_timer(scope)

    def wake(self, scopes: Iterable[str]) -> None:
        """Room was freed: let the head of each line try."""
        for scope in scopes:
            self._wake_head(scope)

    def clear(self) -> None:
        """Forget everybody who waits, after a fork or a close."""
        self._lines.clear()
        self._timers.clear()

    def _start_timer(self, scope: str) -> None:
        self._stop_timer(scope)
        line = self._lines.get(scope)
        if line:
            delay = max(0.0, line[0].until - self._clock.now())
            loop = asyncio.get_running_loop()
            self._timers[scope] = loop.call_later(delay, self._wake_head, scope)

    def _stop_timer(self, scope: str) -> None:
        timer = self._timers.pop(scope, None)
        if timer is not None:
            timer.cancel()

    def _wake_head(self, scope: str) -> None:
        line = self._lines.get(scope)
        if line and not line[0].turn.done():
            line[0].turn.set_result(None)
