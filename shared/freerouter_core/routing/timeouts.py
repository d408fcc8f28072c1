"""How long a model is waited for before somebody else is asked, too.

What is expected of a model comes from its own answers, and of one that has not answered yet from everybody's (`health`). An
attempt that outlives its patience is not cut: another is asked beside it (`engine`), so patience may be short where that costs
little, and no answer is lost by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..catalogue.model import Model
from .candidates import Candidate
from .health import Health, HealthBook
from .plan import Plan
from .steps import Attempt

FLOOR, CAP, STALL = 5.0, 45.0, 20.0
"""Bounds of the first-token patience, and the least stall patience, in seconds."""
FIRST = 3.0
"""A first token is waited for so many times as long as on average."""
HEDGE_AT, LATE = 2.5, 3.0
"""Mean deviations after which an answer is later than nineteen in twenty, and later than nearly all."""
HEDGE_KNOWN = 5
"""Answers before a percentile means anything."""
LOOK = 2.5
"""Seconds between two looks at what is expected of a model that has not answered yet."""
LEFT = 0.4
"""The part of the time left that one attempt may take: somebody else must still be able to answer."""


@dataclass(slots=True, eq=False)
class InFlight:
    """An attempt under way, and when the patience with it ends."""

    attempt: Attempt
    candidate: Candidate
    sent: float
    soft_deadline: float
    hedge_at: float
    token_at: float | None = None
    overdue: bool = False

    def look(self, plan: Plan, book: HealthBook, now: float, deadline: float | None) -> None:
        """Whether it is overdue by what is known now: of a model that has not answered yet others' answers may have told."""
        ends = self.sent + soft_timeout(plan, book, self.candidate.model, self.sent, deadline)
        self.overdue, self.soft_deadline = now >= ends, min(ends, now + LOOK)


def soft_timeout(
    plan: Plan, book: HealthBook, model: Model, now: float, deadline: float | None
) -> float:
    """Seconds before another is asked beside it: to a first token, or where nothing is streamed to the whole answer."""
    health = book.expected(model.identity)
    if plan.stream:
        longest = min(CAP, max(FLOOR, FIRST * health.first_token))
    else:
        longest = max(FLOOR, health.within(_expected(plan, book, health), LATE))
    return longest if deadline is None else min(longest, max(LEFT * (deadline - now), 0.05))


def stall_timeout(book: HealthBook, model: Model) -> float:
    """Seconds between two tokens before a stream is given up."""
    return max(STALL, 2 * book.of(model.identity).first_token)


def hedge_after(plan: Plan, book: HealthBook, model: Model) -> float:
    """Seconds after which it is later than nineteen times in twenty; infinite while too little is known of it."""
    health = book.of(model.identity)
    if health.answers < HEDGE_KNOWN:
        return math.inf
    return health.within(_expected(plan, book, health), HEDGE_AT)


def too_late(
    plan: Plan, book: HealthBook, candidate: Candidate, now: float, deadline: float | None
) -> bool:
    """Whether it could hardly answer in time, while others wait for the request that it would take."""
    if (
        deadline is None
        or candidate.named
        or not plan.queue_lengths.get(candidate.account.provider)
    ):
        return False
    health = book.of(candidate.model.identity)
    tokens = book.size if plan.need.limit is None else min(book.size, plan.need.limit)
    least = health.first_token if plan.stream else health.expected(tokens)
    return deadline - now < least * (1.0 - health.spread)


def _expected(plan: Plan, book: HealthBook, health: Health) -> float:
    """Seconds to a first token; where nothing is streamed, to the end of as long an answer as is likely, or as is usual where little is
    known of the model anyway."""
    if plan.stream:
        return health.first_token
    return health.expected(
        book.likely(plan.need.limit) if health.answers else book.usual(plan.need.limit)
    )
