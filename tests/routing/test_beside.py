"""Whom to ask beside late attempts: with nobody else, the same model once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.model import ModelIdentity
from freerouter_core.errors import DeadlineExceeded
from freerouter_core.routing import steps as s
from freerouter_core.routing.beside import LOOK_AGAIN
from freerouter_core.routing.guessed_bench import BenchRule
from freerouter_core.routing.in_flight import MAX_IN_FLIGHT
from freerouter_core.routing.silence import SELDOM
from freerouter_core.routing.state import RoutingState
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import HANGS, NOW, Fates, Play, account, answers, busy, fails, model, plan, play, token

A, B, C = model("a"), model("b", "two"), model("c", "three")
LATE = answers(40.0)
"""An answer that comes long after its attempt is late."""


def knows(times: float = 1.0, at: float = NOW - 60.0) -> RoutingState:
    """Model A always answered in so many seconds."""
    state = RoutingState()
    for _ in range(30):
        state.health.answered(A.identity, at, first_token=times, seconds=times, tokens=45)
    return state


@pytest.mark.parametrize("stream", [False, True])
def test_a_lost_request_is_sent_once_more_and_the_first_to_answer_wins(stream: bool) -> None:
    played = play(plan(A, stream=stream), {"a": [HANGS, answers(1.0)]}, state=knows())

    assert played.asked == ["a", "a"]
    assert played.seconds < 7.0
    assert [(c.attempt.number, c.why) for c in played.all(s.Cancel)] == [(1, "another answered")]
    assert played.outcome is not None
    assert played.outcome.attempt.number == 2
    assert [tried.fault for tried in played.journal.tries] == ["slow", None]


def test_the_silent_one_may_still_win() -> None:
    played = play(plan(A), {"a": [answers(6.0), HANGS]}, state=knows())

    assert played.asked == ["a", "a"]
    assert played.outcome is not None
    assert played.outcome.attempt.number == 1


def test_once_the_model_fails_it_is_sent_again_seldom() -> None:
    fates = {"a": [LATE, fails(after=1.0), answers(1.0)]}
    played = play(plan(A), fates, state=knows())

    assert played.asked == ["a", "a", "a"]
    assert played.asked_at[2][0] > SELDOM
    assert played.seconds < 25.0


def asked_in_vain(timeout: float | None, state: RoutingState | None = None) -> list[float]:
    """When a model that is silent for ever is asked, seconds after the request came."""
    request = Play(plan(A, timeout=timeout), {"a": HANGS}, state=state or knows())
    with pytest.raises((DeadlineExceeded, AssertionError)):
        request.run()
    return [at for at, _ in request.asked_at]


@pytest.mark.parametrize("answered", [-60.0, 9.0])
def test_it_is_sent_again_more_and_more_seldom(answered: float) -> None:
    asked = asked_in_vain(None, knows(at=NOW + answered))[:9]
    gaps = [later - earlier for earlier, later in pairwise(asked)]

    assert all(later >= 1.4 * gap for gap, later in pairwise(gaps))


@pytest.mark.parametrize("timeout", [20.0, 60.0, 120.0, 600.0])
def test_there_is_time_for_an_answer_to_the_last_one_that_is_sent(timeout: float) -> None:
    asked = asked_in_vain(timeout)

    assert 0.5 * timeout < asked[-1] < timeout - 2.0
    assert len(asked) <= 13


@pytest.mark.parametrize(("timeout", "again"), [(None, 45.0), (20.0, 8.0), (60.0, 24.0)])
def test_a_model_that_never_answered_has_a_part_of_the_time_alone(
    timeout: float | None, again: float
) -> None:
    asked = asked_in_vain(timeout, RoutingState())

    assert asked[1] == pytest.approx(again)
    assert 0.6 * again <= asked[2] - asked[1] <= again


def test_a_model_that_is_given_up_is_left_alone_as_if_it_were_still_asked() -> None:
    """Five silent models, of which three are asked at once: each got a request every four seconds
    until each had three, and nobody was asked for the rest of the time."""
    models = [model(name) for name in "abcde"]
    state = RoutingState()
    for each in models:
        for _ in range(9):
            state.health.answered(
                each.identity, NOW - 60.0, first_token=1.0, seconds=1.0, tokens=45
            )
    request = Play(plan(*models, timeout=60.0), dict.fromkeys("abcde", HANGS), state=state)
    with pytest.raises(DeadlineExceeded):
        request.run()
    for name in "abcde":
        asked = [at for at, who in request.asked_at if who == name]
        assert len(asked) >= 2
        assert all(later - earlier > 8.0 for earlier, later in pairwise(asked))
    assert request.asked_at[-1][0] > 40.0


def test_it_is_sent_again_after_half_as_long_again_as_usual() -> None:
    """A model that is simply slow has answered by then."""
    played = play(plan(A), {"a": answers(26.0)}, state=knows(20.0))
    assert played.asked == ["a"]

    played = play(plan(A), {"a": answers(40.0)}, state=knows(20.0))
    assert len(played.asked) == 2
    assert 29.0 < played.asked_at[1][0] < 33.0


def test_whoever_else_can_be_asked_comes_first() -> None:
    played = play(plan(A, B), {"a": LATE, "b": LATE}, state=knows())

    assert played.asked[:2] == ["a", "b"]
    assert played.asked_at[MAX_IN_FLIGHT][0] > SELDOM * 1.0
    three = play(plan(A, B, C), {"a": LATE, "b": LATE, "c": LATE}, state=knows())
    assert three.asked[:3] == ["a", "b", "c"]
    assert three.asked_at[MAX_IN_FLIGHT][0] > SELDOM * 1.0


@pytest.mark.parametrize(("returns", "asked"), [(6.0, ["a", "b"]), (30.0, ["a", "a"])])
def test_who_returns_soon_is_waited_for(returns: float, asked: list[str]) -> None:
    state = knows()
    state.health.limit_spent(B.identity, NOW + returns)
    fates: Fates = {"a": [LATE, answers(1.0)], "b": answers(1.0)}

    assert play(plan(A, B), fates, state=state).asked == asked


def refused() -> RoutingState:
    state = knows()
    state.health.account_refused(
        account().scope, Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED), NOW, Random(0)
    )
    return state


def test_it_waits_for_room() -> None:
    limited = account(limits=(Limit(requests=1),))
    request = plan(A, accounts=[limited])
    played = Play(request, {"a": [LATE, answers(1.0)]}, state=knows())
    played.full = _Later(limited.scope, 12.0)
    played.run()

    assert [round(at) for at, _ in played.asked_at] == [0, 12]


class _Later(dict[str, float]):
    """A limit that has room for the first, and for another so many seconds later."""

    def __init__(self, scope: str, seconds: float) -> None:
        super().__init__()
        self._scope, self._until, self._taken = scope, NOW + seconds, False

    def get(self, scope: str, default: Any = None) -> Any:
        taken, self._taken = self._taken, True
        return self._until if taken and scope == self._scope else default


@pytest.mark.parametrize(
    ("changes", "account_changes", "policy"),
    [
        ({"free": False, "prompt_price": 1e-6}, {}, {"allow_paid": True}),
        ({}, {"local": True}, {}),
        ({}, {}, {"max_retries": 0}),
        ({}, {}, {"retry_attempts": 1}),
    ],
    ids=["paid", "local", "no-retries", "one-try"],
)
def test_who_is_never_asked_beside_itself(
    changes: dict[str, Any], account_changes: dict[str, Any], policy: dict[str, Any]
) -> None:
    asked = replace(A, **changes)
    request = plan(asked, accounts=[account(**account_changes)], **policy)

    assert play(request, {"a": LATE}, state=knows()).asked == ["a"]


def down() -> RoutingState:
    state = knows()
    state.health.failed(A.identity, busy(), NOW - 1.0, Random(0))
    return state


@pytest.mark.parametrize("state", [down, refused])
def test_a_model_that_seems_down_and_one_whose_account_rests_are_asked_beside_themselves_seldom(
    state: Callable[[], RoutingState],
) -> None:
    played = play(plan(A), {"a": LATE}, state=state())

    assert played.asked_at[1][0] > SELDOM
    assert len(played.asked) <= 3


def test_so_is_one_that_turned_the_request_away() -> None:
    full = Fault(Kind.BUSY, Cause.MODEL_LIMIT, status=429, teaches=False)
    played = play(plan(A), {"a": [fails(full, 0.1), LATE]}, state=knows())

    assert played.asked_at[2][0] - played.asked_at[1][0] > SELDOM


def test_one_whose_text_is_shown_is_not_asked_again() -> None:
    fate = answers(40.0, "Hello.", token(0.5))

    assert play(plan(A, stream=True), {"a": fate}, state=knows()).asked == ["a"]


@pytest.mark.parametrize(("answered", "asked"), [(-60.0, ["a"]), (1.0, ["a", "a"])])
def test_one_asks_again_for_all_unless_others_are_answered(
    answered: float, asked: list[str]
) -> None:
    """`answered`: when the model last answered somebody, seconds after the request was sent."""
    state = knows(at=NOW + answered)
    state.health.repeated(A.identity)

    assert play(plan(A), {"a": [LATE, answers(1.0)]}, state=state).asked == asked


def test_who_waits_for_the_one_that_asks_for_all_looks_again_in_a_moment() -> None:
    state = knows()
    state.health.repeats = _Ended()
    played = play(plan(A), {"a": [LATE, answers(1.0)]}, state=state)
    alone = play(plan(A), {"a": [LATE, answers(1.0)]}, state=knows())

    waited = played.asked_at[1][0] - alone.asked_at[1][0]
    assert 0.0 < waited <= LOOK_AGAIN


class _Ended(dict[ModelIdentity, int]):
    """Another request asks for all, and has ended when somebody looks again."""

    looks = 0

    def get(self, key: ModelIdentity, default: Any = None) -> Any:
        self.looks += 1
        return 1 if self.looks == 1 else super().get(key, default)


def test_one_that_others_ask_again_is_not_asked_because_this_request_asks_another_again() -> None:
    state = knows()
    for _ in range(30):
        state.health.answered(B.identity, NOW - 60.0, first_token=1.0, seconds=1.0, tokens=45)
    state.health.repeated(B.identity)

    played = play(plan(A, B), {"a": LATE, "b": LATE}, state=state)
    assert played.asked[:3] == ["a", "b", "a"]
    assert "b" not in played.asked[2:5]


def test_a_refusal_of_another_request_is_no_answer() -> None:
    """Of a kind that makes no model rest. It was taken for an answer to somebody else."""
    state = knows()
    state.health.repeated(A.identity)
    unfit = Fault(Kind.UNFIT, Cause.BAD_REQUEST, status=400)
    state.health.failed(A.identity, unfit, NOW + 1.0, Random(0), rule=BenchRule(), seconds=0.1)

    assert not state.health.of(A.identity).strikes
    assert play(plan(A), {"a": LATE}, state=state).asked == ["a"]


@pytest.mark.parametrize("fates", [[HANGS, answers(1.0)], [answers(6.0), HANGS]])
def test_nothing_is_left_under_way(fates: list[Any]) -> None:
    state = knows()
    play(plan(A), {"a": fates}, state=state)

    assert state.health.in_flight == state.health.repeats == {}
    assert not any(crowd.under_way for crowd in state.health.crowds.by_key.values())


def test_calls_at_once_of_which_some_are_lost_are_all_answered() -> None:
    """Three of sixty waited for the whole timeout, and for nothing."""
    script = [None, None, "hang", None, None, None, "hang", None] + [None] * 20
    with World([SimModel("a/m:free", script=script, jitter=0.0)]) as world:
        router = world.router()
        for _ in range(20):
            router.chat("x")

        assert len(world.requests) == 22
        assert world.elapsed < 60.0
