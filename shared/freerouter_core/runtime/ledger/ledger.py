"""`Ledger`: grants shares of limits, from a store that other processes may share, and keeps the one fair line of those who wait."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ...clock import Clock
from ...events import Event, QuotaLow, StoreLost
from ...routing.quota import Charge, Grant, Refusal, Windows, amount_of, changes, reserve, settle
from .store import Decide, MemoryStore, Store, StoreFailed

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds a store may take before memory answers instead."""
RECOVERY = 15.0
"""Seconds after which a store that failed is tried again."""
LOW, LONG = 0.8, 3_600.0
"""The share of a limit of that many seconds or more after which its owner is warned, once in each."""


class _Waiter:
    __slots__ = ("number", "until", "woken")

    def __init__(self, number: int, until: float, woken: asyncio.Future[None]) -> None:
        self.number, self.until, self.woken = number, until, woken


class Ledger:
    """Only the head of a scope's line has a timer. Whoever comes while others stand in line is refused, so that nobody
    overtakes; when the head has been served or has left, the next is woken.

    What a shared store grants is written down in memory too: should the store be lost, this process still knows what it spent.
    """

    def __init__(
        self, clock: Clock, store: Store | None = None, emit: Callable[[Event], None] | None = None
    ) -> None:
        self._clock = clock
        self._memory = MemoryStore()
        self.store: Store = store or self._memory
        self._emit = emit or (lambda event: None)
        self._well_again = 0.0
        self._lines: dict[str, deque[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._warned: dict[str, float] = {}
        self._numbers = _numbers()

    # -- shares -----------------------------------------------------------------------------------------------------

    async def reserve(
        self, number: int, charges: tuple[Charge, ...], tokens: int, keep: float
    ) -> Grant | Refusal:
        """`number`: the request's place in the order of arrival."""
        now = self._clock.now()
        for charge in charges:
            line = self._lines.get(charge.scope)
            if line and line[0].number < number:
                return Refusal(max(line[-1].until, now + 0.001), charge.scope)
        ident = next(self._numbers)

        low: list[QuotaLow] = []

        def decide(windows: Windows) -> tuple[Grant | Refusal, bool]:
            got = reserve(windows, charges, ident, now, tokens, keep)
            low[:] = _low(windows, charges) if isinstance(got, Grant) else ()
            return got, isinstance(got, Grant)

        shared = self._shared
        got = await self._change(charges, decide) if shared else decide(self._memory.window)[0]
        for event in low:
            self._warn(event, now)
        if isinstance(got, Grant) and shared and self._shared:
            for charge in charges:
                window = self._memory.window(charge)
                window.expire(charge.limit, now)
                window.take(charge.limit, ident, amount_of(charge, tokens), now)
        return got

    def settle(
        self, grant: Grant, *, sent: bool, tokens: int | None = None, cost: float | None = None
    ) -> None:
        settle(self._memory.window, grant, sent=sent, tokens=tokens, cost=cost)
        changed = changes(grant, sent=sent, tokens=tokens, cost=cost)
        wake = {charge.scope for charge in changed if not sent or charge.limit.concurrent is not None}
        if changed and self._shared:

            def decide(windows: Windows) -> tuple[None, bool]:
                for charge, amount in changed.items():
                    windows(charge).change(charge, grant, amount)
                return None, True

            async def tell() -> None:
                await self._change(tuple(changed), decide)
                self._wake(wake)

            self.later(tell())
        else:
            self._wake(wake)

    async def used(self, charge: Charge) -> float:
        """How much of a limit is taken now."""
        now = self._clock.now()

        def look(windows: Windows) -> tuple[float, bool]:
            window = windows(charge)
            window.expire(charge.limit, now)
            return window.used, False

        return await self._change((charge,), look)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside the requests; `drain` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for what is still to be told to the store, and end its connections."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=PATIENCE)
        await self.store.close()

    # -- a store that may fail --------------------------------------------------------------------------------------

    @property
    def _shared(self) -> bool:
        return self.store.shared and self._clock.now() >= self._well_again

    async def _change(self, charges: tuple[Charge, ...], decide: Decide[T]) -> T:
        if self._shared:
            done, got = await self.tried(self.store.change(charges, decide, self._clock.now()))
            if done:
                return got  # type: ignore[return-value]
        return decide(self._memory.window)[0]

    async def tried(self, asked: Coroutine[Any, Any, T]) -> tuple[bool, T | None]:
        """(whether the store did it, what came of it). A store that does not is left alone for a while."""
        try:
            async with asyncio.timeout(PATIENCE):
                return True, await asked
        except (StoreFailed, TimeoutError) as error:
            lost = self._well_again == 0.0 or self._clock.now() >= self._well_again
            self._well_again = self._clock.now() + RECOVERY
            if lost:
                self._emit(StoreLost(str(error) or "it took too long", RECOVERY))
            return False, None

    def _warn(self, event: QuotaLow, now: float) -> None:
        """Once in each period."""
        key = f"{event.scope}|{event.limit}|{event.per:g}"
        if now >= self._warned.get(key, 0.0):
            self._warned[key] = now + event.per
            self._emit(event)

    # -- the line ---------------------------------------------------------------------------------------------------

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

    def forget(self) -> None:
        """After a fork or a close: those who waited are not here any more. What was spent stays spent."""
        self._lines.clear()
        self._timers.clear()
        self._tasks.clear()
        self._memory.forget()
        self.store.forget()
        self._numbers = _numbers()

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

    def _wake(self, scopes: set[str]) -> None:
        for scope in scopes:
            self._wake_head(scope)

    def _wake_head(self, scope: str) -> None:
        line = self._lines.get(scope)
        if line and not line[0].woken.done():
            line[0].woken.set_result(None)


def _low(windows: Windows, charges: tuple[Charge, ...]) -> list[QuotaLow]:
    """The long limits of which little is left."""
    found = []
    for charge in charges:
        limit, used = charge.limit, windows(charge).used
        size = limit.requests if limit.requests is not None else limit.tokens
        if size is not None and charge.amount is None and limit.per >= LONG and used >= LOW * size:
            found.append(QuotaLow(charge.scope, used, size, limit.per))
    return found


def _numbers() -> itertools.count[int]:
    """Numbers that no other process counts in: a random beginning, then one after the other."""
    return itertools.count(int.from_bytes(os.urandom(5)) << 20)
