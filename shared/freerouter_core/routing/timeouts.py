"""How long to wait for a model before another is asked, too.

The expected times come from a model's own answers; for one that has not answered yet, from all
models' answers (`timings`). A soft timeout ends nothing: another model is asked beside the late
one, and the first to answer wins (`engine`). So a soft timeout may be short if a second request
costs little, and no answer is lost by it. Only a stall ends an attempt.

A whole answer is late once its attempt has probably failed. The longer it is silent, the less
likely is it that an answer still comes; so of a model that often fails, silence says more, and
sooner. With the same patience for all, cost was 1 % and p95 2 % higher in worlds drawn at random.
"""

from __future__ import annotations

import math

from ..catalogue.model import Model
from .candidate import Candidate
from .health_book import HealthBook
from .plan import Plan

MIN_SOFT, MAX_SOFT = 5.0, 45.0
"""Bounds of the soft timeout for a first token, seconds."""
MIN_SOFT_WHOLE = 2.0
"""The least soft timeout for a whole answer, seconds. Where answers take one second, a model that
hangs is late after two."""
FIRST_TOKEN_FACTOR = 3.0
"""The soft timeout for a first token, as a multiple of the average time to one."""
FAILED = 0.9
"""The chance that a silent attempt has failed from which on it is late."""
MIN_LATE, MAX_LATE = 0.5, 5.0
"""Bounds of the deviations after which it is late."""
MIN_STALL = 20.0
"""The least stall timeout, seconds."""
QUIET_FACTOR = 3.0
"""The stall timeout while bytes still come that are no tokens (heartbeats), as a multiple."""
TOOL_QUIET = 300.0
"""The same where a call may be made: some servers send it when it is whole, minutes later."""
STALL_FACTOR = 2.0
"""The stall timeout, as a multiple of the average time to a first token."""
SHARE_OF_TIME_LEFT = 0.4
"""The part of the time left that one attempt has alone: another must still be able to answer."""
MIN_WAIT = 0.05
"""The least soft timeout when the deadline is near, seconds."""


def soft_timeout(
    plan: Plan, book: HealthBook, model: Model, now: float, deadline: float | None
) -> float:
    """Seconds before another model is asked, too.

    Streamed: to the first token. Not streamed: to the whole answer.
    """
    timings, usual = book.timings(model.identity), expected_seconds(plan, book, model)
    if plan.stream:
        seconds = min(MAX_SOFT, max(MIN_SOFT, FIRST_TOKEN_FACTOR * usual))
    else:
        late = deviations_until_late(book.of(model.identity).chance(plan.need.ways, now))
        seconds = max(MIN_SOFT_WHOLE, timings.within(usual, late))
    if deadline is None:
        return seconds
    left = deadline - now
    share = max(SHARE_OF_TIME_LEFT * left, min(usual, left), MIN_WAIT)
    return min(seconds, share)


def deviations_until_late(chance: float) -> float:
    """Mean deviations after its time until a silent attempt has probably failed. `chance`: of an
    answer, when it was sent. The times of answers fall off as a power of e (`hedge`)."""
    if chance <= 0.0:
        return MIN_LATE
    odds = max(1.0 - chance, 0.001) / chance * (1.0 - FAILED) / FAILED
    return min(MAX_LATE, max(MIN_LATE, math.log(0.5 / odds)))


def stall_timeout(book: HealthBook, model: Model) -> float:
    """Seconds without a byte before a stream is given up."""
    return max(MIN_STALL, STALL_FACTOR * book.of(model.identity).first_token)


def quiet_timeout(plan: Plan, stall: float) -> float:
    """Seconds without a token before it is given up, while other bytes still come. `stall`: those
    without a byte."""
    return max(TOOL_QUIET, stall) if plan.operation.may_call else QUIET_FACTOR * stall


def too_late(
    plan: Plan, book: HealthBook, candidate: Candidate, now: float, deadline: float | None
) -> bool:
    """Whether it could hardly answer in time. `candidate` is of an account that others wait for."""
    if deadline is None or candidate.named:
        return False
    record = book.of(candidate.model.identity)
    usual = record.expected(book.pool.size_of(plan.need.way).usual(plan.need.limit))
    seconds = record.first_token if plan.stream else usual
    return deadline - now < seconds * (1.0 - record.spread)


def expected_seconds(plan: Plan, book: HealthBook, model: Model) -> float:
    """Seconds to the first token (streamed), or to the end of a long answer.

    Of a model that has not answered yet too little is known anyway: an answer of usual length.
    """
    timings = book.timings(model.identity)
    if plan.stream:
        return timings.first_token
    size, limit = book.pool.size_of(plan.need.way), plan.need.limit
    answered = book.of(model.identity).answers
    return timings.expected(size.likely(limit) if answered else size.usual(limit))
