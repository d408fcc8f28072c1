"""`Ledger`: grants shares of limits, and keeps the fair line of those who wait for them.

What travels. A request asks for a share of every limit on its path. It gets a `Grant` of all of
them, or a `Refusal` with the time until which one has no room. When it ends, `settle` says what
became of the grant. A limit's `Window` may live in a store that other processes share. Decisions
travel to the store as functions over windows, and the store runs each as one step.

What may wait. Memory decides first, and what it refuses is not asked of the store. So a known limit
costs no wait, and if the store is lost or emptied, this process still knows what it spent. A store
gets `STORE_TIMEOUT` seconds. One that fails is left alone for `STORE_RETRY_AFTER` seconds. Memory
decides meanwhile, and takes its part of each limit: no other process was lost. How grants ended is
told beside the requests (`EndedGrants`). Requests that were refused stand in line (`WaitingLines`).
None is granted anything while an earlier one waits, so nobody overtakes.

What is cancelled, and how. A request that is cancelled while the store decides leaves nothing
taken: memory gives its share back at once, and the store as soon as it has answered. What was sent
stays spent until its window has passed (law 4). Only leases come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import TypeVar, Unpack

from ...catalogue.providers import Account
from ...events import Event, QuotaLow, StoreLost
from ...routing.charges import Charge, Grant, Refusal, account_charges
from ...routing.congestion import Congestion, congestion
from ...routing.demand_book import DemandBook
from ...routing.full_limits import FullLimits
from ...routing.lanes import Place
from ...routing.limits import Ending, Lines, Windows, changes, freed, refused, reserve, settle
from ...routing.pacing import Pacing
from ...routing.turn import turn_at
from ...routing.usage_stats import HOUR, Tallies
from ...wire.request import Lane, Pace
from ..loop.clock import Clock
from ..loop.job import AsyncCall
from ..loop.patience import Patience
from .ended_grants import Changes, EndedGrants
from .leases import HeldLeases, grant_numbers, leased
from .notes import readable_tallies
from .quota_warnings import QuotaWarnings, low_quotas
from .store import Decide, MemoryStore, Store, StoreFailed
from .waiting_line import WaitingLines

T = TypeVar("T")
STORE_TIMEOUT = 2.0
"""Seconds a store may take before memory decides instead."""
STORE_RETRY_AFTER = 15.0
"""Seconds after which a store that failed is tried again."""
LOOK_AGAIN = 0.05
"""Seconds until who stands behind others tries again, if those should have been served by now."""


class Ledger:
    """All limits and their lines, on the runtime's loop. `store`: None keeps them in memory."""

    def __init__(
        self, clock: Clock, store: Store | None = None, emit: Callable[[Event], None] | None = None
    ) -> None:
        self._clock = clock
        self._memory = MemoryStore()
        self.store: Store = store or self._memory
        self._emit = emit or (lambda event: None)
        self._retry_store_at = 0.0
        """When a store that failed may be tried again, unix seconds. 0: it never failed."""
        self._processes: dict[str, int] = {}
        """How many processes shared a window when the store last told."""
        self._lines = WaitingLines(clock)
        self.demands = DemandBook()
        """What interactive requests want of each limit."""
        self.full = FullLimits()
        self._warnings = QuotaWarnings(self._emit)
        self.tasks: set[asyncio.Task[object]] = set()
        """What runs beside the requests, and must end before the store is closed."""
        self._ended = EndedGrants(self._tell_store)
        self._grant_numbers = grant_numbers()
        self._leases = HeldLeases(self._renew)

    # -- grants -------------------------------------------------------------------------------

    async def reserve(
        self,
        place: Place,
        charges: tuple[Charge, ...],
        tokens: int,
        keep: float,
        pace: Pace = "even",
        waits_until: float | None = None,
    ) -> Grant | Refusal:
        """Take a share of every charge, or of none.

        `place`: where it stands in lines. `keep`: the share of each limit to leave untouched,
        0 to 1. `pace`: how a background request may spend a day's quota. `waits_until`: until when
        it will stand in line, if these limits are all it can wait for; unix seconds.
        """
        now = self._clock.now()
        for charge in charges:
            turn_of = partial(self._turn, charge.scope, charges, now)
            if stands := self._lines.standing(charge.scope, place, turn_of, waits_until):
                limit, learnt = self.full.waited_for(charge)
                until = max(stands.until, now + LOOK_AGAIN)
                guess = learnt and any(c.guess for c in charges if c.scope == charge.scope)
                return Refusal(until, charge.scope, *stands[1:], limit, False, learnt, guess)
        number = next(self._grant_numbers) + place.background  # odd: so logs tell the lanes
        background = self.demands.background(pace, now) if place.background else None
        warnings: list[QuotaLow] = []
        used: list[tuple[Charge, float, float]] = []

        def decide(
            windows: Windows, at: float, lines: Lines | None = None, parts: int = 1
        ) -> Grant | Refusal:
            result = reserve(windows, charges, number, at, tokens, keep, background, lines, parts)
            used[:] = [(charge, windows(charge).interactive, at) for charge in charges]
            warnings[:] = low_quotas(windows, charges) if isinstance(result, Grant) else ()
            return result

        result = decide(self._memory.window, now, parts=self._parts(charges))
        asked = isinstance(result, Grant) and self.store_usable
        if isinstance(result, Grant) and asked:
            lines = {c.scope: self.in_line(c.scope)[place.background] for c in charges}

            def decide_there(windows: Windows) -> tuple[Grant | Refusal, bool]:
                at = self._shared_now()
                decided = decide(windows, at, lines)
                for c in charges:
                    self._processes[c.window] = windows(c).shares.processes(c.limit.per, at)
                return decided, True  # who waits is kept, too

            decision = self.store.change(charges, decide_there, self._clock.wall())
            result = await self._confirm(result, decision) or decide(
                self._memory.window, self._clock.now(), parts=self._parts(charges)
            )
        if self.store.shared and not (asked and self.store_usable):
            used.clear()  # memory knows this process alone
        stays = isinstance(result, Refusal) and not place.background
        for charge, amount, at in used:
            waiting = self._lines.length(charge.scope, interactive=True) + stays
            self.demands.look(charge, amount, waiting, at)
        if isinstance(result, Grant):
            self._leases.hold(result)
            # Of tokens that came back there may be enough for the next in line, too.
            self._lines.wake(c.scope for c in charges if c.limit.tokens is not None)
        else:
            self.full.refused(result)
        if background is not None:
            told: Refusal | None = result if isinstance(result, Refusal) else None
            if told is None:  # what the next of a job would be told
                window = self._memory.window
                told, _ = refused(window, charges, 1, now, tokens, background=background)
            self.full.told(told, tokens, pace, now)
        self._warnings.emit(warnings, now)
        return result

    def _turn(
        self, scope: str, charges: tuple[Charge, ...], now: float, ahead: Sequence[float]
    ) -> float | None:
        """When the request's turn in a line comes: after those before it, under every limit."""
        window, own = self._memory.window, [charge for charge in charges if charge.scope == scope]
        turns = (turn_at(window(charge), charge.limit, ahead, now) for charge in own)
        return max((turn for turn in turns if turn is not None), default=None)

    def _parts(self, charges: tuple[Charge, ...]) -> int:
        """Among how many processes limits are divided, while no store tells what others took."""
        if not self.store.shared or self.store_usable:
            return 1
        return max((self._processes.get(charge.window, 1) for charge in charges), default=1)

    async def _confirm(
        self, grant: Grant, decision: AsyncCall[Grant | Refusal]
    ) -> Grant | Refusal | None:
        """Confirm a local grant with the store. None: it was lost. What is not confirmed is given
        back, and so are both if the wait is cancelled."""
        task = self.spawn(self.try_store(decision))
        try:
            _, result = await asyncio.shield(task)
        except asyncio.CancelledError:
            settle(self._memory.window, grant, sent=False)
            task.add_done_callback(self._give_back)
            raise
        if isinstance(result, Grant):
            return replace(grant, shared=True, shared_at=result.at)
        settle(self._memory.window, grant, sent=False)
        return None if result is None else replace(result, until=self._own_time(result.until))

    def _give_back(self, task: asyncio.Task[tuple[bool, Grant | Refusal | None]]) -> None:
        """Give the store's grant back: its request has gone."""
        if not task.cancelled() and isinstance(grant := task.result()[1], Grant):
            grant = replace(grant, shared_at=grant.at)
            self._report(grant, changes(grant, sent=False, tokens=None))

    def settle(self, grant: Grant, **ending: Unpack[Ending]) -> None:
        """End a grant."""
        self._leases.release(grant)
        changed = settle(self._memory.window, grant, **ending)
        self.full.freed(charge.scope for charge in changed)
        scopes = freed(grant, changed, turned_away=ending.get("turned_away", False))
        if changed and grant.shared:
            self._report(grant, changed, scopes)
        else:
            self._lines.wake(scopes)

    def _report(self, grant: Grant, changed: Changes, scopes: Set[str] = frozenset()) -> None:
        """Tell the store how a grant ended, beside the requests. Then wake lines of `scopes`."""
        self._ended.add(grant, changed)
        self.spawn(self._send_reports(scopes))

    async def _send_reports(self, scopes: Set[str] = frozenset()) -> None:
        await self._ended.send()
        self._lines.wake(scopes)

    async def _tell_store(self, charges: tuple[Charge, ...], decide: Decide[None]) -> bool:
        """Change windows of the store. Whether it did: False while it is lost."""
        if not self.store_usable:
            return False
        return (await self.try_store(self.store.change(charges, decide, self._clock.wall())))[0]

    def _renew(self, grants: tuple[Grant, ...]) -> None:
        """Keep the leases of requests that are under way, here and in the store."""
        held = {grant: leased(grant) for grant in grants}
        for grant, charges in held.items():
            for charge in charges:
                self._memory.window(charge).renew(grant, self._clock.now())
        shared = {grant: charges for grant, charges in held.items() if grant.shared}
        if not shared or not self.store_usable:
            return

        def decide(windows: Windows) -> tuple[None, bool]:
            for grant, charges in shared.items():
                for charge in charges:
                    if grant.number in self._leases:  # else it has ended meanwhile
                        windows(charge).renew(grant, self._shared_now())
            return None, True

        every = tuple({charge for charges in shared.values() for charge in charges})
        self.spawn(self._tell_store(every, decide))

    # -- waiting ------------------------------------------------------------------------------

    async def wait(self, place: Place, scope: str, until: float, leaves: float = math.inf) -> None:
        """Stand in line for `scope` until it is this request's turn to try. See `WaitingLines`."""
        await self._lines.wait(place, scope, until, leaves)

    def congestion(
        self,
        account: Account,
        learnt: Iterable[Charge],
        now: float,
        lane: Lane = "interactive",
    ) -> Congestion:
        """What one more request of an account costs those it goes before, or with. Asks no store.
        `learnt`: the account's limits that nobody stated."""
        own = lane == "interactive"
        waiting = self._lines.length(account.scope, interactive=own)
        charges = (*account_charges(account), *learnt)
        return congestion(charges, self._memory.window, waiting, now, interactive=own)

    # -- what is used -------------------------------------------------------------------------

    async def free_at(self, charges: Iterable[Charge]) -> dict[str, float]:
        """When the full limits among `charges` have room again, by window, in unix seconds.

        Leases are left out: one may come back at any moment.
        """
        counted = tuple(charge for charge in charges if charge.limit.concurrent is None)

        def look(windows: Windows, now: float) -> tuple[dict[str, float], bool]:
            free = {}
            for charge in counted:
                limit, window = charge.limit, windows(charge)
                window.expire(limit, now)
                size = limit.requests if limit.requests is not None else limit.tokens or 0
                until = window.free_at(limit, 1.0, size, now)
                if until > now:
                    free[charge.window] = until - now
            return free, False

        waits = await self._look(counted, look) if counted else {}
        now = self._clock.now()
        return {window: now + seconds for window, seconds in waits.items()}

    async def used(self, charge: Charge) -> float:
        """How much of a limit is used now."""

        def look(windows: Windows, now: float) -> tuple[float, bool]:
            window = windows(charge)
            window.expire(charge.limit, now)
            return window.used, False

        return await self._look((charge,), look)

    async def plan(self, charge: Charge, pace: Pace) -> tuple[float, Pacing]:
        """(what background requests took of a long limit, what they may take)."""

        def look(windows: Windows, now: float) -> tuple[tuple[float, Pacing], bool]:
            window = windows(charge)
            window.expire(charge.limit, now)
            return (window.background, self.demands.plan(charge, window, pace, now)), False

        used, plan = await self._look((charge,), look)
        if self.store_usable:
            plan = replace(plan, free_at=self._own_time(plan.free_at))
        return used, plan

    def in_line(self, scope: str) -> tuple[int, int]:
        """How many (interactive, background) requests of this process wait for `scope`."""
        interactive = self._lines.length(scope, interactive=True)
        return interactive, self._lines.length(scope) - interactive

    async def add(self, tallies: Tallies) -> bool:
        """Add to the usage history. Whether that was done: False if a shared store fails."""
        hour = int(self._clock.now() // HOUR)
        if not self.store.shared:
            await self._memory.add(tallies, hour)
            return True
        return (await self.try_store(self.store.add(tallies, hour)))[0]

    async def history(self, since: int) -> Tallies:
        """The usage of all processes from the hour `since` on. Empty if a shared store fails."""
        if not self.store.shared:
            return await self._memory.history(since)
        return readable_tallies((await self.try_store(self.store.history(since)))[1] or {})

    # -- a store that may fail ----------------------------------------------------------------

    @property
    def store_usable(self) -> bool:
        return self.store.shared and self._clock.now() >= self._retry_store_at

    def _shared_now(self) -> float:
        """The time by the store's clock, which all that share it go by."""
        return self._clock.wall() + self.store.lead

    def _own_time(self, moment: float) -> float:
        """A time of the store's clock, by this process's."""
        return moment - self._shared_now() + self._clock.now()

    async def _look(
        self, charges: tuple[Charge, ...], look: Callable[[Windows, float], tuple[T, bool]]
    ) -> T:
        """Look at the store's windows, or at memory's if the store fails."""
        if self.store_usable:
            decided, result = await self.try_store(
                self.store.change(
                    charges, lambda windows: look(windows, self._shared_now()), self._clock.wall()
                )
            )
            if decided:
                return result  # type: ignore[return-value]  # decided, so it is a T
        return look(self._memory.window, self._clock.now())[0]

    async def try_store(self, call: AsyncCall[T]) -> tuple[bool, T | None]:
        """(whether the store did it, its result). One that fails is left alone for a while."""
        try:
            with self._clock.held():  # a store takes real time
                async with Patience(STORE_TIMEOUT):
                    return True, await call
        except Exception as error:  # whatever a file or a server holds, no request may fail of it
            reason = str(error) if isinstance(error, StoreFailed) else type(error).__name__
            reason = "it took too long" if isinstance(error, TimeoutError) else reason
            if self.store_usable:  # it is not another of those under way together
                self._emit(StoreLost(reason, STORE_RETRY_AFTER))
            self._retry_store_at = self._clock.now() + STORE_RETRY_AFTER
            return False, None

    # -- lifetime -----------------------------------------------------------------------------

    def spawn(self, work: AsyncCall[T]) -> asyncio.Task[T]:
        """Run work beside the requests. `drain` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def drain(self) -> None:
        """Send the reports that are left, and close the store."""
        await self._send_reports()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=STORE_TIMEOUT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORE_TIMEOUT):
                await self.store.close()

    def forget(self) -> None:
        """After a fork or a close: forget requests that are gone. What was spent stays spent."""
        self._lines.clear()
        self.tasks.clear()
        self._ended.forget()
        self._memory.forget()
        self.full = FullLimits()
        self._leases.clear()
        self.store.forget()
        self._grant_numbers = grant_numbers()
