"""Limits that nobody states, learnt from refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.routing.adaptive_limits import (
    BURST,
    FORGOTTEN,
    MAX_RATE,
    AdaptiveLimits,
    LearnedConcurrency,
    LearnedRate,
)
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, account, model

ONE, A = account("one"), model("a")
MINUTE = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, status=429)


def sent(count: int, **changes: Any) -> AdaptiveLimits:
    limits = AdaptiveLimits()
    for _ in range(count):
        limits.sent(account("one", **changes), A, NOW)
    return limits


def test_half_of_the_last_minute_is_allowed_and_one_more_each_clean_minute() -> None:
    rate = LearnedRate()
    rate.sent.extend([NOW - 61.0, *[NOW - 1.0] * 9])
    rate.refused(NOW)

    assert [rate.allowed(NOW + at) for at in (-5.0, 0.0, 59.0, 60.0, 120.0)] == [4, 4, 4, 5, 6]
    assert rate.allowed(NOW + FORGOTTEN) == 64.0
    assert rate.allowed(NOW + FORGOTTEN + 1.0) == math.inf


def test_one_request_a_minute_is_always_allowed() -> None:
    rate = LearnedRate(rate=1.0, learnt_at=NOW - 10.0)
    rate.sent.extend([NOW] * 9)
    rate.refused(NOW)

    assert rate.allowed(NOW) == 1.0


@pytest.mark.parametrize(("after", "learnt"), [(BURST - 0.1, 5.0), (BURST, 2.0)])
def test_refusals_of_one_burst_count_once(after: float, learnt: float) -> None:
    rate = LearnedRate()
    rate.sent.extend([NOW] * 10)
    rate.refused(NOW)
    rate.refused(NOW + after)

    assert rate.allowed(NOW + after) == learnt


@pytest.mark.parametrize(("count", "learnt"), [(4, math.inf), (5, 2.0)])
def test_too_few_requests_are_no_rate(count: int, learnt: float) -> None:
    rate = LearnedRate()
    rate.sent.extend([NOW] * count)
    rate.refused(NOW)

    assert rate.allowed(NOW) == learnt


@pytest.mark.parametrize(("place", "forgiven"), [(4, False), (5, True), (9, True), (10, False)])
def test_an_answer_to_a_later_request_of_the_burst_forgives(place: int, forgiven: bool) -> None:
    limits = sent(9)
    limits.refused(ONE, A, MINUTE, NOW, 4)
    limits.sent(ONE, A, NOW)
    limits.answered(ONE, A, place)

    assert (limits.charges(ONE, A, NOW) == ()) is forgiven
    limits.answered(account("two"), A, place)


@pytest.mark.parametrize(
    ("changes", "cause", "scopes"),
    [
        ({}, Cause.ACCOUNT_MINUTE, ["one"]),
        ({}, Cause.AMBIGUOUS_429, ["one|a"]),
        ({}, Cause.UPSTREAM_429, []),
        ({"dialect": "openrouter"}, Cause.ACCOUNT_MINUTE, []),
        ({"limits": (Limit(requests=20),)}, Cause.ACCOUNT_MINUTE, []),
        ({"limits": (Limit(requests=20, per=61.0),)}, Cause.ACCOUNT_MINUTE, ["one"]),
        ({"limits": (Limit(requests=1, per=1.0),)}, Cause.ACCOUNT_MINUTE, ["one"]),
        ({"limits": (Limit(tokens=20),)}, Cause.ACCOUNT_MINUTE, ["one"]),
    ],
)
def test_whose_rate_is_learnt_from_a_refusal(
    changes: dict[str, Any], cause: Cause, scopes: list[str]
) -> None:
    """Nobody's if a stated limit explains it, nor OpenRouter's: those are an upstream's."""
    one, limits = account("one", **changes), sent(8, **changes)
    limits.refused(one, A, Fault(Kind.BUSY, cause, status=429), NOW)

    learnt = [charge.scope.replace(one.scope, "one") for charge in limits.charges(one, A, NOW)]
    assert learnt == scopes


def test_a_learnt_limit_counts_what_was_sent_before_it_for_a_minute() -> None:
    limits = sent(8)
    limits.refused(ONE, A, MINUTE, NOW)
    (charge,) = limits.charges(ONE, A, NOW + 59.0)
    assert (charge.limit, charge.name) == (Limit(requests=4), "learnt")
    assert charge.before == (NOW,) * 8
    (charge,) = limits.charges(ONE, A, NOW + 60.0)
    assert (charge.limit.requests, charge.before) == (5, ())


def test_a_paid_model_falls_under_no_learnt_rate() -> None:
    limits = sent(8)
    limits.refused(ONE, A, MINUTE, NOW)

    assert limits.charges(ONE, model("p", free=False), NOW) == ()


def test_a_rate_that_is_large_enough_is_of_no_interest() -> None:
    limits = sent(8)
    for rate, expected in ((MAX_RATE - 1, 1), (MAX_RATE, 0)):
        limits.rates[ONE.scope].rate, limits.rates[ONE.scope].learnt_at = rate, NOW
        assert len(limits.charges(ONE, A, NOW)) == expected


def test_as_many_at_once_are_allowed_as_were_when_one_more_was_refused() -> None:
    limits = sent(3)
    limits.crowded(ONE, NOW)
    (charge,) = limits.charges(ONE, A, NOW)
    assert (charge.limit, charge.name) == (Limit(concurrent=3), "learnt concurrency")

    for _ in range(9):
        limits.sent(ONE, A, NOW)
    limits.crowded(ONE, NOW)
    assert limits.concurrency[ONE.scope].concurrent == 3, "never more than was learnt before"


def test_others_requests_teach_nothing_about_how_many_at_once() -> None:
    limits = sent(1)
    limits.ended(ONE)
    limits.crowded(ONE, NOW)

    assert limits.concurrency == {}
    assert limits.in_flight == {ONE.scope: 0}


def test_one_more_at_once_is_allowed_each_clean_minute() -> None:
    learned = LearnedConcurrency(3, NOW)

    assert [learned.allowed(NOW + at) for at in (0.0, 59.0, 60.0, 180.0)] == [3, 3, 4, 6]
    assert learned.allowed(NOW + FORGOTTEN) == 63
    assert learned.allowed(NOW + FORGOTTEN + 1.0) == MAX_RATE
    assert LearnedConcurrency(MAX_RATE - 1, NOW).allowed(NOW + 600.0) == MAX_RATE


def test_every_attempt_has_a_place_among_all() -> None:
    limits = AdaptiveLimits()

    assert [limits.sent(ONE, A, NOW) for _ in range(3)] == [1, 2, 3]
    assert limits.rates[ONE.scope].since(NOW - 1.0) == (NOW,) * 3
    assert limits.rates[ONE.scope].since(NOW) == ()
