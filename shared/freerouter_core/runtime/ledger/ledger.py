"""`Ledger`: grants shares of limits, from a store that other processes may share, and keeps the one fair line of those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Set
from dataclasses import replace
from typing import Any, TypeVar

from ...catalogue.providers import Account
from ...events import Event, QuotaLow, StoreLost
from ...routing.limits import Charge, Grant, Refusal, Windows, changes, congestion, reserve, settle
from ...routing.usage_stats import HOUR, Tallies
from ..loop.clock import Clock
from .store import Decide, MemoryStore, Store, StoreFailed

T = TypeVar("T")
STORE_TIMEOUT = 2.0
"""Seconds a store may take before memory answers instead."""
STORE_RETRY_AFTER = 15.0
"""Seconds after which a store that failed is try_store again."""
LOW_SHARE, LONG_PERIOD = 0.8, 3_600.0
"""The share of a limit of that many seconds or more after which its owner is warned, once in each."""


class _Waiter:
    __slots__ = ("number", "until", "woken")

    def __init__(self, number: int, until: float, woken: asyncio.Future[None]) -> None:
        self.number, self.until, self.woken = number, until, woken


class Ledger:
    """Only the head of a scope's line has a timer. Whoever comes while others stand in line is refused, so that nobody
    overtakes; when the head has been served or has left, the next is woken.

    What a shared store is to grant, memory grants first: so nobody is asked what is known already, and should the store be lost,
    or come back empty, this process still knows what it spent.
    """

    def __init__(
        self, clock: Clock, store: Store | None = None, emit: Callable[[Event], None] | None = None
    ) -> None:
        self._clock = clock
        self._memory = MemoryStore()
        self.store: Store = store or self._memory
        self._emit = emit or (lambda event: None)
        self._retry_store_at = 0.0
        self._lines: dict[str, deque[_Waiter]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        """What is under way beside the requests."""
        self._unreported: deque[tuple[Grant, dict[Charge, float | None]]] = deque(maxlen=10_000)
        self._warned: dict[str, float] = {}
        self._ids = _ids()

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
        ident = next(self._ids)

        low: list[QuotaLow] = []

        def decide(windows: Windows) -> tuple[Grant | Refusal, bool]:
            got = reserve(windows, charges, ident, self._clock.now(), tokens, keep)
            low[:] = _running_low(windows, charges) if isinstance(got, Grant) else ()
            return got, isinstance(got, Grant)

        got, _ = decide(self._memory.window)
        if isinstance(got, Grant) and self._store_usable:
            got = await self._confirm(got, self.store.change(charges, decide, now))
        for event in low:
            self._warn_once(event, now)
        return got

    async def _confirm(
        self, own: Grant, asked: Coroutine[Any, Any, Grant | Refusal]
    ) -> Grant | Refusal:
        """What the store says to what memory has granted. Whoever stops waiting for it leaves nothing taken."""
        task = self.spawn(self.try_store(asked))
        try:
            done, got = await asyncio.shield(task)
        except asyncio.CancelledError:
            settle(self._memory.window, own, sent=False)
            task.add_done_callback(self._give_back)
            raise
        if isinstance(got, Refusal):
            settle(self._memory.window, own, sent=False)
            return got
        return replace(got, shared=True) if done and got is not None else own

    def _give_back(self, task: asyncio.Task[tuple[bool, Grant | Refusal | None]]) -> None:
        if not task.cancelled() and isinstance(grant := task.result()[1], Grant):
            self._report(grant, changes(grant, sent=False, tokens=None))

    def settle(
        self, grant: Grant, *, sent: bool, tokens: int | None = None, cost: float | None = None
    ) -> None:
        settle(self._memory.window, grant, sent=sent, tokens=tokens, cost=cost)
        changed = changes(grant, sent=sent, tokens=tokens, cost=cost)
        wake = {
            charge.scope for charge in changed if not sent or charge.limit.concurrent is not None
        }
        if changed and grant.shared:
            self._report(grant, changed, wake)
        else:
            self._wake(wake)

    def _report(
        self, grant: Grant, changed: dict[Charge, float | None], wake: Set[str] = frozenset()
    ) -> None:
        """Tell the store how a grant ended; while it is lost, that waits."""
        self._unreported.append((grant, changed))
        self.spawn(self._send_reports(wake))

    async def _send_reports(self, wake: Set[str] = frozenset()) -> None:
        while self._unreported and self._store_usable:
            grant, changed = ended = self._unreported.popleft()

            def decide(
                windows: Windows,
                grant: Grant = grant,
                changed: dict[Charge, float | None] = changed,
            ) -> tuple[None, bool]:
                for charge, amount in changed.items():
                    windows(charge).change(charge, grant, amount)
                return None, True

            done, _ = await self.try_store(
                self.store.change(tuple(changed), decide, self._clock.now())
            )
            if not done:
                self._unreported.appendleft(ended)
        self._wake(wake)

    def congestion(self, accounts: Iterable[Account]) -> dict[str, float]:
        """What a request to each provider costs others, in seconds; nothing is asked for it."""
        now, found = self._clock.now(), {}
        for account in accounts:
            charges = [
                Charge(account.scope, limit) for limit in account.limits if limit.scope == "account"
            ]
            waiting = len(self._lines.get(account.scope, ()))
            worth = 0.0
            for charge in charges:
                window = self._memory.window(charge)
                window.expire(charge.limit, now)
                worth = max(worth, congestion(charge.limit, window.used, waiting))
            found[account.provider] = worth
        return found

    def queue_lengths(self, accounts: Iterable[Account]) -> dict[str, int]:
        """How many stand in line for each account, by provider."""
        return {account.provider: len(self._lines.get(account.scope, ())) for account in accounts}

    async def free_at(self, charges: Iterable[Charge]) -> dict[str, float]:
        """When a request more would be within those limits that leave no room for it now, by their keys. One look for all; what is leased is
        not looked at: it may be back any moment."""
        now, found = (
            self._clock.now(),
            tuple(charge for charge in charges if charge.limit.concurrent is None),
        )

        def look(windows: Windows) -> tuple[dict[str, float], bool]:
            free = {}
            for charge in found:
                limit, window = charge.limit, windows(charge)
                window.expire(limit, now)
                size = limit.requests if limit.requests is not None else limit.tokens or 0
                until = window.free_at(limit, 1.0, size, now)
                if until > now:
                    free[charge.window] = until
            return free, False

        return await self._change(found, look) if found else {}

    async def used(self, charge: Charge) -> float:
        """How much of a limit is taken now."""
        now = self._clock.now()

        def look(windows: Windows) -> tuple[float, bool]:
            window = windows(charge)
            window.expire(charge.limit, now)
            return window.used, False

        return await self._change((charge,), look)

    async def add(self, tallies: Tallies) -> bool:
        """Whether a store took what was used; without one that others share, this process keeps its own."""
        hour = int(self._clock.now() // HOUR)
        if not self.store.shared:
            await self._memory.add(tallies, hour)
            return True
        return (await self.try_store(self.store.add(tallies, hour)))[0]

    async def history(self, since: int) -> Tallies:
        """What all who share the store used from the hour `since` on; of a store that fails: nothing."""
        if not self.store.shared:
            return await self._memory.history(since)
        return (await self.try_store(self.store.history(since)))[1] or {}

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do it beside the requests; `drain` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait for what is still to be told to the store, and end its connections."""
        await self._send_reports()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=STORE_TIMEOUT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORE_TIMEOUT):
                await self.store.close()

    # -- a store that may fail --------------------------------------------------------------------------------------

    @property
    def _store_usable(self) -> bool:
        return self.store.shared and self._clock.now() >= self._retry_store_at

    async def _change(self, charges: tuple[Charge, ...], decide: Decide[T]) -> T:
        if self._store_usable:
            done, got = await self.try_store(self.store.change(charges, decide, self._clock.now()))
            if done:
                return got  # type: ignore[return-value]
        return decide(self._memory.window)[0]

    async def try_store(self, asked: Coroutine[Any, Any, T]) -> tuple[bool, T | None]:
        """(whether the store did it, what came of it). A store that does not is left alone for a while."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                return True, await asked
        except Exception as error:  # whatever a file or a server holds, no request fails of it
            words = str(error) if isinstance(error, StoreFailed) else type(error).__name__
            lost = self._retry_store_at == 0.0 or self._clock.now() >= self._retry_store_at
            self._retry_store_at = self._clock.now() + STORE_RETRY_AFTER
            if lost:
                self._emit(
                    StoreLost(
                        "it took too long" if isinstance(error, TimeoutError) else words,
                        STORE_RETRY_AFTER,
                    )
                )
            return False, None

    def _warn_once(self, event: QuotaLow, now: float) -> None:
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
        self._start_timer(scope)
        try:
            await waiter.woken
        except asyncio.CancelledError:
            loop.call_soon(self._wake_head, scope)  # its turn goes to the next at once
            raise
        finally:
            line.remove(waiter)
            if line:
                # The next may try once this one has: its own reserve comes first on this loop.
                loop.call_soon(self._start_timer, scope)
            else:
                self._lines.pop(scope, None)
                self._stop_timer(scope)

    def forget(self) -> None:
        """After a fork or a close: those who waited are not here any more. What was spent stays spent."""
        self._lines.clear()
        self._timers.clear()
        self.tasks.clear()
        self._unreported.clear()
        self._memory.forget()
        self.store.forget()
        self._ids = _ids()

    def _start_timer(self, scope: str) -> None:
        self._stop_timer(scope)
        line = self._lines.get(scope)
        if line:
            delay = max(0.0, line[0].until - self._clock.now())
            self._timers[scope] = asyncio.get_running_loop().call_later(
                delay, self._wake_head, scope
            )

    def _stop_timer(self, scope: str) -> None:
        timer = self._timers.pop(scope, None)
        if timer is not None:
            timer.cancel()

    def _wake(self, scopes: Set[str]) -> None:
        for scope in scopes:
            self._wake_head(scope)

    def _wake_head(self, scope: str) -> None:
        line = self._lines.get(scope)
        if line and not line[0].woken.done():
            line[0].woken.set_result(None)


def _running_low(windows: Windows, charges: tuple[Charge, ...]) -> list[QuotaLow]:
    """The long limits of which little is left."""
    found = []
    for charge in charges:
        limit, used = charge.limit, windows(charge).used
        size = limit.requests if limit.requests is not None else limit.tokens
        if (
            size is not None
            and charge.amount is None
            and limit.per >= LONG_PERIOD
            and used >= LOW_SHARE * size
        ):
            found.append(QuotaLow(charge.scope, used, size, limit.per))
    return found


def _ids() -> itertools.count[int]:
    """Numbers that no other process counts in: a random beginning, then one after the other."""
    return itertools.count(int.from_bytes(os.urandom(5)) << 20)
