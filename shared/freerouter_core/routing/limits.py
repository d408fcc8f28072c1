"""Limits as windows: a request takes its share of every one before it is sent, or of none (law 4).

What was sent stays spent until its window has passed, whatever became of it. Only concurrency is leased: it comes back when
the request ends, or by itself when its lease runs out because the process died.

Everything here is a function of windows and the time, and a window is plain data: so the same code decides for one process, for
all of a machine (SQLite) and for many machines (Redis); see `runtime.ledger`.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

from ..catalogue.calendar import DAY, period
from ..catalogue.model import Model
from ..catalogue.providers import Account, Limit

MARGIN = 0.5
"""Seconds added to a rolling window: requests sent in order may arrive a little out of it, and clocks differ a little."""
LANE_POLL = 0.25
"""Seconds between looks at a full concurrency limit; a lane that is freed here wakes the next in line at once."""
LEARNT_POLL = 2.0
"""Seconds between looks at a limit that was learnt: it may be forgotten."""
KEPT_OF_A_DAY = 100
"""Requests of a day that are left to ordinary attempts wherever a part of each limit is kept back."""
DOLLAR = 1_000_000
"""What a dollar is counted in."""
LEASE = 900.0
"""Seconds after which a concurrency lease is taken back."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One limit a request falls under, and where it is counted: an account's scope, or a model's within it."""

    scope: str
    limit: Limit
    amount: int | None = None
    """What a request takes, where that is neither one nor its tokens: millionths of a dollar."""
    name: str = ""
    """What its window is kept under, where its limit changes."""
    before: tuple[float, ...] = ()
    """When requests were sent (unix seconds) before there was a limit to count them."""

    @property
    def window(self) -> str:
        """The name its window is kept under, the same in every process, and whatever its size: what one owner's cap of a day counts,
        another's counts too."""
        if self.name:
            return f"{self.scope}|{self.name}"
        limit = self.limit
        kind = "r" if limit.requests is not None else "t" if limit.tokens is not None else "c"
        return f"{self.scope}|{kind}|{limit.per:g}|{limit.reset}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A share taken of every charge, as `settle` needs to find it again. `number` is its own among all processes."""

    number: int
    charges: tuple[Charge, ...]
    at: float
    tokens: int
    shared: bool = False
    """Whether it was taken from a store that other processes share."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not now: `scope` has no room before `until` (unix seconds; infinite: a limit of zero)."""

    until: float
    scope: str


def charges_of(account: Account, model: Model) -> tuple[Charge, ...]:
    """The limits on the path account → model. They are those of the free tier, so a paid model is under none."""
    if not model.free:
        return ()
    scopes = (
        {"account": account.scope, "ip": f"{account.provider}|{account.address}|ip"}
        if account.limits
        else {}
    )
    charges = (
        Charge(scopes.get(limit.scope) or f"{account.scope}|{model.wire_name}", limit)
        for limit in account.limits
    )
    tightest: dict[str, Charge] = {}
    for charge in charges:
        other = tightest.get(charge.window)
        if other is None or _size(charge.limit) < _size(other.limit):
            tightest[charge.window] = charge
    return tuple(tightest.values())


_HEAD = Struct("<4sdd")
_SORT = b"frw1"
"""What the bytes of a window begin with: their kind and version."""
_ENTRY = 24
"""Bytes of one entry of a log: three numbers of eight."""


@dataclass(slots=True)
class Window:
    """What was taken of one limit. Rolling windows and lanes keep a log of grants, times (unix seconds) and amounts; a window that
    ends at a fixed time keeps its sum and its beginning; a bucket keeps its level and when that was."""

    used: float = 0.0
    since: float = 0.0
    grants: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    amounts: array[float] = field(default_factory=lambda: array("d"))
    lanes: bool = False
    """Whether it holds leases, which end with their process."""

    @classmethod
    def of(cls, state: bytes | None) -> Window:
        """A window as `state` told it; what is none is an empty one, for whoever wrote it was no `Window`."""
        if (
            not isinstance(state, bytes)
            or (len(state) - _HEAD.size) % _ENTRY
            or len(state) < _HEAD.size
        ):
            return cls()
        sort, used, since = _HEAD.unpack_from(state)
        if sort != _SORT:
            return cls()
        window = cls(used, since)
        third = (len(state) - _HEAD.size) // _ENTRY * 8
        at = _HEAD.size
        for log in (window.grants, window.times, window.amounts):
            log.frombytes(state[at : at + third])
            at += third
        return window

    def state(self) -> bytes:
        return (
            _HEAD.pack(_SORT, self.used, self.since)
            + self.grants.tobytes()
            + self.times.tobytes()
            + self.amounts.tobytes()
        )

    def expire(self, limit: Limit, now: float) -> None:
        """Let go of what has passed."""
        if limit.concurrent is not None:
            self._drop(now - LEASE)
        elif limit.reset == "rolling":
            self._drop(now - limit.per - MARGIN)
        elif limit.reset == "bucket":
            size = _size(limit)
            self.used = max(0.0, self.used - max(0.0, now - self.since) * size / limit.per)
            self.since = max(now, self.since)
        else:
            start = period(limit.reset, limit.per, now - MARGIN)[0]
            if (
                start > self.since
            ):  # by its provider's clock the last moments' requests may be the new period's
                self.since = start
                self._drop(start - MARGIN)
                self.used = sum(self.amounts)
                del self.grants[:], self.times[:], self.amounts[:]

    def _drop(self, until: float) -> None:
        gone = bisect_right(self.times, until)
        if gone:
            self.used -= sum(self.amounts[:gone])
            del self.grants[:gone], self.times[:gone], self.amounts[:gone]
            if not self.times:
                self.used = 0.0

    def clear(self) -> None:
        """Nothing is taken any more."""
        self.used = 0.0
        del self.grants[:], self.times[:], self.amounts[:]

    def free_at(self, limit: Limit, amount: float, size: float, now: float) -> float:
        """When `amount` more would fit; `now` if it does. Concurrency comes back unannounced, so it is looked at again soon."""
        over = self.used + amount - size
        if over <= 1e-9:
            return now
        if size < amount:
            return math.inf
        if limit.concurrent is not None:
            return now + LANE_POLL
        if limit.reset == "bucket":
            return now + over * limit.per / _size(limit) + 0.001
        if limit.reset != "rolling":
            return period(limit.reset, limit.per, now - MARGIN)[1] + MARGIN
        hold = limit.per + MARGIN
        for at, taken in zip(self.times, self.amounts, strict=True):
            over -= taken
            if over <= 1e-9:
                return at + hold
        return now + hold

    def take(self, limit: Limit, number: int, amount: float, now: float) -> None:
        self.used += amount
        logged = limit.concurrent is not None or limit.reset == "rolling"
        if not logged and limit.reset != "bucket":
            logged = now >= period(limit.reset, limit.per, now - MARGIN)[1] - MARGIN
        if logged:
            at = bisect_right(self.times, now)  # another machine's clock may be a little ahead
            self.grants.insert(at, number)
            self.times.insert(at, now)
            self.amounts.insert(at, amount)

    def change(self, charge: Charge, grant: Grant, amount: float | None) -> None:
        """What `grant` took is now known to be `amount`; None: nothing, it was never sent or its lane is free again."""
        limit = charge.limit
        if limit.concurrent is not None or limit.reset == "rolling":
            if grant.number not in self.grants:
                return
            at = self.grants.index(grant.number)
            self.used += (amount or 0.0) - self.amounts[at]
            if amount is None:
                del self.grants[at], self.times[at], self.amounts[at]
            else:
                self.amounts[at] = amount
        elif limit.reset == "bucket":  # what has run out of it since comes back to nobody
            gone = max(0.0, self.since - grant.at) * _size(limit) / limit.per
            taken, kept = amount_of(charge, grant.tokens), amount or 0.0
            self.used = max(0.0, self.used + max(0.0, kept - gone) - max(0.0, taken - gone))
        elif period(limit.reset, limit.per, grant.at - MARGIN)[0] == self.since:
            self.used = max(0.0, self.used + (amount or 0.0) - amount_of(charge, grant.tokens))
            if grant.number in self.grants:
                self.amounts[self.grants.index(grant.number)] = amount or 0.0


Windows = Callable[[Charge], Window]
"""Where windows are found: by their charge, as they are now."""


def reserve(
    windows: Windows,
    charges: tuple[Charge, ...],
    number: int,
    now: float,
    tokens: int = 0,
    keep: float = 0.0,
) -> Grant | Refusal:
    """A share of every charge, or the refusal that lasts longest. `keep`: the part of each limit to leave untouched."""
    refusal: Refusal | None = None
    for charge in charges:
        window, limit = windows(charge), charge.limit
        window.expire(limit, now)
        if charge.before and not window.times:
            for at in charge.before:
                window.take(limit, 0, 1, at)
        size = int(_size(limit) * (1 - keep))
        if keep and limit.per >= DAY and limit.requests is not None:
            size = min(size, limit.requests - KEPT_OF_A_DAY)
        until = window.free_at(limit, amount_of(charge, tokens), size, now)
        if charge.name and until > now:
            until = min(until, now + LEARNT_POLL)
        if until > now and (refusal is None or until > refusal.until):
            refusal = Refusal(until, charge.scope)
    if refusal is not None:
        return refusal
    for charge in charges:
        windows(charge).take(charge.limit, number, amount_of(charge, tokens), now)
    return Grant(number, charges, now, tokens)


SCARCE, LONG = 300.0, 3_600.0
"""Seconds that all requests of a limit of `LONG` seconds or more are worth together: one of fifty is worth six, one of a thousand 0.3."""
MAX_CONGESTION = 30.0
"""Seconds beyond which no request is priced."""


def congestion(limit: Limit, used: float, waiting: int) -> float:
    """What one more request costs others, in seconds that they wait for it: next to nothing while there is room, a place in the line
    where there is none. A day's limit has no line: each request it has few of is worth more than one it has many of."""
    if limit.requests is None or limit.requests <= 0:
        return 0.0
    full = min(1.0, used / limit.requests)
    if limit.per >= LONG:
        return min(MAX_CONGESTION, SCARCE / limit.requests * (0.5 + full))
    return min(MAX_CONGESTION, limit.per / limit.requests * (waiting + full**3 / (1.05 - full)))


def changes(
    grant: Grant, *, sent: bool, tokens: int | None, cost: float | None = None
) -> dict[Charge, float | None]:
    """What ending a grant changes: leases come back; what was never sent does too; tokens and dollars become what was used."""
    found: dict[Charge, float | None] = {}
    for charge in grant.charges:
        if charge.limit.concurrent is not None or not sent:
            found[charge] = None
        elif charge.amount is not None:
            if cost is not None:
                found[charge] = cost * DOLLAR
        elif charge.limit.tokens is not None and tokens is not None and tokens != grant.tokens:
            found[charge] = tokens
    return found


def settle(
    windows: Windows,
    grant: Grant,
    *,
    sent: bool,
    tokens: int | None = None,
    cost: float | None = None,
) -> None:
    """End a grant."""
    for charge, amount in changes(grant, sent=sent, tokens=tokens, cost=cost).items():
        windows(charge).change(charge, grant, amount)


def amount_of(charge: Charge, tokens: int) -> int:
    """How much of a limit a request of `tokens` takes."""
    if charge.amount is not None:
        return charge.amount
    return tokens if charge.limit.tokens is not None else 1


def budget(account: Account, usd: float, cost: float) -> Charge:
    """The charge of a request that may cost `cost` USD on what its owner allows an account a UTC day."""
    limit = Limit(tokens=int(usd * DOLLAR), per=86_400.0, reset="utc-day")
    return Charge(f"{account.scope}|usd", limit, max(1, math.ceil(cost * DOLLAR)))


def _size(limit: Limit) -> int:
    given = (limit.requests, limit.tokens, limit.concurrent)
    return next(size for size in given if size is not None)
