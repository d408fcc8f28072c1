"""`StateSync`: shares what requests learn of models and accounts with other processes.

Changes are written within a second and read at most once a second, in the background. The first
requests of a process wait for the store, and those after a quiet time wait a moment. Others' notes
are read before own ones are written, and what they say is kept where it binds (law 8): the later
end of a stated wait, the newer of two lists of lacks.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import fields, replace

from ...catalogue.model import ModelIdentity
from ...routing.account_benches import Bench
from ...routing.health import Health
from ...routing.state import RoutingState
from ...routing.suspicion import Suspicion
from ...routing.usage_stats import merge
from ...wire.json_values import parse_json
from ..loop.clock import Clock
from .ledger import Ledger
from .notes import (
    MAX_NOTE,
    Times,
    read_account,
    read_day,
    read_demand,
    read_health,
    read_identity,
    read_visit,
    write_account,
    write_demand,
    write_health,
    write_visit,
)

INTERVAL = 1.0
"""Seconds between two exchanges with the store, at least."""
OUTDATED = 10.0
"""Seconds after which what was read is so old that a request waits for what is new."""
OUTDATED_WAIT = 0.25
"""Seconds that it waits at most: a store that is slow delays no request."""
MAX_UNMERGED = 1_000
"""Tallies after which a process that shares nothing adds them up."""


class StateSync:
    """The exchange between one process's `RoutingState` and a shared store."""

    def __init__(self, state: RoutingState, ledger: Ledger, clock: Clock) -> None:
        self._state, self._ledger, self._clock = state, ledger, clock
        self._seen = 0
        """The number of the newest note that was read."""
        self._pulled_at = -math.inf
        self._exchanging = False
        self._awaited: asyncio.Task[None] | None = None
        """The exchange that requests wait for, for at most `_wait` seconds (None: to its end)."""
        self._wait: float | None = None
        self._last_pushed: dict[str, str] = {}
        """Own notes by key: they need not be read back."""
        self._timer: asyncio.TimerHandle | None = None

    async def pull(self, left: float | None = None) -> None:
        """Read what others learnt, before a request.

        The first requests of a process wait for it; those after a quiet time wait a little. No
        request waits longer than the `left` seconds of its time.
        """
        if not self._ledger.store.shared:
            return
        now = self._clock.now()
        age = now - self._pulled_at
        if age >= INTERVAL and not self._exchanging:
            self._pulled_at = now
            exchange = self._ledger.spawn(self._exchange())
            if age >= OUTDATED and self._ledger.store_usable:
                self._awaited, self._wait = exchange, None if age == math.inf else OUTDATED_WAIT
        if self._awaited is not None and not self._awaited.done():
            waits = [seconds for seconds in (self._wait, left) if seconds is not None]
            await asyncio.wait({self._awaited}, timeout=min(waits, default=None))

    def push_soon(self) -> None:
        """Write what was learnt, within a second and in the background."""
        book = self._state.health
        if not self._ledger.store.shared:
            if len(book.usage.untold) > MAX_UNMERGED:
                self._ledger.spawn(self.push_history())
        elif (
            book.touched
            or book.usage.untold
            or self._ledger.demands.touched
            or self._state.people.touched
            or self._state.days.touched
        ) and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_timer)

    async def flush(self) -> None:
        """Write at once what is still to be written, before the loop ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            await self._exchange()

    async def push_history(self) -> None:
        """Add this process's usage to the history of all."""
        usage = self._state.health.usage
        tallies = usage.take()
        if tallies and not await self._ledger.add(tallies):
            merge(usage.untold, tallies)

    def forget(self) -> None:
        """After a fork: no exchange is under way here."""
        self._exchanging, self._timer, self._awaited = False, None, None

    def _on_timer(self) -> None:
        self._timer = None
        self._ledger.spawn(self._exchange())

    async def _exchange(self) -> None:
        """Read others' notes, then write own ones, which so hold what others said."""
        self._exchanging = True
        try:
            if await self._read_notes() and await self._write_notes():
                await self.push_history()
        finally:
            self._exchanging = False

    async def _read_notes(self) -> bool:
        """Whether the store could be read."""
        done, result = await self._ledger.try_store(self._ledger.store.notes_since(self._seen))
        if result is not None:
            self._seen, notes = result
            for key, note in notes.items():
                if note != self._last_pushed.get(key) and len(note) <= MAX_NOTE:
                    self._apply(key, note)
        return done

    async def _write_notes(self) -> bool:
        """Whether the store could be written. If not, the notes are written next time."""
        book = self._state.health
        touched, book.touched = book.touched, set()
        demands, days, people = self._ledger.demands, self._state.days, self._state.people
        touched |= {f"d|{window}" for window in demands.touched}
        touched |= {f"y|{scope}" for scope in days.touched}
        touched |= {f"p|{scope}" for scope in people.touched}
        demands.touched, days.touched, people.touched = set(), set(), set()
        notes = {key: note for key in touched if (note := self._note_of(key)) is not None}
        if not notes:
            return True
        writing = self._ledger.store.put_notes(notes, self._clock.now())
        done, _ = await self._ledger.try_store(writing)
        if done:
            self._last_pushed |= notes
        else:
            book.touched |= touched
        return done

    def _note_of(self, key: str) -> str | None:
        """What to write about a key. None: nothing."""
        kind, _, name = key.partition("|")
        book = self._state.health
        if kind == "a":
            suspicions = book.accounts.suspicions.by_scope.get(name, {})
            return write_account(book.accounts.get(name), suspicions, self._times())
        if kind == "d":
            demand = self._ledger.demands.by_window.get(name)
            return None if demand is None else write_demand(demand)
        if kind == "p":
            visit = self._state.people.visit(name)
            return None if visit is None else write_visit(visit, self._times())
        if kind == "y":
            return json.dumps(self._state.days.known(name))
        if kind == "g":
            return json.dumps(self._state.price_caps.get(name))
        health = book.models.get(read_identity(name))
        return None if health is None else write_health(health, self._times())

    def _apply(self, key: str, note: str) -> None:
        """Learn from another process's note. One that cannot be read teaches nothing."""
        kind, _, name = key.partition("|")
        touched = key in self._state.health.touched
        try:
            if kind == "a":
                bench, suspicions = read_account(note, self._times())
                self._merge_bench(name, bench, touched)
                self._merge_suspicions(name, suspicions, touched)
            elif kind == "d":
                self._ledger.demands.told(name, read_demand(note, self._times()))
            elif kind == "p":
                self._state.people.told(name, read_visit(note, self._times()))
            elif kind == "y":
                self._state.days.learn(name, *read_day(note, self._times()))
            elif kind == "g":
                if not touched:
                    self._state.price_caps[name] = bool(parse_json(note))
            else:
                health = read_health(note, self._times())
                self._merge_health(read_identity(name), health, touched)
        except Exception:  # written by another version, or by nobody: it teaches nothing
            return

    def _times(self) -> Times:
        return Times(self._clock.wall() + self._ledger.store.lead, self._clock.now())

    def _merge_bench(self, scope: str, theirs: Bench | None, touched: bool) -> None:
        """`touched`: this process has learnt something of the account that is not written yet.

        A stated wait is kept to the second, in every process (law 8), and so is what is proved.
        Only a reset ends it.
        """
        benches = self._state.health.accounts.benches
        own = benches.get(scope)
        if theirs is None:
            if not touched:
                benches.pop(scope, None)
            return
        keep = own is not None and (touched or (own.firm and own.until > theirs.until))
        if own is None or not keep or _firmer(theirs, own):
            benches[scope] = theirs

    def _merge_suspicions(self, scope: str, theirs: dict[str, Suspicion], touched: bool) -> None:
        """All that any process saw since the account last answered one of them."""
        by_scope = self._state.health.accounts.suspicions.by_scope
        if not theirs:
            if not touched:
                by_scope.pop(scope, None)
            return
        own = by_scope.setdefault(scope, {})
        for kind, suspicion in theirs.items():
            own[kind] = own[kind].joined(suspicion) if kind in own else suspicion

    def _merge_health(self, identity: ModelIdentity, theirs: Health, touched: bool) -> None:
        """`touched`: this process has learnt something of the model that is not written yet."""
        models = self._state.health.models
        own = models.get(identity)
        if own is None or theirs == Health(charged=theirs.charged):  # which is what a reset leaves
            if own is not None:
                theirs.charged = own.charged = max(own.charged, theirs.charged)
            if not touched or own is None:
                models[identity] = theirs
            return
        bench = own
        later = theirs.benched_until > own.benched_until
        if theirs.bench_stated and (later or not own.bench_stated):
            bench = theirs
        if not own.bench_stated and not touched:
            bench = theirs
        lacks = theirs if theirs.lacks_since > own.lacks_since else own
        gone = max((at for at in (own.gone, theirs.gone) if at is not None), default=None)
        merged = replace(
            own if touched else theirs,
            benched_until=bench.benched_until,
            bench_stated=bench.bench_stated,
            bench_own=bench.bench_own,
            lacks=lacks.lacks,
            lacks_since=lacks.lacks_since,
            gone=gone,
            charged=max(own.charged, theirs.charged),
            probing=own.probing,
        )
        for field in fields(Health):  # in place: candidates of requests under way hold the object
            setattr(own, field.name, getattr(merged, field.name))


def _firmer(theirs: Bench, own: Bench) -> bool:
    return theirs.firm and (not own.firm or theirs.until > own.until)
