"""`Demand`: what interactive requests usually want of one limit, learnt by the hour of the day.

Of a short limit (a minute, so many at once) it keeps the most that was wanted at a time. Of a long
one (an hour, a day, a month) it keeps how much was asked for in each hour. People have habits, so
the same hour of the day is the best guess. It rises fast and falls slowly: a reserve that is too
large costs a job some time, one that is too small costs a person an answer.

While people are there (`people`), a part of a short limit is kept in any case: `PRIOR` when they
have come, and less and less. Once they have left, `ABSENT` is: where background requests are spread
over the minute, who comes next waits seconds for more.

While an hour was never seen, a part of a day is assumed (`PRIOR_DAY`). Once somebody has asked,
nearly all of it is (`PRIOR_ASKED`): those who begin to work seldom stop after one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..catalogue.calendar import DAY, HOUR
from .people import Visit

HOURS = 24
UNSEEN = -1.0
"""An hour of the day that was never seen."""
PRIOR = 0.75
"""The part of a short limit that interactive requests are thought to want at first."""
ABSENT = 0.1
"""The part that is kept while nobody is there."""
PRIOR_DAY = 0.5
"""The part of a long limit that they are thought to want while nothing is known."""
PRIOR_ASKED = 0.95
"""The same once an interactive request was seen."""
HALF_LIFE = 1_200.0
"""Seconds in which the most that was wanted lately counts for half."""
RISE, FALL = 0.5, 0.2
"""How fast an hour's value follows what was seen in it."""
HEADROOM = 1.0
"""Square roots of the most that was wanted lately by which more may be wanted the next time."""
USUAL = 0.8
"""The part of an hour's usual most that is expected again."""
MAX_GAP = 7 * HOURS
"""Hours without a look after which no more is learnt from the silence."""


@dataclass(slots=True)
class Demand:
    """What interactive requests want of one limit. Times are unix seconds."""

    hours: list[float] = field(default_factory=lambda: [UNSEEN] * HOURS)
    """By hour of the day (UTC): of a short limit the most at a time, of a long one how much."""
    hour: int = 0
    """The hour that is being watched, in hours of unix time; 0: none yet."""
    value: float = 0.0
    """What was seen in it so far."""
    last: float = 0.0
    """What was in use at the last look (long limits)."""
    since: float = 0.0
    """When it was first looked at."""
    peak: float = 0.0
    """The most that was wanted lately, at `peak_at`."""
    peak_at: float = 0.0

    @classmethod
    def unknown(cls, now: float, used: float = 0.0) -> Demand:
        """Of a limit that was never looked at. `used`: of it by interactive ones."""
        return cls(hour=int(now // HOUR), last=used, since=now, peak_at=now)

    def wanted(self, amount: float, now: float) -> bool:
        """So much of a short limit is wanted at a time. Returns whether that is news."""
        news = self._turn(now)
        self.value = max(self.value, amount)
        if amount <= self._recent(now):
            return news
        self.peak, self.peak_at = amount, now
        return True

    def asked(self, used: float, now: float) -> bool:
        """So much of a long limit is used. Returns whether another hour has begun."""
        news = self._turn(now)
        if used > self.last:
            self.value += used - self.last
        self.last = used
        return news

    def most(self, now: float, size: float, visit: Visit | None, amount: float = 1.0) -> float:
        """The most that is expected at a time of a short limit of this size.

        `visit`: the latest visit of people; None: nobody ever came. `amount`: of one request.
        """
        usual = max(self.hours[int(now // HOUR) % HOURS], self.hours[int(now // HOUR + 1) % HOURS])
        if visit is None or not visit.lasts(now):
            return max(ABSENT * size, amount, USUAL * usual)
        recent = self._recent(now)
        expected = recent + HEADROOM * math.sqrt(recent * amount)
        return max(expected, USUAL * usual, PRIOR * size * _faded(now - visit.since))

    def rest(self, now: float, until: float, size: float, *, asked: bool = False) -> float:
        """How much of a long limit of this size is expected to be asked for until then. `asked`:
        whether people are known to ask who may want it.

        An hour that was never seen is thought to be at least like the others, and the one now.
        """
        unseen, today = self._unseen(size, asked), now // DAY * DAY
        hours = [unseen if value == UNSEEN else value for value in self.hours]
        return max(0.0, _by(until - today, hours) - _by(now - today, hours))

    def joined(self, other: Demand) -> Demand:
        """What both know: the later hour counts, and the higher of two peaks."""
        later = other if (other.hour, other.value) > (self.hour, self.value) else self
        at, since = max(self.peak_at, other.peak_at), min(self.since, other.since)
        peak = max(self._recent(at), other._recent(at))
        return replace(later, hours=list(later.hours), since=since, peak=peak, peak_at=at)

    @property
    def was_asked(self) -> bool:
        """Whether an interactive request was ever seen under a long limit."""
        return self.value > 0.0 or self.last > 0.0 or max(self.hours) > 0.0

    def _unseen(self, size: float, asked: bool) -> float:
        seen = [value for value in self.hours if value != UNSEEN]
        usual = sum(seen) / len(seen) if seen else 0.0
        prior = PRIOR_ASKED if asked or self.was_asked else PRIOR_DAY
        return max(prior * size / HOURS, usual, self.value)

    def _recent(self, now: float) -> float:
        return self.peak * _faded(now - self.peak_at)

    def _turn(self, now: float) -> bool:
        """Learn from the hours that have ended since the last look."""
        hour = int(now // HOUR)
        if hour <= self.hour:
            return False
        for ended in range(self.hour, min(hour, self.hour + MAX_GAP)):
            old = self.hours[ended % HOURS]
            rate = 1.0 if old == UNSEEN else RISE if self.value > old else FALL
            self.hours[ended % HOURS] = old + rate * (self.value - old)
            self.value = 0.0
        self.hour = hour
        return True


def _by(seconds: float, hours: Sequence[float]) -> float:
    """How much is asked for in so many seconds from midnight on; `hours`: in each of a day."""
    days, rest = divmod(seconds, DAY)
    hour, part = divmod(rest, HOUR)
    begun = int(hour)
    return days * sum(hours) + sum(hours[:begun]) + hours[begun] * part / HOUR


def _faded(seconds: float) -> float:
    """How much something of the past still counts."""
    return math.exp(-max(0.0, seconds) / HALF_LIFE * math.log(2.0))


Demands = Mapping[str, Demand]
"""By the name of a limit's window."""
