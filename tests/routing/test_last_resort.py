"""When a model that is probably down is worth a request of a scarce account."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core.routing import steps as s
from freerouter_core.routing.candidates import Candidates, Turn
from freerouter_core.routing.health import Health
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.last_resort import (
    ATTEMPT_SHARE,
    CONGESTION_FACTOR,
    LONGEST_POLL,
    PLENTY,
    PROBE_POLL,
    SURE_ENOUGH,
    worth_asking_at,
)
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, answers, busy, model, plan, play

A, A2, B = model("a"), model("a2"), model("b", "two")


def down(strikes: int = 3, ago: float = 0.0, good: float = 9.0, **more: Any) -> Health:
    """A model that failed so often in a row, so many seconds ago."""
    then = NOW - ago
    return Health(good=good, strikes=strikes, up=False, outcome_at=then, decayed_at=then, **more)


def worth(record: Health, **more: Any) -> float:
    """In how many seconds it is worth a request, or is looked at again."""
    arguments = {"congestion": 5.0, "time_left": 60.0, "probed": False, **more}
    return worth_asking_at(record, NOW, **arguments) - NOW


def test_while_requests_are_plenty_anything_may_be_tried() -> None:
    assert worth(down(), congestion=PLENTY - 0.01) == 0.0
    assert worth(down(), congestion=PLENTY - 0.01, probed=True) == 0.0
    assert worth(down(), congestion=PLENTY, probed=True) == PROBE_POLL


def test_a_request_that_makes_others_wait_a_third_of_a_second_is_weighed() -> None:
    assert worth(down(strikes=6), congestion=0.3) > 0.0


def test_a_low_chance_ends_no_request_before_its_time() -> None:
    """A later look would lie behind the deadline, and the request would end on a guess."""
    for left in (40.0, 20.0, 5.0, 2.0):
        assert 0.0 < worth(down(strikes=9), congestion=30.0, time_left=left) < left


def test_a_model_without_any_outcome_may_be_tried() -> None:
    assert worth(Health(), probed=True) == 0.0


def test_one_probe_serves_all_waiting_requests() -> None:
    assert worth(down(), probed=True) == PROBE_POLL


def test_what_others_would_wait_is_weighed_against_the_chance() -> None:
    record = down()
    chance = record.odds(NOW)[0]
    even = (58.0 * chance - ATTEMPT_SHARE * 60.0) / CONGESTION_FACTOR

    assert chance < SURE_ENOUGH
    assert even > PLENTY
    assert worth(record, congestion=even - 0.001) == 0.0
    assert worth(record, congestion=even + 0.001) > 0.0


def test_a_model_that_failed_longer_ago_is_worth_more() -> None:
    assert [worth(down(ago=ago), congestion=2.0) for ago in (0.0, 10.0)] == [8.0, 0.0]
    assert [worth(down(ago=ago)) for ago in (0.0, 20.0, 40.0)] == [LONGEST_POLL, LONGEST_POLL, 0.0]


def test_more_time_left_makes_an_answer_worth_more() -> None:
    waits = [
        worth(down(), congestion=2.0, time_left=seconds) for seconds in (1.0, 10.0, 60.0, 600.0)
    ]

    assert waits == [PROBE_POLL, 6.0, 8.0, 0.0]  # looked at again while there is time


def test_a_chance_that_is_good_enough_is_worth_any_request() -> None:
    record = down(strikes=1, good=30.0)
    assert record.odds(NOW)[0] > SURE_ENOUGH

    assert worth(record, congestion=1e9) == 0.0
    assert worth(down(), congestion=1e9) == LONGEST_POLL


@pytest.mark.parametrize(("time_left", "same_as"), [(None, 60.0), (60.0, 60.0)])
def test_a_caller_without_a_deadline_has_a_minute(time_left: float | None, same_as: float) -> None:
    for congestion in (1.0, 2.0, 3.0, 5.0, 9.0):
        assert worth(down(), congestion=congestion, time_left=time_left) == worth(
            down(), congestion=congestion, time_left=same_as
        )


def test_a_slow_model_saves_its_caller_half_of_the_time_left_at_least() -> None:
    """Its first token is expected after fifty of the sixty seconds left."""
    slow, half = (down(2, first_token=seconds) for seconds in (50.0, 30.0))
    even = (30.0 * slow.odds(NOW)[0] - ATTEMPT_SHARE * 60.0) / CONGESTION_FACTOR

    assert [worth(record, congestion=even - 0.001) for record in (slow, half)] == [0.0, 0.0]
    assert worth(slow, congestion=even + 0.001) > 0.0


# -- among candidates ---------------------------------------------------------------------------


def of(request: Plan, book: HealthBook) -> Candidates:
    situation = request.situation(book, NOW, Random(0), 1)
    return Candidates.of(request.catalogue, request.accounts, situation)


def scarce(*models: Any, **more: Any) -> Plan:
    return plan(*models, extra={"congestion": {"one": 9.0}}, **more)


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


def test_the_time_that_the_caller_has_left_counts() -> None:
    book = HealthBook(models={A.identity: down(benched_until=NOW + 20.0)})
    candidates = of(plan(A, extra={"congestion": {"one": 2.0}}), book)

    assert candidates.next(NOW, time_left=600.0).candidate is not None
    assert candidates.next(NOW, time_left=60.0) == Turn(until=NOW + 8.0)


def test_a_request_tells_how_much_time_it_has_left() -> None:
    state = RoutingState(health=HealthBook(models={A.identity: down(benched_until=NOW + 20.0)}))
    request = plan(A, timeout=600.0, extra={"congestion": {"one": 2.0}})

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
    book.account_refused(A_SCOPE, Fault(Kind.ACCOUNT, Cause.DEBT), NOW, Random(0))

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


A_SCOPE = plan(A).accounts["one"].scope
