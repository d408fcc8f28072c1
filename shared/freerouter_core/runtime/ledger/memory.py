"""The ledger of one process: the pure quota book, and the one fair line of those who wait for a scope."""

from __future__ import annotations

import asyncio
from collections import deque

from ...clock import Clock
from ...routing.quota import Charge, Grant, QuotaBook, Refusal


class _Waiter:
    __slots__ = ("number", "until", "woken")

    def __init__(self, number: int, until: float, woken: asyncio.Future[None]) -> None:
        self.number, self.until, self.woken = number, until, woken


class MemoryLedger:
    """Grants shares of limits, and wakes those who were refused in the order they came.

    Only the head of a scope's line has a timer. Whoever comes while others stand in line is refused, so that nobody
    overtakes; when the head has been served or has left, the next is woken.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._book = QuotaBook()
        self._lines: dict[str, deque[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def reserve(
        self, number: int, charges: tuple[Charge, ...], tokens: int, keep: float
    ) -> Grant | Refusal:
        """`number`: the request's place in the order of arrival."""
        now = self._clock.now()
        for charge in charges:
            line = self._lines.get(charge.scope)
            if line and line[0].number < number:
                return Refusal(max(line[-1].until, now + 0.001), charge.scope)
        return self._book.reserve(charges, now, tokens, keep)

    def settle(self, grant: Grant, *, sent: bool, tokens: int | None = None) -> None:
        self._book.settle(grant, sent=sent, tokens=tokens)
        if not sent or any(charge.limit.concurrent is not None for charge in grant.charges):
            for scope in {charge.scope for charge in grant.charges}:
                self._wake_head(scope)

    async def wait(self, number: int, scope: str, until: float) -> None:
        """Stand in line for `scope`; return when it is this request's turn to try, which is never before those ahead have."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(number, until, loop.create_future())
        line = self._lines.setdefault(scope, deque())
        place = next((n for n, other in enumerate(line) if other.number > number), len(line))
        line.insert(place, waiter)
        self._arm(scope)
        try:
            await waiter.woken
        except asyncio.CancelledError:
            loop.call_soon(self._wake_head, scope)  # its turn goes to the next at once
            raise
        finally:
            line.remove(waiter)
            if line:
                # The next may try once this one has: its own reserve comes first on this loop.
                loop.call_soon(self._arm, scope)
            else:
                self._lines.pop(scope, None)
                self._disarm(scope)

    def forget_waiters(self) -> None:
        """After a fork or a close: those who waited are not here any more. What was spent stays spent."""
        self._lines.clear()
        self._timers.clear()
        self._book.drop_leases()

    def used(self, charge: Charge) -> int:
        return self._book.used(charge, self._clock.now())

    def _arm(self, scope: str) -> None:
        self._disarm(scope)
        line = self._lines.get(scope)
        if line:
            delay = max(0.0, line[0].until - self._clock.now())
            self._timers[scope] = asyncio.get_running_loop().call_later(delay, self._wake_head, scope)

    def _disarm(self, scope: str) -> None:
        timer = self._timers.pop(scope, None)
        if timer is not None:
            timer.cancel()

    def _wake_head(self, scope: str) -> None:
        line = self._lines.get(scope)
        if line and not line[0].woken.done():
            line[0].woken.set_result(None)
