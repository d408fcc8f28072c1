"""Hedges: a second model beside an attempt that is not late yet."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.routing import steps as s
from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.congestion import FREE, Congestion
from freerouter_core.routing.hedge import (
    FIRST_LOOK,
    HEDGE_PRICE,
    HEDGE_RESERVE,
    PLACE_SHARE,
    UNSTATED,
    Prospect,
    price_of,
)
from freerouter_core.routing.in_flight import Flights
from freerouter_core.routing.state import RoutingState

from .driver import HANGS, NOW, Play, account, answers, busy, model, plan, play, token

A, B, C = model("a"), model("b", "two"), model("c", "three")


def known(answers: int = 20) -> RoutingState:
    """A's first token is known to come after a second, give or take nothing."""
    state = RoutingState()
    for _ in range(answers):
        state.health.answered(A.identity, NOW - 60.0, first_token=1.0, seconds=2.0, tokens=45)
    return state


def hedged(state: RoutingState, **more: Any) -> Play:
    request = plan(A, B, stream=True, hedge="auto", timeout=60.0)
    fates = {"a": answers(4.0, "x", token(3.9)), "b": answers(0.5)}
    return play(more.pop("plan", request), fates, state=state, **more)


PLENTY = tuple(account(name, limits=(Limit(requests=600),)) for name in ("one", "two", "three"))


def test_a_steady_model_is_hedged_as_soon_as_it_is_late() -> None:
    state = known()
    played = hedged(state)
    (_, first), (due, second) = played.asked_at

    assert (first, second) == ("a", "b")
    assert 1.0 < due < 1.5 < played.sent[0].soft_timeout
    assert [attempt.hedge for attempt in played.sent] == [False, True]
    assert state.hedges == 1


def test_a_hedge_starts_when_it_saves_its_price() -> None:
    alone = other = Prospect(0.9, 1.0, 0.2, 1.5)
    at = alone.hedge_after(other, 0.6, soft=5.0)

    assert 1.0 < at < 2.5
    assert alone.saved_by(other, at, 5.0) >= 0.6 > alone.saved_by(other, at - 0.8, 5.0)
    assert alone.hedge_after(other, 0.1, soft=5.0) < at
    assert alone.hedge_after(other, 9.0, soft=5.0) == math.inf
    assert alone.hedge_after(other, 0.1, soft=5.0, waited=5.1) == math.inf, (
        "a second is asked anyway"
    )


def test_a_sooner_and_surer_second_saves_more() -> None:
    alone, other = Prospect(0.75, 3.0, 1.0, 1.5), Prospect(0.9, 1.0, 0.2, 1.5)
    surer, later = Prospect(0.99, 1.0, 0.2, 1.5), Prospect(0.9, 2.0, 0.2, 1.5)

    saved = [alone.saved_by(second, 2.0, 9.0) for second in (later, other, surer)]
    assert saved == sorted(saved)
    assert saved[0] < saved[1] < saved[2]


def test_of_a_model_that_can_neither_answer_nor_fail_any_more_nothing_is_expected() -> None:
    alone = Prospect(1.0, 1.0, 0.01, 1.0)
    assert alone.saved_by(alone, 60.0, 99.0) == 0.0


def unknown(**more: Any) -> Play:
    """Two models that nobody knows answer after four seconds."""
    free = {"order": {}, "accounts": PLENTY} | more
    request = plan(A, B, stream=True, hedge="auto", timeout=60.0, **free)
    slow = answers(4.0, "x", token(3.9))
    return play(request, {"a": slow, "b": slow}, state=RoutingState())


def test_where_requests_are_plentiful_an_unknown_model_is_hedged_at_the_first_look() -> None:
    assert [at for at, _ in unknown().asked_at] == [0.0, FIRST_LOOK]


def test_where_others_wait_no_unknown_model_is_hedged() -> None:
    costs = {name: Congestion(delay=20.0) for name in ("one", "two")}
    assert len(unknown(extra={"congestion": costs}).asked) == 1


@pytest.mark.parametrize(
    "wish",
    [
        {"preferred": ("a",)},
        {"kept": "a"},
        {"strategy": "round_robin"},
        {"order": {"a": 0, "b": 1}},
        {"prefer": "quality"},
    ],
)
def test_who_is_wanted_for_more_than_speed_has_time_to_be_known(wish: dict[str, Any]) -> None:
    assert len(unknown(**wish).asked) == 1


def test_a_hedge_costs_no_money() -> None:
    flights = Flights(RoutingState(), hedge=True)
    request = plan(A, B, stream=True, hedge="auto", timeout=60.0, accounts=PLENTY, order={})
    first = Candidate(model=A, account=PLENTY[0])
    silent = s.Attempt(number=1, model=A, account=PLENTY[0], soft_timeout=9.0, stall_timeout=9.0)
    flights.launch(first, silent, request, NOW)
    free = Candidate(model=B, account=PLENTY[1])
    paid = Candidate(model=replace(B, free=False), account=PLENTY[1])

    assert not flights.hedge(request, paid, {}, NOW + FIRST_LOOK)
    assert flights.hedge(request, free, {}, NOW + FIRST_LOOK)


@pytest.mark.parametrize(
    ("limits", "place"),
    [
        ((), UNSTATED),
        ((Limit(requests=1, per=1.0),), UNSTATED),
        ((Limit(requests=20), Limit(requests=5_000, per=86_400.0)), 3.0),
        ((Limit(requests=60), Limit(requests=20, scope="model"), Limit(tokens=5)), 3.0),
    ],
)
def test_a_hedge_is_dearer_where_a_minute_has_room_for_few(
    limits: tuple[Limit, ...], place: float
) -> None:
    candidate = Candidate(model=A, account=account("one", limits=limits))

    assert price_of(candidate, FREE) == pytest.approx(HEDGE_PRICE + PLACE_SHARE * place)
    others = Congestion(delay=2.0)
    assert price_of(candidate, others) == pytest.approx(price_of(candidate, FREE) + 2.0)


@pytest.mark.parametrize(
    ("day", "untold", "seconds"),
    [
        (None, False, 0.0),
        (1_000, False, 0.0),
        (100, False, 10.0),
        (10, False, 20.0),
        (1, True, 30.0),
    ],
)
def test_a_hedge_is_dear_where_a_day_has_room_for_few(
    day: int | None, untold: bool, seconds: float
) -> None:
    limits = () if day is None else (Limit(requests=day, per=86_400.0),)
    one = replace(account("one", limits=(Limit(requests=20), *limits)), untold_day=untold)
    usual = price_of(Candidate(model=A, account=account("one", limits=(Limit(requests=20),))), FREE)

    assert price_of(Candidate(model=A, account=one), FREE) == pytest.approx(usual + seconds)


def test_a_day_that_a_provider_does_not_tell_is_presumed_to_be_small() -> None:
    limits = (Limit(requests=20),)
    untold = replace(account("one", limits=limits), untold_day=True)
    fifty = account("one", limits=(*limits, Limit(requests=50, per=86_400.0)))

    prices = [price_of(Candidate(model=A, account=one), FREE) for one in (untold, fifty)]

    assert prices[0] == prices[1]


def test_what_denies_others_more_than_was_presumed_costs_more() -> None:
    one = account("one", limits=(Limit(requests=20), Limit(requests=100, per=86_400.0)))
    candidate = Candidate(model=A, account=one)
    dearer = price_of(candidate, Congestion(denial=0.5)) - price_of(candidate, FREE)

    assert dearer == pytest.approx(5.0)
    assert price_of(candidate, Congestion(denial=0.2)) == price_of(candidate, FREE)


def test_the_loser_of_a_hedge_is_cancelled_and_taken_for_slower() -> None:
    played = hedged(known())
    record = played.state.health.models[A.identity]

    assert [(c.attempt.model, c.why) for c in played.all(s.Cancel)] == [(A, "another answered")]
    assert (record.failures, record.answers) == (0, 20)
    assert record.first_token > 1.1
    assert [t.fault for t in played.journal.tries] == ["cancelled", None]


def test_a_loser_that_had_time_left_is_not_taken_for_slower() -> None:
    state = RoutingState()
    request = plan(A, B, hedge="auto", timeout=60.0, accounts=PLENTY, order={})
    played = play(request, {"a": answers(2.0), "b": answers(2.0)}, state=state)
    _, loser = played.sent

    assert [t.fault for t in played.journal.tries] == ["cancelled", None]
    blank = RoutingState().health.blank()
    assert state.health.models[loser.model.identity].first_token == blank.first_token


def test_whole_answers_are_hedged_by_the_time_they_take() -> None:
    request = plan(A, B, hedge="auto", timeout=60.0, accounts=PLENTY)
    fates = {"a": answers(30.0), "b": answers(1.0)}
    state = RoutingState()
    for n in range(20):  # some answers take four times as long as others
        seconds = 2.0 if n % 2 else 8.0
        state.health.answered(A.identity, NOW - 60.0, first_token=1.0, seconds=seconds, tokens=45)
    played = play(request, fates, state=state)
    record = state.health.models[A.identity]

    assert played.asked == ["a", "b"]
    assert played.asked_at[1][0] < played.sent[0].soft_timeout
    assert record.expected(100.0) > 1.0 + 100.0 / 45.0


def test_a_hedge_asks_another_account_first() -> None:
    same = model("b")
    request = plan(A, same, C, stream=True, hedge="auto", timeout=60.0)
    fates = {"a": HANGS, "b": HANGS, "c": answers(0.5)}
    assert play(request, fates, state=known()).asked == ["a", "c"]


def test_hedging_can_be_switched_off() -> None:
    assert hedged(known(), plan=plan(A, B, stream=True, hedge="off")).asked == ["a"]


@pytest.mark.parametrize(
    ("requests", "hedges", "another"),
    [(0, 0, True), (0, 1, False), (58, 2, False), (59, 2, True), (99, 5, False)],
)
def test_at_most_one_request_in_twenty_is_hedged(requests: int, hedges: int, another: bool) -> None:
    """The first hedge is always within the budget. The request itself counts, too."""
    state = known()
    state.requests, state.hedges = requests, hedges

    assert (hedged(state).asked == ["a", "b"]) is another


def test_an_attempt_that_speaks_is_not_hedged() -> None:
    request = plan(A, B, hedge="auto", timeout=600.0)
    state = known()
    played = play(request, {"a": answers(8.0, "x", token(0.1)), "b": HANGS}, state=state)

    assert state.health.models[A.identity].answers == 21
    assert played.asked == ["a"]


def test_an_attempt_is_hedged_once() -> None:
    request = plan(A, B, C, stream=True, hedge="auto")
    fates = {"a": answers(2.9, "x", token(2.9)), "b": HANGS, "c": HANGS}
    state = known()
    state.requests = 1_000
    played = play(request, fates, state=state)

    assert played.asked == ["a", "b"]


def test_a_hedge_leaves_a_part_of_every_limit_to_others() -> None:
    limited = account("two", limits=(Limit(requests=20),))
    request = plan(A, B, stream=True, hedge="auto", accounts=[limited])
    reserve = hedged(known(), plan=request).all(s.Reserve)[0]

    assert (reserve.attempt.hedge, reserve.keep) == (True, HEDGE_RESERVE)


def test_a_hedge_that_a_limit_refuses_is_not_tried_again_nor_blocks_the_account() -> None:
    limited = account("two", limits=(Limit(requests=20),))
    request = plan(A, B, stream=True, hedge="auto", accounts=[limited])
    full = {limited.scope: NOW + 2.0}
    late = {"a": HANGS, "b": answers(0.5)}
    played = play(request, late, state=known(), full=full)

    kept = [reserve.keep for reserve in played.all(s.Reserve)]
    assert kept == [HEDGE_RESERVE, 0.0], "the second is an ordinary attempt beside the late one"
    assert played.asked_at == [(0.0, "a"), (5.0, "b")]


def test_an_early_wake_starts_no_second_hedge_after_a_refused_one() -> None:
    limited = account("two", limits=(Limit(requests=20),))
    request = plan(A, B, stream=True, hedge="auto", accounts=[limited])

    class Restless(Play):
        """Wakes every tenth of a second, whatever it was told."""

        def _watch(self, until: float) -> s.Event:
            return super()._watch(min(until, self.now + 0.1))

    fates = {"a": answers(4.0, "x", token(3.9))}
    played = Restless(request, fates, state=known(), full={limited.scope: NOW + 9.0})
    played.run()

    assert len(played.all(s.Reserve)) == 1


def test_a_hedge_asks_no_last_resort() -> None:
    state = known()
    state.health.failed(B.identity, busy(), NOW, Random(0))
    assert hedged(state).asked == ["a"]
