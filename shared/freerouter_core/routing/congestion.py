"""`Congestion`: what one more request of an account costs the others who share it.

A limit of a minute has a line. A request that is sent takes a place in it, and everybody behind it
waits longer: that is a delay, in seconds. A limit of a day has no line. A request takes one of the
few that are left, and somebody may get none before the day ends: that is a denial, a chance.

How much will still be asked in a day, nobody knows. The best guess is: as much as was asked so far.
So a day that is a tenth used denies hardly anybody, and one that is half used may deny somebody.

Interactive requests count their own kind only. Background ones stand behind them, and what those
use is never what interactive ones need (`lanes`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..catalogue.providers import Limit
from .charges import Charge
from .window import Window

LONG_PERIOD = 3_600.0
"""Seconds from which on a limit is long: nobody waits in line for its end."""
MAX_DELAY = 30.0
"""Most seconds of delay of one request."""
DENIAL = 0.25
"""The chance that a request denies another when half of a long limit is used."""
MAX_DENIAL = 0.5
"""The most that this chance is taken for: the next request may fail as well."""
GREAT_DAY = 1_000
"""Requests of a day that people hardly ever use up."""
DENIED_SECONDS = 30.0
"""Seconds that a denied answer counts for where only seconds are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Congestion:
    """What one more request costs others."""

    delay: float = 0.0
    """Seconds that others wait longer."""
    denial: float = 0.0
    """The chance that somebody gets no answer before the limit resets."""
    waiting: int = 0
    """How many requests wait for the account."""

    @property
    def seconds(self) -> float:
        """Both as seconds."""
        return self.delay + self.denial * DENIED_SECONDS


FREE = Congestion()
"""Nobody else wants anything of the account."""


def congestion(
    charges: Iterable[Charge],
    windows: Callable[[Charge], Window],
    waiting: int,
    now: float,
    *,
    interactive: bool,
) -> Congestion:
    """What one more request under these limits costs others. `waiting`: how many of them wait.
    `interactive`: whether it is an interactive one, which is in the way of its own kind only."""
    most, denied = 0.0, 0.0
    for charge in charges:
        limit, window = charge.limit, windows(charge)
        window.expire(limit, now)
        asked = window.interactive if interactive else window.used
        if limit.per < LONG_PERIOD:
            most = max(most, delay(limit, asked, waiting))
        else:
            denied = max(denied, denial(limit, window.used, asked))
    return Congestion(delay=most, denial=denied, waiting=waiting)


def delay(limit: Limit, used: float, waiting: int) -> float:
    """Seconds that a request under a short limit delays others. `waiting`: requests in its line."""
    if not limit.requests or limit.per >= LONG_PERIOD:
        return 0.0
    full = min(1.0, used / limit.requests)
    crowding = waiting + full**3 / (1.05 - full)
    return min(MAX_DELAY, limit.per / limit.requests * crowding)


def denial(limit: Limit, used: float, asked: float) -> float:
    """The chance that a request under a long limit denies another one. `asked`: what of that which
    is `used` was asked for by those who may be denied: as much may still come."""
    if not limit.requests or limit.per < LONG_PERIOD:
        return 0.0
    left = max(0.0, limit.requests - used)
    return MAX_DENIAL if left * MAX_DENIAL <= DENIAL * asked else DENIAL * asked / left


def smallest_day(charges: Iterable[Charge]) -> int | None:
    """Requests of the smallest stated day, or longer period; None: none is stated."""
    limits = (charge.limit for charge in charges)
    days = (limit.requests for limit in limits if limit.requests and limit.per >= LONG_PERIOD)
    return min(days, default=None)


def scarcity(day: float) -> float:
    """The chance that more requests are asked for than a day has, before anything is known: any
    order of magnitude up to `GREAT_DAY` is as likely."""
    return max(0.0, 1.0 - math.log(day) / math.log(GREAT_DAY))
