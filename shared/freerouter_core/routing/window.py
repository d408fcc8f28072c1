"""`Window`: what was taken of one limit.

Rolling windows and leases keep a log of grants. A window that ends at a fixed time keeps its sum
and its beginning. A bucket keeps its level and when that was measured.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from struct import Struct

from ..catalogue.calendar import period
from ..catalogue.providers import Limit
from .charges import Charge, Grant, amount_of, size_of
from .shares import SHARE_SIZE, Shares

MARGIN = 0.5
"""Seconds added to a rolling window: requests may arrive a little later than they were sent, and
clocks differ a little."""
LEASE_POLL = 0.25
"""Seconds between looks at a full concurrency limit; a lease that ends in this process wakes the
next in line at once."""
RESERVE_POLL = 5.0
"""Seconds between looks at a limit of which nothing is left to background requests."""
LEASE = 30.0
"""Seconds after which a concurrency lease is taken back, unless its process has renewed it."""
RENEWAL = 10.0
"""Seconds after which a process renews its leases."""
MAX_LEAD = 5.0
"""Seconds by which another machine's clock may be ahead. What is later was written by a clock that
was wrong, and counts for nothing."""
EPSILON = 1e-9
"""An excess below this is rounding."""

_HEAD = Struct("<4sIddd")
_FORMAT = b"frw3"
"""The first bytes of a stored window: the format and its version."""
_ENTRY = 24
"""Bytes of one entry of the log: three numbers of eight. The shares follow the log."""


@dataclass(slots=True, kw_only=True)
class Window:
    """What was taken of one limit.

    `used`: the sum taken (requests, tokens, leases, millionths of a dollar). `background`: what
    background requests took of it; the numbers of their grants are odd. `since`: the start of
    a fixed period, or the time of a bucket's level. `grants`, `times` (unix seconds) and `amounts`
    are the columns of the log. `leases`: whether it holds leases, which end with their process.
    `shares`: what each of the processes took, where they share the window.
    """

    used: float = 0.0
    background: float = 0.0
    since: float = 0.0
    grants: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    amounts: array[float] = field(default_factory=lambda: array("d"))
    leases: bool = False
    shares: Shares = field(default_factory=Shares)

    @classmethod
    def of(cls, state: bytes | None) -> Window:
        """The window with this `state`; an empty one if no `Window` wrote it."""
        if not isinstance(state, bytes) or len(state) < _HEAD.size:
            return cls()
        format_, count, used, background, since = _HEAD.unpack_from(state)
        log_ends = _HEAD.size + count * _ENTRY
        if format_ != _FORMAT or len(state) < log_ends or (len(state) - log_ends) % SHARE_SIZE:
            return cls()
        window = cls(used=used, background=background, since=since)
        at = _HEAD.size
        for column in (window.grants, window.times, window.amounts):
            column.frombytes(state[at : at + count * 8])
            at += count * 8
        window.shares = Shares.of(state[log_ends:])
        return window

    def state(self) -> bytes:
        """The window as bytes, for a store."""
        return (
            _HEAD.pack(_FORMAT, len(self.times), self.used, self.background, self.since)
            + self.grants.tobytes()
            + self.times.tobytes()
            + self.amounts.tobytes()
            + self.shares.state()
        )

    def expire(self, limit: Limit, now: float) -> None:
        """Forget what is past, and what claims to be of the future."""
        if self.times and self.times[-1] > now + MAX_LEAD:
            self._drop_future(now + MAX_LEAD)
        if limit.concurrent is not None:
            self._drop(now - LEASE)
        elif limit.reset == "rolling":
            self._drop(now - limit.per - MARGIN)
        elif limit.reset == "bucket":
            if self.since > now + MAX_LEAD:
                self.since = now
            refill = max(0.0, now - self.since) * size_of(limit) / limit.per
            before, self.used = self.used, max(0.0, self.used - refill)
            self.background *= self.used / before if before else 0.0
            self.since = max(now, self.since)
        else:
            start = period(limit.reset, limit.per, now - MARGIN)[0]
            if start > self.since:
                self._start_period(start)
            elif self.since > now + MAX_LEAD:  # begun by a clock that was ahead
                self.clear()
                self.since = start

    def _drop_future(self, after: float) -> None:
        count = bisect_right(self.times, after)
        self.used = max(0.0, self.used - sum(self.amounts[count:]))
        self.background = max(0.0, self.background - self._background_in(count, None))
        del self.grants[count:], self.times[count:], self.amounts[count:]

    def renew(self, grant: Grant, now: float) -> None:
        """A lease's request is still under way."""
        if grant.number in self.grants:
            at = self.grants.index(grant.number)
            number, amount = self.grants.pop(at), self.amounts.pop(at)
            del self.times[at]
        else:  # taken back meanwhile, because the machine slept or was busy
            number, amount = grant.number, 1.0
            self.used += amount
            self.background += amount * (number & 1)
        place = bisect_right(self.times, now)
        self.grants.insert(place, number)
        self.times.insert(place, now)
        self.amounts.insert(place, amount)

    def _start_period(self, start: float) -> None:
        """By the provider's clock, requests of the last moments may be in the new period."""
        self.since = start
        self._drop(start - MARGIN)
        self.used, self.background = sum(self.amounts), self._background_in(0, None)
        del self.grants[:], self.times[:], self.amounts[:]

    def _drop(self, until: float) -> None:
        count = bisect_right(self.times, until)
        if count:
            self.used -= sum(self.amounts[:count])
            self.background -= self._background_in(0, count)
            del self.grants[:count], self.times[:count], self.amounts[:count]
            if not self.times:
                self.used = self.background = 0.0

    def clear(self) -> None:
        """Forget everything that was taken."""
        self.used = self.background = 0.0
        del self.grants[:], self.times[:], self.amounts[:]

    @property
    def interactive(self) -> float:
        """What interactive requests took."""
        return max(0.0, self.used - self.background)

    def _background_in(self, start: int, end: int | None) -> float:
        logged = zip(self.grants[start:end], self.amounts[start:end], strict=True)
        return sum(amount for number, amount in logged if number & 1)

    def background_log(self) -> list[tuple[float, float]]:
        """(when, how much) background requests took, as far as it is logged."""
        logged = zip(self.grants, self.times, self.amounts, strict=True)
        return [(at, amount) for number, at, amount in logged if number & 1]

    def background_free_at(self, limit: Limit, amount: float, share: float, now: float) -> float:
        """When background requests hold so little that `amount` more fits into their `share`."""
        over = self.background + amount - share
        if over <= EPSILON:
            return now
        if limit.concurrent is not None:
            return now + LEASE_POLL
        if share < amount:
            return now + RESERVE_POLL
        if limit.reset == "bucket":
            return now + min(RESERVE_POLL, over * limit.per / size_of(limit) + 0.001)
        if limit.reset != "rolling":
            ends = period(limit.reset, limit.per, now - MARGIN)[1] + MARGIN
            return min(now + RESERVE_POLL, ends)
        for at, logged in self.background_log():
            over -= logged
            if over <= EPSILON:
                return at + limit.per + MARGIN
        return now + RESERVE_POLL

    def free_at(self, limit: Limit, amount: float, size: float, now: float) -> float:
        """When `amount` more fits into `size` (unix seconds): `now` if it fits already.

        Leases end unannounced, so a full concurrency limit is looked at again soon.
        """
        over = self.used + amount - size
        if over <= EPSILON:
            return now
        if size < amount:
            return math.inf
        if limit.concurrent is not None:
            return now + LEASE_POLL
        if limit.reset == "bucket":
            return now + over * limit.per / size_of(limit) + 0.001
        if limit.reset != "rolling":
            return period(limit.reset, limit.per, now - MARGIN)[1] + MARGIN
        hold = limit.per + MARGIN
        for at, logged in zip(self.times, self.amounts, strict=True):
            over -= logged
            if over <= EPSILON:
                return at + hold
        return now + hold

    def take(self, limit: Limit, number: int, amount: float, now: float) -> None:
        """Take an amount for the grant of this number."""
        self.used += amount
        self.background += amount * (number & 1)
        logged = limit.concurrent is not None or limit.reset == "rolling"
        if not logged and limit.reset != "bucket":
            # Near its end the request may be counted in the next period: see `_start_period`.
            logged = now >= period(limit.reset, limit.per, now - MARGIN)[1] - MARGIN
        if logged:
            at = bisect_right(self.times, now)  # another machine's clock may be a little ahead
            self.grants.insert(at, number)
            self.times.insert(at, now)
            self.amounts.insert(at, amount)

    def change(self, charge: Charge, grant: Grant, amount: float | None) -> None:
        """What `grant` took is now known to be `amount`; None: the share comes back."""
        limit = charge.limit
        if limit.concurrent is not None or limit.reset == "rolling":
            self._change_entry(grant.number, amount)
        elif limit.reset == "bucket":
            # What has run out of the bucket since comes back to nobody.
            drained = max(0.0, self.since - grant.at) * size_of(limit) / limit.per
            before, after = amount_of(charge, grant.tokens), amount or 0.0
            self._add(max(0.0, after - drained) - max(0.0, before - drained), grant.number)
        elif period(limit.reset, limit.per, grant.at - MARGIN)[0] == self.since:
            self._add((amount or 0.0) - amount_of(charge, grant.tokens), grant.number)
            if grant.number in self.grants:
                self.amounts[self.grants.index(grant.number)] = amount or 0.0

    def _add(self, amount: float, number: int) -> None:
        self.used = max(0.0, self.used + amount)
        self.background = max(0.0, self.background + amount * (number & 1))

    def _change_entry(self, number: int, amount: float | None) -> None:
        if number not in self.grants:
            return
        at = self.grants.index(number)
        change = (amount or 0.0) - self.amounts[at]
        self.used += change
        self.background += change * (number & 1)
        if amount is None:
            del self.grants[at], self.times[at], self.amounts[at]
        else:
            self.amounts[at] = amount
