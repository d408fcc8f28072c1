"""When a second model is asked although the first attempt is not late yet: a hedge.

The longer an attempt is silent, the likelier it is slow, or has failed without a word. A second
model may be sooner. It costs a request. Both sides are weighed in one unit, seconds (`worth`):

    gain  = chance of the second * (chance that the first answers * seconds that it would be later
            + chance that the first fails * seconds until that would show)
    price = seconds that others wait longer + a part of the minute that a request takes up
            + the chance that somebody asks for the day's last request * what his answer is worth

Where requests are plentiful and nobody knows the models yet, the price is nearly nothing and the
gain is high. So a process soon asks two models, and it learns of both.
Of a model that is known to be quick and steady, only a long silence is worth a second request.

The times of an answer are spread evenly around the expected one, and fall off as a power of e. The
silence of a failure does so, too. So after silence for longer than the expected time, mostly the
chance of a failure grows.

How much will be asked of a day, nobody knows when it begins: any order of magnitude up to
`GREAT_DAY` is as likely. So a request of fifty a day is dear, and hardly anything but a late answer
is worth a second one. A request of thousands costs the day nothing. Where a provider has a limit of
the day and does not tell it, the smallest usual one is presumed.

Hedges are few all the same, and leave a part of every limit to ordinary attempts. Who lost against
a hedge is taken for slower than was thought, or it would be asked first the next time, too.

**What was tried and lost** in worlds drawn at random (`benchmarks/race`):

- A hedge when an answer is later than 95 % of its model's own, after five answers of it. It comes
  too late where nothing is known: p95 was 5 % higher.
- The same price for every account. One that stated no limit soon refused: four times the cost.
- A silence that lowers the chance that the model is up, too: no gain. Its time says the same.
- Times that are learnt from attempts that were late, too: cost 2 % more. They count as failures.
- More hedges: a quarter of all requests, and the first ten in any case. Over 390 draws the cost was
  the same, with a p95 of .72 instead of .74 and 4 % more requests.
- A day that costs nothing until some of it was used. Of sixty calls under fifty a day forty were
  answered, and fifty without hedges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..catalogue.model import Model
from .adaptive_limits import states_rate
from .candidate import Candidate
from .congestion import (
    DENIED_SECONDS,
    GREAT_DAY,
    LONG_PERIOD,
    Congestion,
    scarcity,
    smallest_day,
)
from .health_book import HealthBook
from .plan import Plan
from .policy import Policy
from .state import RoutingState
from .unstated_days import FIRST

HEDGE_PRICE = 0.2
"""Seconds that a hedge must save even if nobody waits for the account."""
PLACE_SHARE = 0.1
"""The part of the time that a request takes up in its minute, which a hedge must save besides."""
UNSTATED = 6.0
"""Seconds that a request takes up where no limit of the minute is stated: there may be one."""
FIRST_LOOK = 0.25
"""Seconds before which no hedge starts: most failures have shown by then."""
LATE = 2.3
"""Deviations after which an answer is later than 95 % of them. A model that the owner wants first,
whatever its speed, is not hedged before."""
LOOKS = 8
"""Moments at which a hedge may become worth its price: more and more seconds lie between them."""
HEDGE_SHARE = 0.05
"""Hedges per request at most."""
HEDGE_RESERVE = 0.3
"""The part of each limit that a hedge leaves to ordinary attempts."""
UNKNOWN_SPREAD = 0.6
"""Relative deviation of the time of a model that has not answered yet from the usual one."""
MIN_DEVIATION = 0.01
"""Seconds that a time may deviate at least."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What may come of an attempt. All but `chance` in seconds."""

    chance: float
    """That it answers."""
    seconds: float
    """When it is expected to: the first token (streamed), or the whole answer."""
    deviation: float
    """How far from that it comes on average."""
    failure_seconds: float
    """How long it is silent on average if it fails."""

    @classmethod
    def of(cls, plan: Plan, book: HealthBook, model: Model, now: float) -> Prospect:
        """Of an attempt at a model that is sent now."""
        record, size = book.of(model.identity), book.pool.size_of(plan.need.way)
        chance = record.chance(plan.need.ways, now)
        known = record.answers or record.provider_facts
        seconds, writing = record.first_token, 0.0
        if not plan.stream:
            usual = size.usual(plan.need.limit)
            seconds = record.expected(usual)
            writing = min(size.deviation, usual) / record.speed
        spread = math.hypot(record.spread, 0.0 if known else UNKNOWN_SPREAD)
        deviation = max(MIN_DEVIATION, math.hypot(spread * seconds, writing))
        return cls(chance, seconds, deviation, max(MIN_DEVIATION, record.failure_seconds))

    def saved_by(self, second: Prospect, waited: float, soft: float) -> float:
        """Seconds that a second attempt is expected to save, if this one was silent for `waited`
        seconds. `soft`: when a second is asked anyway."""
        late = (waited - self.seconds) / self.deviation
        silent = 0.5 * math.exp(-late) if late > 0.0 else 1.0 - 0.5 * math.exp(late)
        answers = self.chance * silent
        fails = (1.0 - self.chance) * math.exp(-waited / self.failure_seconds)
        if answers + fails <= 0.0:
            return 0.0
        past = (waited + second.seconds - self.seconds) / self.deviation
        later = self.deviation * (0.5 * math.exp(-abs(past)) + max(0.0, -past))
        shows = min(self.failure_seconds, soft - waited)
        return second.chance * (self.chance * later + fails * shows) / (answers + fails)

    def hedge_after(
        self,
        second: Prospect,
        price: float,
        *,
        soft: float,
        waited: float = 0.0,
        wanted: bool = False,
    ) -> float:
        """Seconds after which a second attempt saves its price; infinite: not before `soft`.
        `wanted`: whether the owner wants this one first."""
        late = self.seconds + LATE * self.deviation if wanted else FIRST_LOOK
        begin = max(waited, late)
        for n in range(LOOKS):
            at = begin + (soft - begin) * (n / LOOKS) ** 2
            if at < soft and self.saved_by(second, at, soft) >= price:
                return at
        return math.inf


def wanted(candidate: Candidate, policy: Policy) -> bool:
    """Whether the owner wants a candidate for another reason than that it is likely to be quick."""
    return (
        candidate.named
        or policy.kept is not None
        or policy.strategy != "adaptive"
        or bool(policy.order)
        or policy.prefer == "quality"
    )


def price_of(candidate: Candidate, congestion: Congestion) -> float:
    """Seconds that a hedge must save which asks a candidate. `congestion`: of its account."""
    place = UNSTATED
    limits = [charge.limit for charge in candidate.charges]
    if states_rate(candidate.account):
        short = (limit for limit in limits if limit.requests and 1.0 < limit.per < LONG_PERIOD)
        place = max((limit.per / (limit.requests or 1) for limit in short), default=UNSTATED)
    presumed = FIRST if candidate.account.untold_day else GREAT_DAY
    scarce = scarcity(smallest_day(candidate.charges) or presumed)
    denied = max(scarce, congestion.denial) * DENIED_SECONDS
    return HEDGE_PRICE + PLACE_SHARE * place + congestion.delay + denied


def take_hedge(state: RoutingState) -> bool:
    """Whether one more hedge is within the share of all requests; the first always is.

    It is counted at once, before anything is awaited: other requests decide meanwhile.
    """
    if state.hedges + 1 > max(1.0, HEDGE_SHARE * state.requests):
        return False
    state.hedges += 1
    return True
