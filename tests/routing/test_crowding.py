"""How many requests a model takes at once, learnt from refusals that do not say why."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from freerouter_core.errors import Exhausted, FreeRouterError
from freerouter_core.routing.crowding import FORGOTTEN, LET_IN, Crowd, Crowds
from freerouter_core.routing.failures import PATIENCE
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, Fates, Play, account, answers, fails, model, plan, play

A, B = model("a"), model("b")
FULL = Fault(Kind.BUSY, Cause.SERVER, status=503)


def burst(sent: int, taken: int) -> Crowd:
    """So many requests were sent at once, and all but the first few were turned away."""
    room = Crowd(dict.fromkeys(range(1, sent + 1), NOW))
    for place in range(taken + 1, sent + 1):
        del room.under_way[place]
        room.refused(place - 1, NOW, sent, NOW + 0.2, 1.0)
    return room


def test_as_many_may_be_under_way_as_were_when_one_more_was_turned_away() -> None:
    room = burst(9, taken=4)

    assert room.limit(NOW + 0.2) == 0, "those that were taken are still there, and hold no leases"
    del room.under_way[1]
    assert room.limit(NOW + 1.0) == 1
    room.answered(0, NOW, NOW + 1.0)
    assert room.held_until == -math.inf, "one has ended, so there is room"
    room.under_way.clear()
    assert room.limit(NOW + 1.5) == 1, "one tries for all"
    room.answered(0, NOW + 1.5, NOW + 2.0)
    assert [room.limit(NOW + at) for at in (2.0, 59.0, 61.0)] == [4, 4, 5]
    assert room.limit(NOW + FORGOTTEN + 1.0) is None


def test_who_is_not_turned_away_within_seconds_was_let_in() -> None:
    room = burst(9, taken=4)
    room.under_way = {12: NOW + 1.0}

    assert [room.limit(NOW + 1.0 + at) for at in (LET_IN, LET_IN + 0.1)] == [1, 2]


def test_an_answer_with_as_many_under_way_says_that_it_was_not_that() -> None:
    room = burst(9, taken=4)
    room.answered(6, NOW, NOW + 1.0)
    assert room.most == math.inf, "it was sent before the lesson"

    room = burst(9, taken=4)
    room.answered(4, NOW + 61.0, NOW + 62.0)
    assert room.most == 5, "it has grown since"


def test_what_was_taken_lately_is_not_too_many() -> None:
    room = Crowd()
    room.answered(5, NOW, NOW + 1.0)
    room.answered(3, NOW, NOW + 1.0)
    assert (room.explains(5, NOW + 2.0), room.explains(6, NOW + 2.0)) == (False, True)
    room.refused(5, NOW + 2.0, 9, NOW + 2.2, 1.0)
    assert room.most == math.inf

    assert room.explains(5, NOW + 62.0), "a minute later it may be"
    room.answered(2, NOW + 62.0, NOW + 63.0)
    assert room.taken == 2


def test_after_a_refusal_that_was_not_that_a_later_request_must_be_answered() -> None:
    room = Crowd()
    room.answered(2, NOW, NOW + 1.0)
    room.refused(1, NOW + 2.0, 9, NOW + 2.2, 1.0)
    room.answered(2, NOW + 1.9, NOW + 2.5)
    assert room.held_until == NOW + 3.2
    room.answered(2, NOW + 2.1, NOW + 2.6)
    assert room.held_until == -math.inf


def test_a_server_counts_a_request_for_a_moment_after_its_answer() -> None:
    room = burst(3, taken=1)
    room.answered(0, NOW, NOW + 1.0)
    room.refused(0, NOW + 1.0, 4, NOW + 1.1, 1.0)

    assert (room.most, room.alone) == (1, False)


def test_a_burst_at_a_server_that_is_down_tells_nothing_but_that_one_tries_for_all() -> None:
    crowds, room = Crowds(), burst(9, taken=0)
    crowds.by_model[A.identity] = room
    assert (room.most, room.limit(NOW + 1.2)) == (math.inf, 1)
    assert crowds.held_until(A.identity) == NOW + 1.2
    assert crowds.held_until(B.identity) == -math.inf

    (charge,) = crowds.charges("scope", A.identity, NOW + 1.2)
    assert (charge.limit.concurrent, charge.scope) == (1, "scope")
    assert crowds.charges("scope", B.identity, NOW) == ()
    crowds.refused(A.identity, NOW + 1.4, ahead=0, sent=NOW + 1.2, last=10, pause=2.0)
    assert crowds.held_until(A.identity) == NOW + 3.4
    crowds.answered(A.identity, NOW + 4.0, ahead=0, sent=NOW + 3.4)
    assert crowds.charges("scope", A.identity, NOW + 4.0) == ()


@pytest.mark.parametrize(
    ("lasted", "longest", "pause"),
    [(5.0, 20.0, 1.0), (60.0, 20.0, 6.0), (7_200.0, 20.0, 20.0), (7_200.0, 5.0, 5.0)],
)
def test_what_has_lasted_for_long_is_looked_at_seldom(
    lasted: float, longest: float, pause: float
) -> None:
    room = Crowd()
    room.refused(0, NOW - 0.1, 1, NOW, 1.0, longest)
    room.refused(0, NOW + lasted - 0.1, 1, NOW + lasted, 1.0, longest)
    assert room.held_until == pytest.approx(NOW + lasted + pause)

    room.answered(0, NOW + lasted + 1.0, NOW + lasted + 2.0)
    room.refused(0, NOW + lasted + 3.0, 1, NOW + lasted + 4.0, 1.0, longest)
    assert room.held_until == NOW + lasted + 5.0, "an answer begins it anew"


def test_a_burst_is_turned_away_in_any_order() -> None:
    room = Crowd()
    for ahead in (3, 1, 0, 2):
        room.refused(ahead, NOW, 4, NOW + 0.2, 1.0)

    assert (room.most, room.tried, room.refusals) == (math.inf, True, 1)


def test_another_reason_is_likely_once_it_happens_again_after_a_pause() -> None:
    crowds = Crowds()
    assert not crowds.rules_out(A.identity, 0, NOW)
    crowds.refused(A.identity, NOW, ahead=0, sent=NOW, last=1, pause=1.0)
    assert crowds.rules_out(A.identity, 0, NOW + 1.0)


def test_what_is_under_way_is_known_until_it_ends() -> None:
    crowds = Crowds()
    assert [crowds.sent(A.identity, place, NOW) for place in (1, 2, 5)] == [0, 1, 2]
    crowds.ended(A.identity, 2)
    crowds.ended(A.identity, 2)
    assert set(crowds.by_model[A.identity].under_way) == {1, 5}

    crowds.refused(A.identity, NOW, ahead=2, sent=NOW, last=5, pause=1.0)
    crowds.reset()
    assert (crowds.held_until(A.identity), len(crowds.by_model[A.identity].under_way)) == (
        -math.inf,
        2,
    )
    crowds.forget()
    assert not crowds.by_model[A.identity].under_way


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
    state = RoutingState()
    state.health.crowds.refused(A.identity, NOW, ahead=0, sent=NOW, last=1, pause=8.0)
    waits = play(plan(A, timeout=60.0), {"a": answers()}, state=state)
    assert waits.asked_at == [(8.0, "a")]

    state = RoutingState()
    state.health.crowds.refused(A.identity, NOW, ahead=0, sent=NOW, last=1, pause=8.0)
    asks = play(plan(A, timeout=7.0), {"a": answers()}, state=state)
    assert asks.asked_at == [(0.0, "a")]


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
    assert replace(limits.rates[f"{one.scope}|a"]).rate == 6


def test_a_model_that_was_tried_often_is_asked_after_all_others() -> None:
    """Paid ones, too: so long a free one that only pauses comes before them."""
    paid = model("paid", free=False)
    fates: Fates = {"a": fails(FULL, 0.0), "paid": answers()}
    played = play(plan(A, paid, allow_paid=True, timeout=60.0), fates)

    assert played.asked == ["a", "a", "a", "paid"]
