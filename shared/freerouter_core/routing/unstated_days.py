"""`UnstatedDays`: what background requests may take of a day whose limit nobody states.

Most free tiers have a limit of the day, and many are small: 50, 200, 250 or 1,000 requests are
usual. A job that finds such a limit by running into it has spent the day of everybody. So where
people ask an account of which no limit is known at all, a day of the smallest usual size is
presumed. It doubles in every five minutes that it is survived. A job takes half of it, evenly over
the day. Who states a minute and no day has none, unless its row says that it has one, and neither
has a server of one's own network.

What a refusal told is known better: so many requests were sent today. It also counts for an account
whose stated limit is larger than the true one, and it is remembered for the days to come, until one
is survived.

Where nobody asks but the job, there is nobody to leave anything to, and it goes as fast as it can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..catalogue.addresses import is_private
from ..catalogue.calendar import DAY
from ..catalogue.providers import Account
from .people import Visit

FIRST = 50.0
"""Requests of a day that are presumed at first."""
DOUBLES = 300.0
"""Seconds in which that doubles, as long as nobody is refused."""
LARGEST = 100_000.0
"""Requests of a day from which on no limit is presumed."""
PEOPLE = 0.5
"""The part of a day that is left to interactive requests, unless they took more the day before."""
AT_ONCE = 0.1
"""The part of its share that a job may take at once."""
EXACT = 1.0
"""Seconds by which the moment may be wrong at which one more may go."""


@dataclass(slots=True)
class _Day:
    """The day of one account (UTC). Times are unix seconds."""

    number: int
    interactive: int = 0
    background: int = 0
    yesterday: int = 0
    """Interactive requests of the day before."""
    survived: int = 0
    """The most requests of a day that were sent without a refusal."""
    told: int | None = None
    """The requests of a day after which one was refused."""
    refused: bool = False
    """Whether that was today."""

    @property
    def sent(self) -> int:
        return self.interactive + self.background

    def allowed(self, at: float, begins: float, ends: float) -> float:
        """Background requests that may have been sent by then, of a day that people have shared
        since it `begins`."""
        grown = max(FIRST, 2.0 * self.survived) * 2.0 ** min(64.0, (at - begins) / DOUBLES)
        size = self.told or grown
        if size >= LARGEST:
            return math.inf
        people = max(PEOPLE * size, self.yesterday, self.interactive)
        passed = (at - begins) / (ends - begins)
        return max(0.0, size - people) * (AT_ONCE + (1.0 - AT_ONCE) * passed)


class UnstatedDays:
    """By the account's scope, in this process. Times are unix seconds."""

    def __init__(self) -> None:
        self._days: dict[str, _Day] = {}
        self.touched: set[str] = set()
        """Scopes of which something was learnt that other processes should know."""

    def sent(self, scope: str, now: float, *, background: bool) -> None:
        """A request of an account was sent."""
        day = self._day(scope, now)
        if background:
            day.background += 1
        else:
            day.interactive += 1

    def spent(self, scope: str, now: float) -> None:
        """A request was refused, because the day's limit was full."""
        day = self._day(scope, now)
        if not day.refused:
            day.told, day.refused, day.survived = max(1, day.sent - 1), True, 0
            self.touched.add(scope)

    def known(self, scope: str) -> tuple[int, int | None, int] | None:
        """(the day in days of unix time, what a refusal told of it, what was survived); None: not
        an account of which anything was learnt."""
        day = self._days.get(scope)
        return None if day is None else (day.number, day.told, day.survived)

    def learn(self, scope: str, number: int, told: int | None, survived: int) -> None:
        """Another process knows this, of the same day or an earlier one."""
        day = self._days.setdefault(scope, _Day(number))
        if number <= day.number and not day.refused:
            day.told, day.survived = told, max(survived, day.survived)
            day.refused = told is not None and number == day.number

    def free_at(self, account: Account, now: float, visit: Visit | None) -> float:
        """When a background request of an account may go; `now`: at once. `visit`: the latest of
        people; None: nobody ever came."""
        if visit is None or not visit.lately(now):
            return now
        day = self._day(account.scope, now)
        own = account.local or is_private(account.base_url)
        if day.told is None and (own or (account.limits and not account.untold_day)):
            return now
        begins, ends = max(day.number * DAY, visit.first), (day.number + 1) * DAY
        if day.background < day.allowed(now, begins, ends):
            return now
        early, late = now, ends
        while late - early > EXACT:  # what is allowed only grows
            middle = (early + late) / 2.0
            if day.background < day.allowed(middle, begins, ends):
                late = middle
            else:
                early = middle
        return late

    def _day(self, scope: str, now: float) -> _Day:
        """The account's day, which is a new one after midnight."""
        number = int(now // DAY)
        day = self._days.get(scope)
        if day is None:
            day = self._days[scope] = _Day(number)
        if number > day.number:
            if not day.refused and (day.told is None or day.sent > day.told):
                day.told, day.survived = None, max(day.survived, day.sent)
                self.touched.add(scope)
            day.yesterday = day.interactive if number == day.number + 1 else 0
            day.number, day.refused = number, False
            day.interactive, day.background = 0, 0
        return day
