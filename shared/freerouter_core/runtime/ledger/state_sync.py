"""`StateSync`: what requests learn of models and accounts, told to the other processes and taken from them.

Told within a second of what was learnt, taken at most once a second, both beside the requests: nobody waits for a store but the
very first, who gains what was known before. Others are heard before anything is said, and what they know is kept where it
binds: a stated wait's later end, the newer of two lists of lacks (law 8). A refused key is this process's own matter, since it may
be mended before the next one starts.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import fields, replace
from typing import Any, TypeVar

from ...catalogue.model import ModelIdentity
from ...routing.failures import RoutingState
from ...routing.health import Bench, Health
from ...routing.usage_stats import merge
from ...wire.fault import Cause
from ..loop.clock import Clock
from .ledger import Ledger

INTERVAL = 1.0
"""Seconds between two looks at what others learnt."""
MAX_UNMERGED = 1_000
"""Tallies that a process which shares nothing puts off adding up."""
_SHARED_FIELDS = tuple(f.name for f in fields(Health) if f.name != "probing")
_JSON_FIELDS = tuple(name for name in _SHARED_FIELDS if name != "lacks")
T = TypeVar("T", Bench, Health)


class StateSync:
    """The exchange between one process's `State` and a shared store."""

    def __init__(self, state: RoutingState, ledger: Ledger, clock: Clock) -> None:
        self._state, self._ledger, self._clock = state, ledger, clock
        self._seen = 0
        self._pulled_at = -math.inf
        self._exchanging = False
        self._last_pushed: dict[str, str] = {}
        """What this process said last, and need not hear from itself."""
        self._timer: asyncio.TimerHandle | None = None

    async def pull(self) -> None:
        """Before a request: the first waits for what was known before, others only see to it that it is looked up."""
        if not self._ledger.store.shared:
            return
        first, now = self._pulled_at == -math.inf, self._clock.now()
        if now - self._pulled_at < INTERVAL or self._exchanging:
            return
        self._pulled_at = now
        if first:
            await self._exchange()
        else:
            self._ledger.spawn(self._exchange())

    def push_soon(self) -> None:
        """After a request: what it taught is written down beside the next."""
        book = self._state.health
        if not self._ledger.store.shared:
            if len(book.usage.untold) > MAX_UNMERGED:
                self._ledger.spawn(self.push_history())
        elif (book.touched or book.usage.untold) and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_timer)

    async def flush(self) -> None:
        """Before the end: what was not told yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            await self._exchange()

    async def push_history(self) -> None:
        """What was used, added to what others used."""
        history = self._state.health.usage
        told = history.take()
        if told and not await self._ledger.add(told):
            merge(history.untold, told)

    def forget(self) -> None:
        """After a fork: nothing is under way here."""
        self._exchanging, self._timer = False, None

    def _on_timer(self) -> None:
        self._timer = None
        self._ledger.spawn(self._exchange())

    async def _exchange(self) -> None:
        self._exchanging = True
        try:
            book = self._state.health
            done, news = await self._ledger.try_store(self._ledger.store.notes_since(self._seen))
            if not done:
                return
            if news is not None:  # first, so that what is told holds what others said
                self._seen, notes = news
                for key, note in notes.items():
                    if note != self._last_pushed.get(key):
                        self._apply_note(key, note)
            touched, book.touched = book.touched, set()
            told = {key: text for key in touched if (text := self._note_of(key)) is not None}
            if told:
                done, _ = await self._ledger.try_store(
                    self._ledger.store.put_notes(told, self._clock.now())
                )
                if not done:
                    book.touched |= touched
                    return
                self._last_pushed |= told
            await self.push_history()
        finally:
            self._exchanging = False

    def _note_of(self, key: str) -> str | None:
        """What is to be told about a key; None: nothing."""
        kind, _, name = key.partition("|")
        book = self._state.health
        if kind == "a":
            bench = book.accounts.get(name)
            if bench is None:
                return json.dumps([0.0, False, Cause.UNKNOWN, 0])  # forgotten on purpose
            if bench.until == math.inf:
                return None
            return json.dumps([bench.until, bench.stated, bench.cause, bench.strikes])
        if kind == "g":
            return json.dumps(self._state.price_caps.get(name))
        health = book.models.get(tuple(json.loads(name)))
        if health is None:
            return None
        values = {field: getattr(health, field) for field in _SHARED_FIELDS}
        return json.dumps(values | {"lacks": sorted(health.lacks)})

    def _apply_note(self, key: str, text: str) -> None:
        kind, _, name = key.partition("|")
        book = self._state.health
        try:
            value: Any = json.loads(text)
            if kind == "a":
                until, stated, cause, strikes = value
                bench = _checked(
                    [until, stated, Cause(cause), strikes], Bench(0.0, False, Cause.UNKNOWN, 0)
                )
                self._merge_bench(name, bench, key in book.touched)
            elif kind == "g":
                if key not in book.touched:
                    self._state.price_caps[name] = bool(value)
            else:
                provider, origin, model = json.loads(name)
                lacks = frozenset(str(lack) for lack in value.pop("lacks"))
                told = _checked([value[field] for field in _JSON_FIELDS], Health())
                told.lacks = lacks
                self._merge_health(
                    (str(provider), str(origin), str(model)), told, key in book.touched
                )
        except (ValueError, TypeError, KeyError, AttributeError):
            pass  # written by another version, or no note at all: nothing is learnt from it

    def _merge_bench(self, scope: str, told: Bench, touched: bool) -> None:
        """A stated wait is kept to the second, whoever heard it (law 8); only a reset ends it."""
        accounts = self._state.health.accounts
        own = accounts.get(scope)
        if not told.until and not told.stated and not told.strikes:
            if not touched:
                accounts.pop(scope, None)
        elif (
            own is None
            or _later(told, own)
            or not (touched or (own.stated and own.until > told.until))
        ):
            accounts[scope] = told

    def _merge_health(self, key: ModelIdentity, told: Health, touched: bool) -> None:
        book = self._state.health
        own = book.models.get(key)
        if own is None or told == Health():  # which is what a reset leaves
            if not touched or own is None:
                book.models[key] = told
            return
        bench = told if told.stated and (told.bench > own.bench or not own.stated) else own
        if not own.stated and not touched:
            bench = told
        lacks = told if told.lacks_since > own.lacks_since else own
        gone = max((at for at in (own.gone, told.gone) if at is not None), default=None)
        kept = replace(
            own if touched else told,
            bench=bench.bench,
            stated=bench.stated,
            lacks=lacks.lacks,
            lacks_since=lacks.lacks_since,
            gone=gone,
            probing=own.probing,
        )
        for field in fields(Health):
            setattr(own, field.name, getattr(kept, field.name))


def _later(told: Bench, own: Bench) -> bool:
    return told.stated and (not own.stated or told.until > own.until)


def _checked(values: list[Any], like: T) -> T:
    """An object as `like`, of JSON values; TypeError or ValueError where one is of another type."""
    names = _JSON_FIELDS if isinstance(like, Health) else [f.name for f in fields(like)]
    for name, value in zip(names, values, strict=True):
        held = getattr(like, name)
        allowed: Any = (
            (int, float) if isinstance(held, (int, float)) or held is None else type(held)
        )
        if not isinstance(value, allowed) and not (held is None and value is None):
            raise TypeError(f"{name} is no {allowed}")
        if isinstance(held, float) and not math.isfinite(value):
            raise ValueError(f"{name} is endless")
    return replace(like, **dict(zip(names, values, strict=True)))
