"""When a background request may take of a long limit: a reserve stays, and the day is paced.

**The reserve.** What interactive requests will probably still ask for before the limit resets
(`demand`) is left to them, and a little more. It shrinks as the period ends. What is left of it
then is taken by the job.

**The pace.** A job that is larger than a day's quota ends when the days' quotas allow. It does not
matter to it at which hour of the day it spends them. To a person who comes in the evening it does.
So with the pace "even" background requests are never far ahead of the clock: after half of the day
they have taken about half of what the day leaves to them. `AT_ONCE` of it is taken at once,
because many jobs are small. A job that starts late catches up, unless people were seen to ask and
nobody knows yet how much they will. With "asap" only the reserve stays.

In the unit of `worth`, seconds of callers: a background request gains nothing by coming early in
the day, and so nothing may be risked for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..catalogue.calendar import DAY, period
from ..catalogue.providers import Limit
from ..wire.request import Pace
from .charges import size_of
from .demand import Demand
from .window import MARGIN, Window

PACED_PERIOD = DAY / 2
"""Seconds from which on a limit's period is long enough to pace."""
AT_ONCE = 0.1
"""The part of the background's quota that it may take whenever it likes."""
EARLY = 0.97
"""The part of a period after which all may be spent: what is never asked for is lost."""
STEPS = 48
"""Moments at which the reserve is looked at, to find out when it has shrunk enough."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """What background requests may take of a long limit now.

    `reserved`: what stays for interactive ones until the reset. `share`: what background requests
    may have of the whole period. `free_at`: when the next may go (unix seconds).
    """

    reserved: float
    share: float
    free_at: float


def pacing(
    limit: Limit,
    window: Window,
    demand: Demand,
    pace: Pace,
    now: float,
    amount: float = 1.0,
    *,
    asked: bool = False,
) -> Pacing:
    """The plan for a request that takes `amount`. The window must be of now (`Window.expire`).

    `asked`: whether people came lately who may want some of it, whatever they took so far.
    """
    asked = asked or demand.was_asked
    if limit.reset in ("rolling", "bucket"):
        return _rolling(limit, window, demand, pace, now, amount, asked)
    start, end = period(limit.reset, limit.per, now - MARGIN)
    size = size_of(limit)
    reserved = _with_margin(demand.rest(now, end, size, asked=asked), amount)
    share = max(0.0, size - reserved - (window.used - window.background))
    due = now
    if window.background + amount > share:
        due = _reserve_shrinks(limit, window, demand, now, end, amount, asked)
    elif pace == "even" and limit.per >= PACED_PERIOD:
        taken, at_once = window.background + amount, max(AT_ONCE * share, amount)
        if taken > at_once:  # the first may always go, if it fits
            begins = max(start, demand.since) if asked else start
            ahead = (taken - at_once) / (share - at_once)
            due = max(now, begins + ahead * EARLY * (end - begins))
    return Pacing(reserved, share, due)


def _with_margin(expected: float, amount: float) -> float:
    """Twice as likely as not, it is less than this; `amount`: of one request."""
    return expected + math.sqrt(expected * amount)


def _reserve_shrinks(
    limit: Limit,
    window: Window,
    demand: Demand,
    now: float,
    end: float,
    amount: float,
    asked: bool,
) -> float:
    """When the reserve leaves room for `amount`; the end of the period, if it never does."""
    size = size_of(limit)
    for step in range(1, STEPS):
        at = now + (end - now) * step / STEPS
        reserved = _with_margin(demand.rest(at, end, size, asked=asked), amount)
        if window.used + amount + reserved <= size:
            return at
    return end + MARGIN


def _rolling(
    limit: Limit,
    window: Window,
    demand: Demand,
    pace: Pace,
    now: float,
    amount: float,
    asked: bool,
) -> Pacing:
    """No clock begins anew here. What was taken comes back as it was taken, so the pace is a
    bucket that refills evenly."""
    size = size_of(limit)
    reserved = _with_margin(demand.rest(now, now + limit.per, size, asked=asked), amount)
    share = max(0.0, size - reserved)
    due = window.background_free_at(limit, amount, share, now)
    if pace == "even" and limit.per >= PACED_PERIOD and share:
        rate = (1.0 - AT_ONCE) * share / limit.per
        due = max(due, spread_at(window, amount, max(amount, AT_ONCE * share), rate, now))
    return Pacing(reserved, share, due)


def spread_at(window: Window, amount: float, at_once: float, rate: float, now: float) -> float:
    """When background requests may take `amount` of a rolling limit, if they take so much at once
    and spread the rest evenly, at a rate (a second): a bucket that refills."""
    if window.background + amount <= at_once:
        return now
    level, at = 0.0, now
    for taken_at, taken in window.background_log():
        level = max(0.0, level - max(0.0, taken_at - at) * rate) + taken
        at = taken_at
    over = level - (now - at) * rate + amount - at_once
    return now + max(0.0, over / rate)
