"""When a second model is asked although the first attempt is not late yet.

A hedge starts when an answer is later than 95 % of the model's own answers. It saves the long tail
of times, at the price of a request. So hedges are few, and they leave a part of every limit to
ordinary attempts.
"""

from __future__ import annotations

import math

from ..catalogue.model import Model
from .health_book import HealthBook
from .plan import Plan
from .state import RoutingState
from .timeouts import expected_seconds

HEDGE_SHARE = 0.05
"""Hedges per request at most."""
HEDGE_RESERVE = 0.3
"""The part of each limit that a hedge leaves to ordinary attempts."""
HEDGE_DEVIATIONS = 2.5
"""Mean deviations after which an answer is later than 95 % of them."""
HEDGE_MIN_ANSWERS = 5
"""Answers of a model before that percentile means anything."""


def hedge_after(plan: Plan, book: HealthBook, model: Model) -> float:
    """Seconds after which it is later than 95 % of its answers; infinite: too little is known."""
    record = book.of(model.identity)
    if record.answers < HEDGE_MIN_ANSWERS:
        return math.inf
    return record.within(expected_seconds(plan, book, model), HEDGE_DEVIATIONS)


def take_hedge(state: RoutingState) -> bool:
    """Whether one more hedge is within the share of all requests; the first always is.

    It is counted at once, before anything is awaited: other requests decide meanwhile.
    """
    if state.hedges + 1 > max(1.0, HEDGE_SHARE * state.requests):
        return False
    state.hedges += 1
    return True
