"""When a request of a scarce account is worth sending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.routing import steps as s
from freerouter_core.routing.availability import Availability
from freerouter_core.routing.candidates import Candidates, Turn
from freerouter_core.routing.congestion import FREE, Congestion
from freerouter_core.routing.engine import RERANK_AFTER
from freerouter_core.routing.health import Health
from freerouter_core.routing.health_book import NO_OUTAGE, HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.ways import Way
from freerouter_core.routing.worth import (
    ATTEMPT_SHARE,
    DELAY_FACTOR,
    LONGEST_POLL,
    PLENTY,
    PROBE_POLL,
    SHARE_OF_TIME_LEFT,
    SURE_ENOUGH,
    UNKNOWN_TIME_LEFT,
    worth_asking_at,
)
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, account, answers, busy, likely, model, plan, play

A, A2, B = model("a"), model("a2"), model("b", "two")
USUAL = 0.7


def down(ago: float = 0.0, chance_up: float = 0.1, **more: Any) -> Health:
    """A model that was probably down so many seconds ago."""
    availability = Availability(chance_up=chance_up, seen_at=NOW - ago)
    return Health(availability=availability, strikes=3, **more)


def worth(record: Health, **more: Any) -> float:
    """In how many seconds it is worth a request, or is looked at again."""
    congestion = {"delay": more.pop("delay", 0.0), "denial": more.pop("denial", 0.0)}
    arguments: dict[str, Any] = {
        "time_left": 60.0,
        "usual": USUAL,
        "probed": False,
        "outage": NO_OUTAGE,
        "day": None,
    }
    return (
        worth_asking_at(record, NOW, congestion=Congestion(**congestion), **arguments | more) - NOW
    )


# -- gain and cost ------------------------------------------------------------------------------


def test_where_nobody_wants_anything_of_the_account_anything_may_be_tried() -> None:
    assert worth(down(), delay=PLENTY - 0.01) == 0.0
    assert worth(down(), delay=PLENTY - 0.01, probed=True) == 0.0
    assert worth(down(), delay=PLENTY, probed=True) == PROBE_POLL
    assert FREE.seconds < PLENTY


def test_a_model_without_any_outcome_may_be_tried() -> None:
    assert worth(Health(), delay=30.0, denial=0.5) == 0.0
    assert worth(Health(), delay=30.0, probed=True) == 0.0


def test_one_probe_serves_all_waiting_requests() -> None:
    assert worth(down(), delay=5.0, probed=True) == PROBE_POLL


def test_what_others_would_wait_is_weighed_against_the_chance() -> None:
    record = down()
    chance = record.odds(NOW)[0]
    even = (58.0 * chance - ATTEMPT_SHARE * 60.0) / DELAY_FACTOR

    assert chance < SURE_ENOUGH * USUAL
    assert even > PLENTY
    assert worth(record, delay=even - 0.001) == 0.0
    assert worth(record, delay=even + 0.001) > 0.0


def test_the_answer_that_others_would_not_get_is_weighed_against_the_chance() -> None:
    """Of the day's few. Another would be answered as often as is usual here."""
    record = down()
    even = (58.0 / 60.0 * record.odds(NOW)[0] - ATTEMPT_SHARE) / USUAL

    assert 0.0 < even < 0.5
    assert worth(record, denial=even - 0.001) == 0.0
    assert worth(record, denial=even + 0.001) > 0.0
    assert worth(record, denial=even + 0.001, usual=0.9 * USUAL) == 0.0


def test_a_model_that_failed_longer_ago_is_worth_more() -> None:
    waits = [worth(down(ago=ago), delay=5.0) for ago in (0.0, 10.0, 20.0, 40.0, 80.0)]

    assert waits == sorted(waits, reverse=True)
    assert waits[0] > 8.0
    assert waits[-1] == 0.0


def test_when_it_is_worth_asking_is_foreseen() -> None:
    """After the wait that it names, it is worth a request, unless that is a mere next look."""
    for delay in (3.0, 4.0, 5.0, 6.0):
        wait = worth(down(), delay=delay, time_left=None)
        assert 0.0 < wait <= LONGEST_POLL
        if wait < LONGEST_POLL:
            assert worth(down(ago=wait), delay=delay, time_left=60.0 + wait) == 0.0


def test_more_time_left_makes_an_answer_worth_more() -> None:
    waits = [worth(down(), delay=4.0, time_left=left) for left in (60.0, 90.0, 120.0, 600.0)]

    assert waits == sorted(waits, reverse=True)
    assert waits[0] > waits[-1] == 0.0


@pytest.mark.parametrize("usual", [0.9, 0.5, 0.1])
def test_a_chance_about_as_good_as_is_usual_here_is_worth_any_request(usual: float) -> None:
    """Others would do no better with it."""
    enough = SURE_ENOUGH * usual
    good, poor = (
        Health(availability=likely(chance)) for chance in (enough + 0.001, enough - 0.001)
    )

    assert worth(good, usual=usual, delay=1e9, denial=1.0) == 0.0
    assert worth(poor, usual=usual, delay=1e9, denial=1.0) > 0.0


def test_a_way_of_asking_that_it_does_badly_lowers_the_chance() -> None:
    able = Health(availability=likely(0.9))
    unable = Health(availability=likely(0.9), ways={"tools": Way(bad=1.0, failed_at=NOW)})

    assert worth(able, delay=9.0, ways=("tools",)) == 0.0
    assert worth(unable, delay=9.0, ways=("tools",)) > 0.0
    assert worth(unable, delay=9.0, ways=("structured",)) == 0.0


@pytest.mark.parametrize("delay", [1.0, 2.0, 3.0, 5.0, 9.0])
def test_a_caller_without_a_deadline_has_a_minute(delay: float) -> None:
    without, with_one = (
        worth(down(), delay=delay, time_left=left) for left in (None, UNKNOWN_TIME_LEFT)
    )

    assert without == with_one


def test_a_slow_model_saves_its_caller_half_of_the_time_left_at_least() -> None:
    """Its first token is expected after fifty of the sixty seconds left."""
    slow, half = (down(chance_up=0.2, first_token=seconds) for seconds in (50.0, 30.0))
    even = (30.0 * slow.odds(NOW)[0] - ATTEMPT_SHARE * 60.0) / DELAY_FACTOR

    assert [worth(record, delay=even - 0.001) for record in (slow, half)] == [0.0, 0.0]
    assert worth(slow, delay=even + 0.001) > 0.0


@pytest.mark.parametrize("left", [40.0, 20.0, 5.0, 2.0])
def test_a_low_chance_ends_no_request_before_its_time(left: float) -> None:
    """A later look would lie behind the deadline, and the request would end on a guess."""
    wait = worth(down(chance_up=0.0), delay=30.0, time_left=left)

    assert wait == pytest.approx(max(PROBE_POLL, SHARE_OF_TIME_LEFT * left))
    assert 0.0 < wait < left


# -- among candidates ---------------------------------------------------------------------------

SCARCE = {"one": Congestion(delay=9.0)}


def of(request: Plan, book: HealthBook) -> Candidates:
    situation = request.situation(book, NOW, Random(0), 1)
    return Candidates.of(request.catalogue, request.accounts, situation)


def scarce(*models: Any, **more: Any) -> Plan:
    return plan(*models, extra={"congestion": SCARCE}, **more)


def book_of(**records: Health) -> HealthBook:
    models = {"a": A, "a2": A2, "b": B}
    return HealthBook(models={models[name].identity: record for name, record in records.items()})


def benched() -> HealthBook:
    book = HealthBook()
    for n in range(3):
        book.failed(A.identity, busy(), NOW - n, Random(0))
    return book


def test_a_last_resort_of_a_scarce_account_is_waited_for() -> None:
    turn = of(scarce(A), benched()).next(NOW)

    assert turn.candidate is None
    assert turn.until is not None
    assert NOW < turn.until <= NOW + LONGEST_POLL
    assert of(plan(A), benched()).next(NOW).candidate is not None


def test_a_fresh_candidate_with_a_hopeless_chance_is_not_asked_of_a_scarce_account() -> None:
    """It is on no bench. Others would only wait for its next failure."""
    book = book_of(a=down(chance_up=0.01))
    assert not book.models[A.identity].benched_until

    turn = of(scarce(A), book).next(NOW)
    assert turn.candidate is None
    assert turn.until is not None
    assert of(plan(A), book).next(NOW).candidate is not None


def test_a_named_model_is_always_asked() -> None:
    """Who names a model has weighed that already."""
    turn = of(scarce(A, preferred=("a",), order={}), book_of(a=down(chance_up=0.01))).next(NOW)

    assert turn.candidate is not None
    assert turn.candidate.named


def test_the_next_candidate_is_asked_if_the_first_is_worth_no_request() -> None:
    book = book_of(a=down(chance_up=0.01), a2=Health(availability=likely(0.9)))

    assert play(scarce(A, A2), {"a2": answers()}, state=RoutingState(health=book)).asked == ["a2"]


def test_the_ways_in_which_a_request_asks_count() -> None:
    able = Health(availability=likely(0.9), ways={"tools": Way(bad=1.0, failed_at=NOW)})
    tools = scarce(A, need=Need(tools=True))

    assert of(tools, book_of(a=able)).next(NOW).candidate is None
    assert of(scarce(A), book_of(a=able)).next(NOW).candidate is not None


@pytest.mark.parametrize(("usual", "asked"), [(0.9, False), (0.3, True)])
def test_what_is_usual_here_is_seen_in_all_outcomes(usual: float, asked: bool) -> None:
    book = book_of(a=Health(availability=likely(0.3)))
    book.pool.success = usual

    assert (of(scarce(A), book).next(NOW).candidate is not None) is asked


def test_the_time_that_the_caller_has_left_counts() -> None:
    costs = {"one": Congestion(delay=4.0)}
    candidates = of(plan(A, extra={"congestion": costs}), book_of(a=down()))

    assert candidates.next(NOW, time_left=600.0).candidate is not None
    assert candidates.next(NOW, time_left=60.0).candidate is None


def test_a_request_tells_how_much_time_it_has_left() -> None:
    state = RoutingState(health=book_of(a=down()))
    request = plan(A, timeout=600.0, extra={"congestion": {"one": Congestion(delay=4.0)}})

    assert play(request, {"a": answers()}, state=state).asked_at == [(0.0, "a")]


def test_a_probe_under_way_in_this_process_is_awaited() -> None:
    book = benched()
    book.sent(A.identity, NOW + 3_600.0)
    candidates = of(scarce(A), book)
    assert candidates.next(NOW + 3_600.0) == Turn(until=NOW + 3_600.0 + PROBE_POLL)

    book.in_flight.clear()
    later = candidates.next(NOW + 3_600.0)
    assert later.candidate is not None, "another process's probe may have died with it"


def test_a_model_whose_account_alone_is_in_doubt_is_asked() -> None:
    book = HealthBook()
    scope = plan(A).accounts["one"].scope
    book.account_refused(scope, Fault(Kind.ACCOUNT, Cause.DEBT), NOW, Random(0))

    assert of(scarce(A), book).next(NOW).candidate is not None


def test_a_request_waits_until_a_last_resort_is_worth_it() -> None:
    state = RoutingState(health=benched())
    played = play(scarce(A, timeout=600.0), {"a": answers()}, state=state)

    (at, _), waits = played.asked_at[0], len(played.all(s.Sleep))
    assert at > 0.0
    assert waits >= 1


def test_a_better_candidate_is_asked_at_once() -> None:
    state = RoutingState(health=benched())

    assert play(scarce(A, B), {"b": answers()}, state=state).asked_at == [(0.0, "b")]


# -- what others do meanwhile -------------------------------------------------------------------


def test_a_request_that_waited_hears_what_requests_cost_now() -> None:
    """The others have gone: anything may be tried, long before the chance would do."""
    calls: list[float] = []

    def gone(now: float) -> Mapping[str, Congestion]:
        calls.append(now)
        return {"one": FREE}

    waited = play(scarce(A), {"a": answers()}, state=RoutingState(health=benched()), meanwhile=gone)
    stayed = play(scarce(A), {"a": answers()}, state=RoutingState(health=benched()))

    assert len(calls) == 1
    assert waited.asked_at[0][0] < stayed.asked_at[0][0]


def ranked(*models: Any) -> Plan:
    """A request whose order follows what is known, not the test's."""
    return scarce(*models, order={})


def test_a_request_that_waited_asks_whom_others_found_to_be_up() -> None:
    """Both were down. While it slept, the one that it would have asked last answered others."""
    book = book_of(a=down(chance_up=0.05, first_token=0.5), a2=down(chance_up=0.02))

    def found(now: float) -> None:
        book.answered(A2.identity, now, first_token=1.0, seconds=1.5, tokens=20)

    state = RoutingState(health=book)
    played = play(ranked(A, A2), {"a2": answers()}, state=state, meanwhile=found)
    assert played.asked == ["a2"]
    assert len(played.all(s.Sleep)) == 1


@pytest.mark.parametrize(
    ("seconds", "asked"), [(RERANK_AFTER - 0.1, "a"), (RERANK_AFTER + 0.1, "a2")]
)
def test_a_wait_for_a_limit_renews_the_order_if_it_is_long_enough(
    seconds: float, asked: str
) -> None:
    book = book_of(a=Health(availability=likely(0.9)), a2=down())

    def found(now: float) -> None:
        book.models[A.identity].availability.failed(now)
        book.models[A.identity].availability.failed(now + 0.1)
        book.answered(A2.identity, now, first_token=0.1, seconds=0.2, tokens=20)

    one = account("one", limits=(Limit(requests=20),))
    request = plan(A, A2, order={}, accounts=(one,))
    played = play(
        request,
        {"a": answers(), "a2": answers()},
        state=RoutingState(health=book),
        full={one.scope: NOW + seconds},
        meanwhile=found,
    )
    assert played.asked == [asked]


def test_what_a_call_has_seen_of_a_candidate_outlives_a_new_order() -> None:
    request = ranked(A, A2, B)
    candidates = of(replace(request), HealthBook())
    first = candidates.next(NOW).candidate
    assert first is not None
    first.tries, first.out = 1, True
    candidates.rerank(NOW + 5.0)

    again = next(one for one in candidates.all if one.model.identity == first.model.identity)
    assert again is first
    assert len(candidates.all) == 3


def test_a_new_order_keeps_those_that_were_named_where_they_are() -> None:
    request = scarce(A, A2, B, order={}, preferred=("a2", "b"))
    candidates = of(request, HealthBook())
    before = [one.model.id for one in candidates.all]
    candidates.rerank(NOW + 5.0)

    assert [one.model.id for one in candidates.all] == before
    assert before[:2] == ["a2", "b"]
