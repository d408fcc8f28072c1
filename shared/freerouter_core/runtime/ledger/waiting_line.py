"""`WaitingLines`: the requests that wait for a limit, in order of their places."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...routing.lanes import Place
from ...routing.turn import newest_first
from ..loop.clock import Clock


class _Waiter:
    """One request in line. `until`: when it expects room; `leaves`: until when it is sure to wait.
    Both are unix seconds."""

    __slots__ = ("leaves", "place", "turn", "until")

    def __init__(
        self, place: Place, until: float, leaves: float, turn: asyncio.Future[None]
    ) -> None:
        self.place, self.until, self.leaves, self.turn = place, until, leaves, turn


class Standing(NamedTuple):
    """How a request stands in a line.

    `until`: when the last of those before it expects room. `turn`: when its own turn comes; None:
    nobody can tell. Both are unix seconds. `before`: how many go before it.
    """

    until: float
    turn: float | None
    before: int


TurnAt = Callable[[list[float]], float | None]
"""When a turn comes, by how long each of those ahead is sure to wait."""


class WaitingLines:
    """One line for each scope, ordered by the places of its requests.

    Only the head of a line has a timer. When the head was served, or has left, the next is woken.
    In an overloaded line the newest go first (`routing.turn`), until it is empty.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[str, deque[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._first: dict[str, set[int]] = {}
        """The numbers of those that go before all who came earlier, in each overloaded line."""

    def length(self, scope: str, *, interactive: bool = False) -> int:
        """How many requests wait for `scope`; those of the `interactive` lane only, if asked."""
        line = self._lines.get(scope, ())
        if not interactive:
            return len(line)
        return next((n for n, one in enumerate(line) if one.place.background), len(line))

    def busy_until(self, scope: str, place: Place) -> float | None:
        """When the last of those before `place` expects room. None if nobody waits there.

        Who stands behind may wait for longer: a row of a job waits for its day.
        """
        line = self._lines.get(scope)
        own = self._own(scope, place)
        if not line or not line[0].place < own:
            return None
        return next(one.until for one in reversed(line) if one.place < own)

    def ahead(self, scope: str, place: Place) -> list[float]:
        """Until when each of those is sure to wait who goes before `place`, in order."""
        line, own = self._lines.get(scope, ()), self._own(scope, place)
        return [waiter.leaves for waiter in line if waiter.place < own]

    def standing(
        self, scope: str, place: Place, turn_at: TurnAt, waits_until: float | None
    ) -> Standing | None:
        """How a request stands behind those who go before it; None: nobody does.

        `waits_until`: until when it will stand in this line (unix seconds), if it can be served
        nowhere else. Then it may go first; see `routing.turn`.
        """
        if (until := self.busy_until(scope, place)) is None:
            return None
        before = self.ahead(scope, place)
        turn = turn_at(before)
        if waits_until is not None and not (place.background or self._goes_first(scope, place)):
            overloaded = scope in self._first
            if newest_first(turn, waits_until, before, overloaded=overloaded):
                self._first.setdefault(scope, set()).add(place.number)
                self._tell_last(scope, turn_at)
                return self.standing(scope, place, turn_at, waits_until)
        return Standing(until, turn, len(before))

    async def wait(self, place: Place, scope: str, until: float, leaves: float = math.inf) -> None:
        """Stand in line for `scope`, and return when it is this request's turn to try.

        That is at `until` (unix seconds) or when room was freed, but never before those ahead.
        `leaves`: until when it is sure to wait; in the past, if it may be served elsewhere.
        """
        loop = asyncio.get_running_loop()
        place = self._own(scope, place)
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
                if scope in self._first:
                    loop.call_soon(self._calm, scope)

    def wake(self, scopes: Iterable[str]) -> None:
        """Room was freed: let the head of each line try."""
        for scope in scopes:
            self._wake_head(scope)

    def clear(self) -> None:
        """Forget everybody who waits, after a fork or a close."""
        self._lines.clear()
        self._timers.clear()
        self._first.clear()

    def _tell_last(self, scope: str, turn_at: TurnAt) -> None:
        """Wake the last interactive request in line if its turn now comes too late, so that it is
        told at once."""
        line = [waiter for waiter in self._lines.get(scope, ()) if not waiter.place.background]
        if line and not line[-1].turn.done():
            turn = turn_at([math.inf, *(waiter.leaves for waiter in line[:-1])])
            if turn is not None and turn >= line[-1].leaves > -math.inf:
                line[-1].turn.set_result(None)

    def _goes_first(self, scope: str, place: Place) -> bool:
        return place.number in self._first.get(scope, ())

    def _own(self, scope: str, place: Place) -> Place:
        """Where a request stands in the line of `scope`."""
        return place._replace(number=-place.number) if self._goes_first(scope, place) else place

    def _calm(self, scope: str) -> None:
        """The last has reserved by now: if nobody waits, the order is that of arrival again."""
        if scope not in self._lines:
            self._first.pop(scope, None)

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
