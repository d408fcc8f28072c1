"""Limits as windows: a request takes its share of every one before it is sent, or of none (law 4).

What was sent stays spent until its window has passed, whatever became of it. Only concurrency is leased: it comes back when
the request ends, or by itself when its lease runs out because the process died.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from ..catalogue.model import Model
from ..catalogue.providers import Account, Limit

MARGIN = 0.5
"""Seconds added to a rolling window: requests sent in order may arrive a little out of it."""
LANE_POLL = 1.0
"""Seconds between looks at a full concurrency limit; a lane that is freed here wakes the next in line at once."""
LEASE = 900.0
"""Seconds after which a concurrency lease is taken back."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One limit a request falls under, and where it is counted: an account's scope, or a model's within it."""

    scope: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Grant:
    """A share taken of every charge, as `settle` needs to find it again."""

    number: int
    charges: tuple[Charge, ...]
    at: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not now: `scope` has no room before `until` (unix seconds; infinite: a limit of zero)."""

    until: float
    scope: str


def charges_of(account: Account, model: Model) -> tuple[Charge, ...]:
    """The limits on the path account → model. They are those of the free tier, so a paid model is under none."""
    if not model.free:
        return ()
    scope = account.scope if account.limits else ""
    return tuple(
        Charge(scope if limit.scope == "account" else f"{scope}|{model.wire_name}", limit)
        for limit in account.limits
    )


@dataclass(slots=True)
class _Entry:
    grant: int
    at: float
    amount: int


@dataclass(slots=True)
class _Window:
    """What was taken of one limit. `used` is the sum of `log`, kept as it changes."""

    log: deque[_Entry] = field(default_factory=deque)
    used: int = 0
    day: int = 0

    def expire(self, limit: Limit, now: float) -> None:
        if limit.concurrent is not None:
            self._drop(now - LEASE)
        elif limit.reset == "rolling":
            self._drop(now - limit.per - MARGIN)
        elif self.day != int(now // 86_400):
            self.log.clear()
            self.used, self.day = 0, int(now // 86_400)

    def _drop(self, until: float) -> None:
        while self.log and self.log[0].at <= until:
            self.used -= self.log.popleft().amount

    def free_at(self, limit: Limit, amount: int, size: int, now: float) -> float:
        """When `amount` more would fit; `now` if it does. Concurrency comes back unannounced, so it is looked at again soon."""
        room = size - self.used
        if amount <= room:
            return now
        if size < amount:
            return math.inf
        if limit.concurrent is None and limit.reset == "utc-day":
            return (now // 86_400 + 1) * 86_400.0
        if limit.concurrent is not None:
            return now + LANE_POLL
        hold = limit.per + MARGIN
        for entry in self.log:
            room += entry.amount
            if amount <= room:
                return entry.at + hold
        return now + hold


class QuotaBook:
    """The windows of every scope. Touched on the runtime's loop only."""

    def __init__(self) -> None:
        self._windows: dict[Charge, _Window] = {}
        self._numbers = 0

    def reserve(
        self, charges: tuple[Charge, ...], now: float, tokens: int = 0, keep: float = 0.0
    ) -> Grant | Refusal:
        """A share of every charge, or the refusal that lasts longest. `keep`: the part of each limit to leave untouched."""
        refusal: Refusal | None = None
        for charge in charges:
            window = self._window(charge, now)
            size, amount = _measure(charge.limit, tokens)
            until = window.free_at(charge.limit, amount, int(size * (1 - keep)), now)
            if until > now and (refusal is None or until > refusal.until):
                refusal = Refusal(until, charge.scope)
        if refusal is not None:
            return refusal
        self._numbers += 1
        for charge in charges:
            amount = _measure(charge.limit, tokens)[1]
            window = self._windows[charge]
            window.log.append(_Entry(self._numbers, now, amount))
            window.used += amount
        return Grant(self._numbers, charges, now, tokens)

    def settle(self, grant: Grant, *, sent: bool, tokens: int | None = None) -> None:
        """End a grant: leases come back; what was never sent does too; tokens become what was really used."""
        for charge in grant.charges:
            window = self._windows.get(charge)
            entry = next((e for e in window.log if e.grant == grant.number), None) if window else None
            if window is None or entry is None:
                continue
            if charge.limit.concurrent is not None or not sent:
                window.log.remove(entry)
                window.used -= entry.amount
            elif charge.limit.tokens is not None and tokens is not None:
                window.used += tokens - entry.amount
                entry.amount = tokens

    def drop_leases(self) -> None:
        """After a fork: requests in flight are the parent's."""
        for charge, window in self._windows.items():
            if charge.limit.concurrent is not None:
                window.log.clear()
                window.used = 0

    def used(self, charge: Charge, now: float) -> int:
        """How much of a limit is taken at `now`."""
        return self._window(charge, now).used

    def _window(self, charge: Charge, now: float) -> _Window:
        window = self._windows.get(charge)
        if window is None:
            window = self._windows[charge] = _Window(day=int(now // 86_400))
        window.expire(charge.limit, now)
        return window


def _measure(limit: Limit, tokens: int) -> tuple[int, int]:
    """(size, amount): how much the limit allows, and how much of it a request of `tokens` takes."""
    if limit.tokens is not None:
        return limit.tokens, tokens
    return (limit.requests if limit.requests is not None else limit.concurrent) or 0, 1
