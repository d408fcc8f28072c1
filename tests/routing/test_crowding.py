"""Models that turn requests away without a word: who is held back, and for how long."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from freerouter_core.errors import Exhausted, FreeRouterError
from freerouter_core.routing.account_benches import Bench
from freerouter_core.routing.crowding import (
    FORGOTTEN,
    IN_A_ROW,
    LET_IN,
    PATIENCE,
    SLOWEST_REFUSAL,
    SOON,
    Crowd,
    Crowds,
    Key,
)
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, Fates, Play, account, answers, fails, model, plan, play

A, B = model("a"), model("b")
FULL = Fault(Kind.BUSY, Cause.SERVER, status=503)


K = ("scope", A.identity)
OTHER = ("other", A.identity)
ONE = (account("one").scope, A.identity)


def turned_away(*sent: float, took: float = 0.2, pause: float = 1.0, **room: Any) -> Crowd:
    """Requests that were sent then, seconds from now, and turned away one after the other."""
    crowd = Crowd(**room)
    for at in sent:
        crowd.refused(0, NOW + at, NOW + at + took, pause)
    return crowd


def test_while_nobody_is_let_in_one_tries_for_all() -> None:
    crowd = turned_away(0.0)
    assert crowd.held_until == -math.inf, "one refusal may be chance"
    crowd.refused(0, NOW + 1.0, NOW + 1.2, 1.0)
    assert crowd.held_until == NOW + 2.2

    assert crowd.sent(7, NOW + 2.2) == 0
    assert crowd.held_until == pytest.approx(NOW + 2.6), "twice as long as a refusal took"
    crowd.refused(0, NOW + 2.2, NOW + 2.4, 2.0)
    assert crowd.held_until == NOW + 4.4


def test_a_burst_is_one_refusal() -> None:
    crowd = turned_away(0.0, 0.1, 0.15)
    assert crowd.refusals == 1

    crowd.refused(0, NOW + 0.3, NOW + 0.4, 1.0)
    assert crowd.refusals == IN_A_ROW


def test_whoever_is_under_way_for_longer_than_a_refusal_takes_was_let_in() -> None:
    crowd = turned_away(0.0, 1.0)
    crowd.sent(1, NOW + 2.2)
    assert [crowd.lets_in(NOW + at) for at in (2.6, 2.7)] == [False, True]

    before = crowd.held_until
    crowd.sent(2, NOW + 2.7)
    assert crowd.held_until == before, "it tries for nobody"
    crowd.refused(1, NOW + 2.7, NOW + 2.9, 1.0)
    assert (crowd.refusals, crowd.held_until) == (1, -math.inf), "it is a first one again"
    assert not crowd.lets_in(NOW + 9.0), "who was let in before a refusal says nothing of now"


def test_a_slow_refusal_is_no_reason_to_wait_for_long() -> None:
    crowd = turned_away(0.0, 61.0, took=60.0)
    crowd.sent(1, NOW + 130.0)
    assert crowd.held_until == NOW + 130.0 + LET_IN * SLOWEST_REFUSAL


def held(key: Key) -> Crowds:
    """A model that turned two away in a row."""
    crowds = Crowds()
    for at in (-2.0, -0.1):
        crowds.refused(key, NOW + at + 0.1, ahead=0, sent=NOW + at, pause=1.0)
    assert crowds.held_until(key) == NOW + 1.0
    return crowds


@pytest.mark.parametrize("answered", [True, False])
def test_anything_but_a_refusal_lets_all_go(answered: bool) -> None:
    crowds = held(K)
    if answered:
        crowds.answered(K, NOW + 2.0)
    else:
        crowds.let_in(K)
    assert crowds.held_until(K) == -math.inf


def test_an_account_knows_nothing_of_another_ones_refusals() -> None:
    crowds = held(K)

    assert crowds.held_until(OTHER) == -math.inf
    crowds.sent(K, 1, NOW)
    assert not crowds.tried_since(OTHER, 0.0)
    assert [crowds.tried_since(K, NOW + at) for at in (0.0, 0.1)] == [True, False]


@pytest.mark.parametrize(
    ("lasted", "longest", "pause"),
    [(5.0, 20.0, 1.0), (60.0, 20.0, 6.0), (600.0, 20.0, 20.0), (600.0, 5.0, 5.0)],
)
def test_what_has_lasted_for_long_is_looked_at_seldom(
    lasted: float, longest: float, pause: float
) -> None:
    crowd = Crowd()
    crowd.refused(0, NOW - 0.1, NOW, 1.0, longest)
    crowd.refused(0, NOW + lasted - 0.1, NOW + lasted, 1.0, longest)
    assert crowd.held_until == pytest.approx(NOW + lasted + pause)


@pytest.mark.parametrize(("later", "refusals"), [(FORGOTTEN, 2), (FORGOTTEN + 1.0, 1)])
def test_a_refusal_of_long_ago_is_forgotten(later: float, refusals: int) -> None:
    crowd = turned_away(-0.2)
    crowd.refused(0, NOW + later, NOW + later, 1.0)
    assert crowd.refusals == refusals


def test_too_many_at_once_is_ruled_out_if_it_happens_again_with_no_more_than_were_taken() -> None:
    def ruled_out(ahead: int, at: float) -> bool:
        return crowds.rules_out(K, NOW + at, ahead=ahead, sent=NOW + at - 0.1)

    crowds = Crowds()
    for place in range(6):
        crowds.sent(K, place, NOW - 5.0)
    for place in range(6):
        crowds.ended(K, place)
        crowds.answered(K, NOW)
    assert not ruled_out(0, 1.0), "it is the first time"
    crowds.refused(K, NOW + 1.0, ahead=9, sent=NOW + 0.9, pause=1.0)
    assert [ruled_out(ahead, 2.0) for ahead in (0, 5, 6)] == [True, True, False]
    assert not ruled_out(5, 61.0), "a minute later it may be"

    crowds.answered(K, NOW + 62.0)
    crowds.refused(K, NOW + 62.2, ahead=0, sent=NOW + 62.05, pause=1.0)
    assert not ruled_out(1, 64.0), "the server may have counted what it had just answered"
    crowds.refused(K, NOW + 64.0, ahead=0, sent=NOW + 63.9, pause=1.0)
    assert ruled_out(99, 65.0), "it was turned away alone"


def test_models_of_an_account_share_its_room() -> None:
    crowds, twin = Crowds(), ("scope", B.identity)
    assert [crowds.sent(K, 1, NOW), crowds.sent(twin, 2, NOW), crowds.sent(OTHER, 3, NOW)] == [
        0,
        1,
        0,
    ]
    assert [crowds.inside(key, NOW + at) for key in (K, twin) for at in (0.1, 0.3)] == [0, 1, 0, 1]
    crowds.refused(twin, NOW + 0.1, ahead=1, sent=NOW, pause=1.0)
    crowds.refused(twin, NOW + 2.0, ahead=1, sent=NOW + 1.9, pause=1.0)
    assert crowds.held_until(K) == -math.inf
    assert not crowds.rules_out(K, NOW + 3.0, ahead=1, sent=NOW + 2.9)


def test_what_is_under_way_is_known_until_it_ends() -> None:
    crowds = Crowds()
    assert [crowds.sent(K, place, NOW) for place in (1, 2, 5)] == [0, 1, 2]
    crowds.ended(K, 2)
    crowds.ended(K, 2)
    assert set(crowds.by_key[K].under_way) == {1, 5}

    crowds.refused(K, NOW, ahead=2, sent=NOW, pause=1.0)
    crowds.reset()
    assert crowds.held_until(K) == -math.inf
    assert set(crowds.by_key[K].under_way) == {1, 5}
    crowds.forget()
    assert not crowds.by_key[K].under_way


# -- one request --------------------------------------------------------------------------------


def outage(seconds: float, fault: Fault = FULL) -> Fates:
    """A model turns everybody away, often enough for so many seconds."""
    return {"a": [*[fails(fault, 0.0)] * round(seconds), answers()]}


def test_a_request_asks_again_while_there_is_time() -> None:
    played = play(plan(A, timeout=60.0), outage(5))

    assert [at for at, _ in played.asked_at] == [0.0, 1.0, 3.0, 7.0, 15.0, 27.0]


def test_the_last_pauses_are_shorter_so_that_the_time_left_is_used() -> None:
    played = Play(plan(A, timeout=20.0), {"a": fails(FULL, 0.0)})
    with pytest.raises(FreeRouterError):
        played.run()

    times = [at for at, _ in played.asked_at]
    assert times == [0.0, 1.0, 3.0, 7.0, 15.0, 17.5, 19.25]


def test_several_models_that_are_tried_often_share_the_pauses() -> None:
    played = Play(plan(A, B, timeout=30.0), {"a": fails(FULL, 0.0), "b": fails(FULL, 0.0)})
    with pytest.raises(FreeRouterError):
        played.run()

    late = [at for at, _ in played.asked_at if at > 3.0]
    assert late[:2] == [7.0, 11.0]
    assert len(late) <= 7


def test_a_server_on_this_machine_is_asked_every_five_seconds() -> None:
    near = account("one", local=True)
    played = play(plan(A, accounts=[near], timeout=60.0), outage(6))

    assert [at for at, _ in played.asked_at][-3:] == [12.0, 17.0, 22.0]


def test_without_a_deadline_it_goes_on_for_ten_minutes() -> None:
    played = Play(plan(A), {"a": fails(FULL, 0.0)})
    with pytest.raises(Exhausted):
        played.run()

    assert PATIENCE < played.seconds < PATIENCE + 60.0


@pytest.mark.parametrize(("worked", "sent"), [(None, 3), (3_000.0, 6), (4_000.0, 3)])
def test_who_cannot_be_reached_is_waited_for_if_it_answered_lately(
    worked: float | None, sent: int
) -> None:
    """Else the address may be wrong."""
    state, lost = RoutingState(), Fault(Kind.BUSY, Cause.CONNECT)
    if worked is not None:
        state.health.accounts.worked[account("one").scope] = NOW - worked
    played = Play(plan(A, timeout=60.0), outage(5, lost), state=state)
    if sent == 3:
        with pytest.raises(Exhausted):
            played.run()
    else:
        played.run()

    assert len(played.asked) == sent


def test_others_hold_back_and_a_request_with_less_time_does_not() -> None:
    for timeout, asked_at in ((60.0, 8.0), (7.0, 0.0)):
        state = RoutingState()
        for at in (-2.0, -0.1):
            now = NOW + at + 0.1
            state.health.crowds.refused(ONE, now, ahead=0, sent=NOW + at, pause=8.0)
        played = play(plan(A, timeout=timeout), {"a": answers()}, state=state)
        assert played.asked_at == [(asked_at, "a")]


@pytest.mark.parametrize(("full", "asked_at"), [(True, 8.0), (False, 0.0)])
def test_models_of_an_account_that_seems_full_hold_back_together(
    full: bool, asked_at: float
) -> None:
    state, scope = RoutingState(), account("one").scope
    if full:
        bench = Bench(NOW - 1.0, stated=False, cause=Cause.ACCOUNT_GUESSED)
        state.health.accounts.benches[scope] = bench
    for at in (-2.0, -0.1):
        now = NOW + at + 0.1
        state.health.crowds.refused(ONE, now, ahead=0, sent=NOW + at, pause=8.0)
    played = play(plan(model("b"), timeout=60.0), {"b": answers()}, state=state)

    assert played.asked_at == [(asked_at, "b")]


def test_a_rate_is_learnt_once_too_many_at_once_is_ruled_out() -> None:
    state = RoutingState()
    bare = Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429, teaches=False)
    for _ in range(6):
        play(plan(A), {"a": answers(0.1)}, state=state)
    limits, one = state.adaptive_limits, account("one")
    seen: list[int] = []

    def learnt(now: float) -> None:
        seen.append(len(limits.charges(one, A, now)))

    fates = {"a": [fails(bare, 0.0), fails(bare, 0.0), answers()]}
    play(plan(A, timeout=60.0), fates, state=state, meanwhile=learnt)

    assert seen[0] == 0
    assert limits.rates[f"{one.scope}|a"].rate == 6


def test_a_refusal_by_chance_after_that_of_another_model_rules_nothing_out() -> None:
    crowds = Crowds()
    other = (K[0], (*K[1][:2], "other"))
    for key in (other, K):
        crowds.refused(key, NOW, ahead=0, sent=NOW - 0.1, pause=1.0)
        assert crowds.rules_out(K, NOW, ahead=0, sent=NOW) is (key == K)


def test_a_model_that_was_tried_often_is_asked_after_all_others() -> None:
    """Paid ones, too: so long a free one that only pauses comes before them."""
    paid = model("paid", free=False)
    fates: Fates = {"a": fails(FULL, 0.0), "paid": answers()}
    played = play(plan(A, paid, allow_paid=True, timeout=60.0), fates)

    assert played.asked == ["a", "a", "a", "paid"]


def test_who_would_be_held_until_its_end_asks_once_more_before_that() -> None:
    state, busy = RoutingState(), {"a": fails(FULL, 1.0)}
    for at in (-300.0, -200.0):
        state.health.crowds.refused(ONE, NOW + at, ahead=0, sent=NOW + at - 0.1, pause=1.0)
    played = Play(plan(A, timeout=16.0), busy, state=state)
    with pytest.raises(FreeRouterError):
        played.run()

    assert [at for at, _ in played.asked_at] == [0.0, 16.0 - SOON]


def test_a_model_of_an_account_that_seems_spent_is_asked_once_a_minute() -> None:
    state = RoutingState()
    spent = Fault(Kind.ACCOUNT, Cause.ACCOUNT_SPENT)
    state.health.accounts.refused(ONE[0], spent, NOW, Random(0))
    state.health.accounts.looked(ONE[0], A.wire_name, NOW - 50.0)
    played = play(plan(A, timeout=60.0), {"a": answers()}, state=state)

    assert played.asked_at == [(10.0, "a")]
