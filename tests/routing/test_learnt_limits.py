"""Limits that nobody states, learnt from refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from freerouter_core import Limit, Model
from freerouter_core.routing.adaptive_limits import (
    BURST,
    FIRST_TEST,
    FORGOTTEN,
    LATELY,
    MAX_RATE,
    SILENT,
    TOLD_GROWTH,
    AdaptiveLimits,
    LearnedConcurrency,
    LearnedRate,
)
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, account, model

ONE, A = account("one"), model("a")
MINUTE = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, status=429)
OWN_MINUTE = Fault(Kind.BUSY, Cause.MODEL_MINUTE, status=429)
PACED = Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED, status=429)


def sent(count: int, **changes: Any) -> AdaptiveLimits:
    """So many requests were sent, and answered."""
    limits, one = AdaptiveLimits(), account("one", **changes)
    for _ in range(count):
        limits.answered(one, A, limits.sent(one, A, NOW), NOW)
    return limits


def asked(rate: LearnedRate, count: int, at: float = NOW) -> None:
    """So many requests were sent and answered then."""
    rate.sent.extend([at] * count)
    rate.let_in_at.extend([at] * count)


def test_what_the_last_minute_took_is_allowed_and_one_more_each_minute() -> None:
    rate = LearnedRate()
    asked(rate, 1, NOW - 61.0)
    asked(rate, 9, NOW - 1.0)
    rate.refused(NOW)

    ages = (-5.0, 0.0, FIRST_TEST - 0.1, FIRST_TEST, 60.0, 119.0, 120.0)
    assert [rate.allowed(NOW + at) for at in ages] == [9, 9, 9, 10, 10, 10, 11]
    assert rate.allowed(NOW + FORGOTTEN) == 69.0
    assert rate.allowed(NOW + FORGOTTEN + 1.0) == math.inf


def test_one_request_a_minute_is_always_allowed() -> None:
    rate = LearnedRate(rate=3.0, learnt_at=NOW - 70.0)
    rate.refused(NOW)

    assert rate.allowed(NOW) == 1.0


@pytest.mark.parametrize(("after", "learnt_at"), [(BURST - 0.1, 0.0), (BURST, BURST)])
def test_refusals_of_one_burst_count_once(after: float, learnt_at: float) -> None:
    rate = LearnedRate()
    asked(rate, 10)
    rate.refused(NOW)
    rate.refused(NOW + after)

    assert (rate.allowed(NOW + after), rate.learnt_at) == (10.0, NOW + learnt_at)


@pytest.mark.parametrize(("ago", "learnt"), [(LATELY - 1.0, math.inf), (LATELY + 1.0, 8.0)])
def test_where_more_was_let_in_lately_a_refusal_is_not_about_the_rate(
    ago: float, learnt: float
) -> None:
    rate = LearnedRate()
    asked(rate, 10, NOW - ago)
    asked(rate, 8, NOW)
    rate.refused(NOW)

    assert rate.allowed(NOW) == learnt


def test_nearly_as_many_as_lately_may_be_the_limit_which_later_refusals_do_not_change() -> None:
    rate = LearnedRate()
    asked(rate, 10, NOW - 100.0)
    asked(rate, 9, NOW)
    rate.refused(NOW)
    assert rate.allowed(NOW) == 9.0

    for more in (5, 0):
        asked(rate, more, NOW)
        rate.refused(NOW + BURST)
        assert rate.allowed(NOW + BURST) == 9.0


def test_a_guess_is_too_high_where_nobody_is_let_in_for_a_while() -> None:
    """Some servers count what they refuse: then it must be less than was let in at first."""
    for silent, learnt in ((SILENT - 0.1, 10.0), (SILENT, 3.0)):
        rate = LearnedRate()
        asked(rate, 10, NOW - 100.0)
        asked(rate, 3, NOW - silent)
        rate.rate, rate.learnt_at = 10.0, NOW - BURST
        rate.refused(NOW)
        assert rate.allowed(NOW) == learnt


def full(rate: LearnedRate, place: int, at: float, *, passes: bool) -> None:
    """So much later the window is full of new requests, and one more is sent."""
    rate.let_in_at.clear()
    rate.sent.clear()
    asked(rate, int(rate.allowed(NOW + at)) - 1, NOW + at)
    rate.send(place, NOW + at)
    if passes:
        rate.answered(place, NOW + at)
    else:
        rate.sent.pop()
        rate.refused(NOW + at, place)


def test_an_answered_test_allows_more_and_twice_as_many_if_it_follows_at_once() -> None:
    rate = LearnedRate()
    asked(rate, 10)
    rate.refused(NOW)
    allowed = []
    for n, at in enumerate((6.0, 12.0, 18.0, 60.0)):
        full(rate, 20 + n, at, passes=True)
        allowed.append(rate.allowed(NOW + at))

    assert allowed == [13, 18, 27, 29], "and after a long time the next one begins anew"


def test_while_a_server_is_in_trouble_a_refusal_is_no_limit() -> None:
    rate = LearnedRate()
    asked(rate, 10)
    rate.failed(NOW, let_in=True)
    rate.refused(NOW + 1.0)
    assert rate.allowed(NOW + 1.0) == math.inf
    rate.answered(1, NOW + 2.0)
    rate.refused(NOW + 3.0)
    assert rate.allowed(NOW + 3.0) == 12.0, "what failed was let in, too"


@pytest.mark.parametrize(
    ("cause", "let_in"), [(Cause.SERVER, 1), (Cause.CUT, 1), (Cause.CONNECT, 0)]
)
def test_whoever_is_not_reached_was_not_let_in(cause: Cause, let_in: int) -> None:
    limits = sent(9)
    limits.failed(ONE, A, NOW, let_in=bool(let_in))
    limits.answered(ONE, A, limits.sent(ONE, A, NOW), NOW)
    limits.refused(ONE, A, PACED, NOW + 1.0, limits.count)

    assert [charge.limit.requests for charge in limits.charges(ONE, A, NOW + 1.0)] == [10 + let_in]


def test_a_refused_test_comes_later_each_time() -> None:
    rate = LearnedRate()
    asked(rate, 10)
    rate.refused(NOW)
    after, at = [], 0.0
    for n in range(7):
        after.append(rate.test_after)
        at += rate.test_after
        full(rate, 20 + n, at, passes=False)
        assert rate.allowed(NOW + at) == 10.0

    assert after == [6.0, 12.0, 24.0, 48.0, 96.0, TOLD_GROWTH, TOLD_GROWTH]
    assert rate.growth == TOLD_GROWTH


@pytest.mark.parametrize(("under_way", "allowed"), [(0, 11), (2, 13), (9, 20), (30, 41)])
def test_a_test_fits_whatever_else_the_minute_holds(under_way: int, allowed: int) -> None:
    """What was under way, or had failed: a minute of silence followed, as no test ever fitted."""
    rate = LearnedRate()
    asked(rate, 10)
    rate.sent.extend([NOW] * under_way)
    rate.refused(NOW)
    rate.send(9, NOW + FIRST_TEST)

    assert rate.allowed(NOW + FIRST_TEST) == allowed
    assert rate.allowed(NOW + 60.0) == 11.0, "by then they have left the window"


def test_what_is_sent_within_the_guess_is_no_test() -> None:
    rate = LearnedRate()
    asked(rate, 10)
    rate.refused(NOW)
    rate.send(20, NOW + FIRST_TEST - 0.1)
    assert rate.test == 0, "the window is full, but what was turned away before took nothing of it"
    rate.sent.clear()
    rate.send(21, NOW + FIRST_TEST)
    assert rate.test == 0, "the window is not full"
    asked(rate, 9, NOW)
    rate.send(22, NOW + FIRST_TEST)
    assert rate.test == 22


def test_a_refusal_of_the_test_needs_no_other_proof() -> None:
    limits = sent(8)
    limits.refused(ONE, A, PACED, NOW)
    place = limits.sent(ONE, A, NOW + FIRST_TEST)

    assert limits.tests(ONE, A, place)
    assert not limits.tests(ONE, A, place - 1)
    assert not limits.tests(account("two"), A, place)


def test_a_told_limit_is_a_guess_once_nobody_is_let_in() -> None:
    rate = LearnedRate()
    rate.told(NOW, 20)
    assert rate.test_after == math.inf
    asked(rate, 8, NOW)
    rate.refused(NOW + SILENT)

    assert (rate.allowed(NOW + SILENT), rate.test_after) == (8.0, TOLD_GROWTH)


@pytest.mark.parametrize(("count", "learnt"), [(4, math.inf), (5, 5.0)])
def test_too_few_answers_are_no_rate(count: int, learnt: float) -> None:
    rate = LearnedRate()
    asked(rate, count)
    rate.refused(NOW)

    assert rate.allowed(NOW) == learnt


@pytest.mark.parametrize(("place", "forgiven"), [(4, False), (5, True), (9, True), (10, False)])
def test_an_answer_to_a_later_request_of_the_burst_forgives(place: int, forgiven: bool) -> None:
    limits = sent(9)
    limits.refused(ONE, A, PACED, NOW, 4)
    limits.sent(ONE, A, NOW)
    limits.answered(ONE, A, place, NOW)

    assert (limits.charges(ONE, A, NOW) == ()) is forgiven
    limits.answered(account("two"), A, place, NOW)


@pytest.mark.parametrize(
    ("changes", "cause", "scopes"),
    [
        ({}, Cause.ACCOUNT_GUESSED, ["one"]),
        ({}, Cause.AMBIGUOUS_429, ["one|a"]),
        ({}, Cause.UPSTREAM_429, []),
        ({"dialect": "openrouter"}, Cause.ACCOUNT_GUESSED, []),
        ({"limits": (Limit(requests=20),)}, Cause.ACCOUNT_GUESSED, []),
        ({"limits": (Limit(requests=20, per=61.0),)}, Cause.ACCOUNT_GUESSED, ["one"]),
        ({"limits": (Limit(requests=1, per=1.0),)}, Cause.ACCOUNT_GUESSED, ["one"]),
        ({"limits": (Limit(tokens=20),)}, Cause.ACCOUNT_GUESSED, ["one"]),
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
    limits.refused(ONE, A, PACED, NOW)
    (charge,) = limits.charges(ONE, A, NOW + FIRST_TEST - 0.1)
    assert (charge.limit, charge.name) == (Limit(requests=8), "learnt")
    (charge,) = limits.charges(ONE, A, NOW + 59.0)
    assert charge.before == (NOW,) * 8
    (charge,) = limits.charges(ONE, A, NOW + 60.0)
    assert (charge.limit.requests, charge.before) == (9, ())


def test_what_was_turned_away_took_nothing() -> None:
    limits = sent(8)
    limits.sent(ONE, A, NOW + 1.0)
    for _ in range(2):
        limits.took_nothing(ONE, A, NOW + 1.0)
    limits.refused(ONE, A, PACED, NOW + 1.0)
    (charge,) = limits.charges(ONE, A, NOW + 1.0)

    assert charge.before == (NOW,) * 8


def test_a_paid_model_falls_under_no_learnt_rate() -> None:
    limits = sent(8)
    limits.refused(ONE, A, PACED, NOW)

    assert limits.charges(ONE, model("p", free=False), NOW) == ()


def test_a_rate_that_is_large_enough_is_of_no_interest() -> None:
    limits = sent(8)
    for rate, expected in ((MAX_RATE - 1, 1), (MAX_RATE, 0)):
        limits.rates[ONE.scope].rate, limits.rates[ONE.scope].learnt_at = rate, NOW
        assert len(limits.charges(ONE, A, NOW)) == expected


# -- limits that refusals tell ------------------------------------------------------------------


def allowed(limits: AdaptiveLimits, at: float = 0.0, of: Model = A) -> list[float | None]:
    """Requests a minute that a model may get, by each learnt limit."""
    return [charge.limit.requests for charge in limits.charges(ONE, of, NOW + at)]


@pytest.mark.parametrize("count", [2, 6, 30, 100])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_burst_tells_exactly_what_was_let_through(count: int, share: float) -> None:
    """Its refusals come one by one, and in the end the limit is known to the request."""
    limits, fits = sent(count), max(1, int(share * count))
    for n in range(count - fits):
        limits.refused(ONE, A, MINUTE, NOW + n * 0.01)

    assert allowed(limits, 1.0) == [fits]


def test_two_requests_are_enough_to_tell() -> None:
    """A guess needs five; who says that the minute was full needs no such care."""
    guessed, told = sent(4), sent(2)
    guessed.refused(ONE, A, PACED, NOW)
    told.refused(ONE, A, MINUTE, NOW)

    assert (allowed(guessed), allowed(told)) == ([], [1])


def test_an_answer_to_a_later_request_of_the_burst_forgives_nothing_that_was_told() -> None:
    limits = sent(9)
    limits.refused(ONE, A, MINUTE, NOW, 4)
    limits.answered(ONE, A, 5, NOW)

    assert allowed(limits) == [8]


@pytest.mark.parametrize(("fault", "size"), [(MINUTE, 20), (OWN_MINUTE, 15)])
def test_a_size_that_is_stated_needs_no_count(fault: Fault, size: int) -> None:
    """Others of the account may have had the rest."""
    limits = sent(3)
    limits.refused(ONE, A, replace(fault, limit=size), NOW)

    assert allowed(limits) == [size]


def test_a_refusal_that_let_nothing_through_tells_nothing() -> None:
    """Others have used up the minute, or its window began before this process."""
    limits = sent(1)
    limits.refused(ONE, A, MINUTE, NOW)
    assert allowed(limits) == []

    limits.refused(ONE, A, replace(MINUTE, limit=9), NOW)
    assert allowed(limits) == [9]
    limits.refused(ONE, A, MINUTE, NOW)
    assert allowed(limits) == [1], "the size that was known was too much"


def test_now_and_then_one_request_more_is_tried() -> None:
    limits = sent(5)
    limits.refused(ONE, A, MINUTE, NOW)

    assert [allowed(limits, at) for at in (0.0, TOLD_GROWTH - 1.0, TOLD_GROWTH)] == [[4], [4], [5]]
    assert allowed(limits, FORGOTTEN) == [4 + FORGOTTEN // TOLD_GROWTH]
    assert allowed(limits, FORGOTTEN + 1.0) == []


def test_a_size_that_is_stated_does_not_grow() -> None:
    limits = sent(5)
    limits.refused(ONE, A, replace(MINUTE, limit=7), NOW)

    assert allowed(limits, FORGOTTEN) == [7]


def test_the_minute_in_which_it_was_told_counts_whole() -> None:
    limits = sent(5)
    limits.refused(ONE, A, MINUTE, NOW)
    charges = [limits.charges(ONE, A, NOW + at)[0] for at in (0.0, 59.0, 60.0)]

    assert [len(charge.before) for charge in charges] == [5, 5, 0]


@pytest.mark.parametrize(
    ("stated", "cause", "learnt"),
    [
        (Limit(requests=4), Cause.ACCOUNT_MINUTE, False),
        (Limit(requests=5), Cause.ACCOUNT_MINUTE, True),
        (Limit(requests=4, scope="model"), Cause.ACCOUNT_MINUTE, True),
        (Limit(requests=4, scope="model"), Cause.MODEL_MINUTE, False),
        (Limit(requests=4), Cause.MODEL_MINUTE, True),
        (Limit(requests=4, per=86_400.0), Cause.ACCOUNT_MINUTE, True),
        (Limit(requests=1, per=1.0), Cause.ACCOUNT_MINUTE, True),
        (Limit(tokens=4), Cause.ACCOUNT_MINUTE, True),
    ],
)
def test_what_a_stated_limit_of_the_minute_explains_tells_nothing(
    stated: Limit, cause: Cause, learnt: bool
) -> None:
    """Five were sent and the last was refused: a stated limit of four was full, one of five was
    not."""
    one, limits = account("one", limits=(stated,)), sent(5, limits=(stated,))
    limits.refused(one, A, Fault(Kind.BUSY, cause, status=429), NOW)

    assert bool(limits.charges(one, A, NOW)) is learnt


@pytest.mark.parametrize(
    ("seconds", "learnt"), [(None, True), (60.0, True), (66.0, False), (86_400.0, False)]
)
def test_what_lasts_longer_than_a_minute_was_no_limit_of_a_minute(
    seconds: float | None, learnt: bool
) -> None:
    limits = sent(5)
    until = None if seconds is None else NOW + seconds
    limits.refused(ONE, A, replace(MINUTE, until=until), NOW)

    assert bool(allowed(limits)) is learnt


def test_the_models_of_an_account_are_believed_to_have_the_limit_that_one_was_told() -> None:
    limits, sibling, other = sent(4), model("b"), account("two")
    limits.sent(ONE, sibling, NOW)
    limits.refused(ONE, A, OWN_MINUTE, NOW)

    assert (allowed(limits), allowed(limits, of=sibling)) == ([3], [3])
    assert [len(c.before) for c in limits.charges(ONE, sibling, NOW)] == [1], "each counts its own"
    assert limits.of_account(ONE, NOW) == (), "it is not the account's"
    limits.sent(other, A, NOW)
    assert limits.charges(other, A, NOW) == ()


def test_a_model_that_was_told_its_own_limit_keeps_it() -> None:
    limits, sibling = sent(4), model("b")
    for _ in range(9):
        limits.sent(ONE, sibling, NOW)
    limits.refused(ONE, A, OWN_MINUTE, NOW)
    limits.refused(ONE, sibling, OWN_MINUTE, NOW)

    assert (allowed(limits), allowed(limits, of=sibling)) == ([3], [8])
    third = model("c")
    limits.sent(ONE, third, NOW)
    limits.refused(ONE, third, OWN_MINUTE, NOW)
    assert allowed(limits, of=third) == [8], "of what told nothing nobody learns"


def test_what_the_models_of_an_account_share() -> None:
    limits = sent(8)
    assert limits.of_account(ONE, NOW) == ()
    limits.refused(ONE, A, MINUTE, NOW)
    (charge,) = limits.of_account(ONE, NOW)

    assert (charge.scope, charge.limit.requests) == (ONE.scope, 7)
    assert limits.of_account(account("two"), NOW) == ()
    assert limits.of_account(ONE, NOW + FORGOTTEN + 1.0) == ()


# -- how many at once ---------------------------------------------------------------------------


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
