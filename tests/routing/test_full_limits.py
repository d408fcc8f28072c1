"""What background requests were told of full limits, and for how long that is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.routing import steps as s
from freerouter_core.routing.charges import Charge, Refusal
from freerouter_core.routing.congestion import Congestion
from freerouter_core.routing.full_limits import RECHECK, FullLimits
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState

from .driver import NOW, account, answers, model, plan, play

A, B = model("a"), model("b", "two")
LIMITED = account("one", limits=(Limit(20),))
FATES = {"a": answers(), "b": answers()}
REFUSAL = Refusal(NOW + 60.0, "one", limit=Limit(20))


@pytest.fixture
def full() -> FullLimits:
    full = FullLimits()
    full.told(REFUSAL, 100, "even", NOW)
    return full


def test_the_next_request_knows_what_the_last_was_told(full: FullLimits) -> None:
    assert full.known(10, "even", NOW + 59.0) == {"one": REFUSAL}
    assert full.known(10, "even", NOW + 60.0) == {}


def test_a_long_wait_is_looked_at_again_now_and_then() -> None:
    full, long = FullLimits(), Refusal(NOW + 86_400.0, "one", limit=Limit(50, per=86_400.0))
    full.told(long, 100, "even", NOW)
    assert full.known(100, "even", NOW + RECHECK)
    assert not full.known(100, "even", NOW + RECHECK + 1.0)


def test_another_pace_is_another_answer(full: FullLimits) -> None:
    assert full.known(100, "asap", NOW) == {}


def test_a_smaller_request_may_have_room_where_a_larger_one_had_none() -> None:
    full, refusal = FullLimits(), Refusal(NOW + 60.0, "one", limit=Limit(tokens=6_000))
    full.told(refusal, 4_000, "even", NOW)
    assert full.known(3_999, "even", NOW) == {}
    assert full.known(4_000, "even", NOW) == {"one": refusal}


def test_who_has_no_time_to_wait_asks_and_is_told_at_once(full: FullLimits) -> None:
    assert full.known(100, "even", NOW, bound=NOW + 60.0) == {}
    assert full.known(100, "even", NOW, bound=NOW + 61.0) == {"one": REFUSAL}
    full.told(Refusal(NOW + 60.0, "one", turn=NOW + 120.0), 100, "even", NOW)
    assert full.known(100, "even", NOW, bound=NOW + 61.0) == {}


def test_who_waits_for_another_limit_need_not_ask_under_one_that_is_full_for_longer() -> None:
    full, long = FullLimits(), Refusal(NOW + 3_600.0, "two", limit=Limit(50, per=86_400.0))
    for refusal in (REFUSAL, long):
        full.told(refusal, 100, "even", NOW)
    assert full.known(100, "even", NOW, bound=NOW + 61.0) == {"one": REFUSAL, "two": long}
    assert full.known(100, "even", NOW, bound=NOW + 60.0) == {}


def test_what_is_given_back_is_there_for_the_next(full: FullLimits) -> None:
    full.freed(["one", "another"])
    assert full.known(100, "even", NOW) == {}


def test_those_in_line_wait_for_the_limit_that_refused_last() -> None:
    full, charge = FullLimits(), Charge("one", Limit(9), name="learnt")
    full.refused(Refusal(NOW + 60.0, "one"))
    assert full.waited_for(charge) == (Limit(9), True)
    full.refused(REFUSAL)
    assert full.waited_for(charge) == (Limit(20), False)
    full.refused(replace(REFUSAL, learnt=True))
    assert full.waited_for(Charge("one", Limit(20))) == (Limit(20), True)
    assert full.waited_for(Charge("two", Limit(8))) == (Limit(8), False)


def test_who_may_go_leaves_nothing_to_know() -> None:
    full = FullLimits()
    full.told(None, 100, "even", NOW)
    full.told(Refusal(NOW + 60.0, "one", limit=Limit(20, counts="texts")), 100, "even", NOW)
    assert full.known(100, "even", NOW) == {}


# -- requests that know of it -------------------------------------------------------------------


def background(*models: Any, until: float, limit: Limit | None = LIMITED.limits[0]) -> Plan:
    """A background request that knows until when the first account is full."""
    full = {LIMITED.scope: Refusal(until, LIMITED.scope, limit=limit)}
    return plan(*models, accounts=[LIMITED], extra={"lane": "background", "full": full})


def test_a_full_account_is_passed_over_without_a_question() -> None:
    request = play(background(A, B, until=NOW + 60.0), FATES)
    assert request.asked_at == [(0.0, "b")]
    assert not request.all(s.Sleep)


def test_with_nobody_else_it_waits_in_that_line_and_says_for_what() -> None:
    request = play(background(A, until=NOW + 60.0), FATES)
    (sleep,) = request.all(s.Sleep)
    assert (sleep.until, sleep.scope) == (NOW + 60.0, LIMITED.scope)
    assert sleep.wait is not None
    assert sleep.wait.reason == "the 20 requests a minute of one are used"
    assert request.asked_at == [(60.0, "a")]


def test_what_others_heard_meanwhile_is_heard_by_who_wakes() -> None:
    def heard(now: float) -> dict[str, Refusal]:
        return {LIMITED.scope: Refusal(NOW + 90.0, LIMITED.scope)} if now < NOW + 90.0 else {}

    request = play(background(A, until=NOW + 60.0), FATES, heard=heard)
    assert [sleep.until - NOW for sleep in request.all(s.Sleep)] == [60.0, 90.0]
    assert len(request.all(s.Reserve)) == 1
    assert request.asked_at == [(90.0, "a")]


def test_the_order_is_a_new_one_once_somebody_can_be_asked() -> None:
    """Two models of the account; while the request waited, the first was found to be gone."""
    other = model("a2")
    request = background(A, other, until=NOW + 60.0)
    state = RoutingState()

    def meanwhile(now: float) -> dict[str, Congestion]:
        state.health.vanished(A.identity, now, now)
        return {}

    assert play(request, {**FATES, "a2": answers()}, state=state, meanwhile=meanwhile).asked == [
        "a2"
    ]
