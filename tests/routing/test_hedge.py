"""Hedges: a second model beside an attempt that is not late yet."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.routing import steps as s
from freerouter_core.routing.hedge import HEDGE_MIN_ANSWERS, HEDGE_RESERVE, hedge_after
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


def test_a_hedge_starts_when_an_answer_is_later_than_nearly_all_of_the_models_own() -> None:
    state = known()
    spread = state.health.models[A.identity].spread
    due = round(1.0 + 2.5 * spread, 3)
    played = hedged(state)

    assert played.asked_at == [(0.0, "a"), (due, "b")]
    assert [attempt.hedge for attempt in played.sent] == [False, True]
    assert due < played.sent[0].soft_timeout
    assert state.hedges == 1


def test_the_loser_of_a_hedge_is_cancelled_and_nothing_is_learnt_of_it() -> None:
    played = hedged(known())

    assert [(c.attempt.model, c.why) for c in played.all(s.Cancel)] == [(A, "another answered")]
    assert played.state.health.models[A.identity].failures == 0
    assert [t.fault for t in played.journal.tries] == ["cancelled", None]


def test_a_model_of_few_answers_is_not_hedged() -> None:
    assert [hedge_after(plan(A), known(n).health, A) for n in (0, HEDGE_MIN_ANSWERS - 1)] == [
        math.inf,
        math.inf,
    ]
    assert hedge_after(plan(A), known(HEDGE_MIN_ANSWERS).health, A) < math.inf


def test_hedging_can_be_switched_off() -> None:
    assert hedged(known(), plan=plan(A, B, stream=True, hedge="off")).asked == ["a"]


@pytest.mark.parametrize(
    ("requests", "hedges", "another"),
    [(0, 0, True), (38, 1, False), (39, 1, True), (99, 5, False), (119, 5, True)],
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
