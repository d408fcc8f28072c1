"""`Notes`: what requests learn of models and accounts, told to the other processes and taken from them.

Told within a second of what was learnt, taken at most once a second, both beside the requests: nobody waits for a store but the
very first, who gains what was known before. Whoever writes last is believed; a refused key is this process's own matter, since
it may be mended before the next one starts.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import fields
from typing import Any

from ...clock import Clock
from ...routing.health import Bench, Health
from ...routing.lessons import State
from .ledger import Ledger

FRESH = 1.0
"""Seconds between two looks at what others learnt."""
_KEPT = tuple(f.name for f in fields(Health) if f.name != "probing")


class Notes:
    """The exchange between one process's `State` and a shared store."""

    def __init__(self, state: State, ledger: Ledger, clock: Clock) -> None:
        self._state, self._ledger, self._clock = state, ledger, clock
        self._since = 0
        self._looked = -math.inf
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> None:
        """Before a request: the first waits for what was known before, others only see to it that it is looked up."""
        if not self._ledger.store.shared:
            return
        first, now = self._looked == -math.inf, self._clock.now()
        if now - self._looked < FRESH or self._busy:
            return
        self._looked = now
        if first:
            await self._exchange()
        else:
            self._ledger.later(self._exchange())

    def tell(self) -> None:
        """After a request: what it taught is written down beside the next."""
        if self._ledger.store.shared and self._state.health.touched and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FRESH, self._due)

    async def flush(self) -> None:
        """Before the end: what was not told yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            await self._exchange()

    def forget(self) -> None:
        """After a fork: nothing is under way here."""
        self._busy, self._timer = False, None

    def _due(self) -> None:
        self._timer = None
        self._ledger.later(self._exchange())

    async def _exchange(self) -> None:
        self._busy = True
        try:
            book = self._state.health
            touched, book.touched = book.touched, set()
            told = {key: text for key in touched if (text := self._text(key)) is not None}
            if told:
                done, _ = await self._ledger.tried(self._ledger.store.put(told, self._clock.now()))
                if not done:
                    book.touched |= touched
                    return
            done, news = await self._ledger.tried(self._ledger.store.news(self._since))
            if done and news is not None:
                self._since, notes = news
                for key, text in notes.items():
                    if key not in told and key not in book.touched:
                        self._take(key, text)
        finally:
            self._busy = False

    def _text(self, key: str) -> str | None:
        """What is to be told about a key; None: nothing."""
        kind, _, name = key.partition("|")
        book = self._state.health
        if kind == "a":
            bench = book.accounts.get(name)
            if bench is None:
                return json.dumps([0.0, False, "", 0])  # forgotten on purpose
            if bench.until == math.inf:
                return None
            return json.dumps([bench.until, bench.stated, bench.cause, bench.strikes])
        if kind == "g":
            return json.dumps(self._state.guards.get(name))
        health = book.models.get(tuple(json.loads(name)))
        if health is None:
            return None
        values = {field: getattr(health, field) for field in _KEPT}
        return json.dumps(values | {"lacks": sorted(health.lacks)})

    def _take(self, key: str, text: str) -> None:
        kind, _, name = key.partition("|")
        book = self._state.health
        try:
            value: Any = json.loads(text)
            if kind == "a":
                book.accounts[name] = Bench(*value)
            elif kind == "g":
                self._state.guards[name] = bool(value)
            else:
                health = book.of(tuple(json.loads(name)))
                for field in _KEPT:
                    setattr(health, field, value[field])
                health.lacks = frozenset(value["lacks"])
        except (ValueError, TypeError, KeyError):  # written by another version: nothing is learnt from it
            pass
