"""What a request does about refusals of an account that answered lately."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.errors import AuthenticationFailed, BadRequest, Exhausted, FreeRouterError
from freerouter_core.routing.account_benches import LATELY
from freerouter_core.routing.disturbance import KEY_LASTS, LASTS
from freerouter_core.routing.need import Need
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, Fates, Play, account, answers, fails, model, plan, play

A, A2, A3, A4, B = *(model(name) for name in ("a", "a2", "a3", "a4")), model("b", "two")
ONE = account("one").scope
KEY = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED, status=401, teaches=False)
FORBIDDEN = Fault(Kind.BUSY, Cause.FORBIDDEN, status=403)
GONE = Fault(Kind.GONE, Cause.GONE, status=404)
WRONG = Fault(Kind.UNFIT, Cause.BAD_REQUEST, status=400, teaches=False)
TOOLS = Need(tools=True)


def worked(*models: Model, ago: float = 2.0, need: Need | None = None) -> RoutingState:
    """The models of one account, the first of which answered so long ago."""
    state = RoutingState()
    request = plan(*models, need=need)
    play(request, {models[0].id: answers(after=0.0)}, state=state, now=NOW - ago)
    return state


def refuse(fault: Fault, *models: Model) -> dict[str, Any]:
    return {m.id: fails(fault, after=0.0) for m in models}


def error_of(request: Plan, fates: Fates, state: RoutingState) -> tuple[Play, FreeRouterError]:
    played = Play(request, fates, state=state)
    with pytest.raises(FreeRouterError) as error:
        played.run()
    return played, error.value


def times(played: Play) -> list[float]:
    return [round(at) for at, _ in played.asked_at]


# -- looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [KEY, FORBIDDEN, GONE])
def test_the_only_model_is_looked_at_again_until_it_answers(fault: Fault) -> None:
    state = worked(A)
    fates = {"a": [*[fails(fault, after=0.0)] * 4, answers()]}
    played = play(plan(A, timeout=600.0), fates, state=state)
    seconds = times(played)

    assert seconds[-1] <= 1.2 * (5 + 10 + 20 + 40)
    assert seconds[-1] - seconds[-2] >= 8
    record = state.health.models[A.identity]
    assert record.gone is None
    assert not state.health.accounts.suspected(ONE)


@pytest.mark.parametrize("fault", [KEY, FORBIDDEN, GONE])
def test_three_models_or_a_key_refused_alike_hold_everybody(fault: Fault) -> None:
    models = (A, A2, A3, A4)
    state = worked(*models)
    fates = refuse(fault, *models)
    played, error = error_of(plan(*models, timeout=4.0), fates, state)

    assert len(played.asked) == (2 if fault is KEY else 3)
    assert type(error) is Exhausted
    assert re.match(
        "all 4 candidates are waiting or have failed: one has refused everything with status"
        rf" {fault.status} for [01] s, and answered [23] s ago; ",
        error.message,
    )
    assert (error.status_code, error.should_retry, error.rate_limited) == (
        fault.status, True, False,
    )  # fmt: skip
    assert state.health.accounts.is_disturbed(ONE)
    assert all(state.health.of(m.identity).gone is None for m in models)

    later = Play(plan(A, timeout=1.0), {}, state=state)
    with pytest.raises(Exhausted, match="one has refused everything") as nobody:
        later.run()
    assert not later.asked
    assert nobody.value.status_code == fault.status
    assert not nobody.value.rate_limited


def test_what_another_process_found_is_told_as_a_wait() -> None:
    state = worked(A)
    state.health.account_disturbed(ONE, NOW, NOW, Random(0))
    played, error = error_of(plan(A, timeout=1.0), {}, state)

    assert not played.asked
    assert "one waits: account-disturbed" in str(error)


def test_an_account_that_answered_long_ago_is_believed_at_once() -> None:
    for state in (RoutingState(), worked(A, ago=LATELY + 1.0)):
        _, error = error_of(plan(A), refuse(KEY, A), state)
        assert type(error) is AuthenticationFailed

        fresh = RoutingState()
        played, error = error_of(plan(A), refuse(WRONG, A), fresh)
        assert type(error) is BadRequest
        assert played.asked == ["a"]


def test_a_refusal_that_names_its_model_is_its_own() -> None:
    named = replace(GONE, message="a2-large does not exist")
    large = model("a2-large")
    state = worked(A, large)
    play(plan(large, A), refuse(named, large) | {"a": answers()}, state=state)

    assert state.health.models[large.identity].gone is not None


def test_many_refusals_of_one_moment_are_no_proof() -> None:
    """Seven refusals of two models were."""
    state = worked(A, A2, A3)
    for only in [*[A] * 7, A2]:
        state.health.accounts.disturbances.by_scope.clear()
        request = plan(A, A2, A3, preferred=(f"one:{only.id}",), others=False, max_retries=0)
        error_of(request, refuse(FORBIDDEN, only), state)

    assert state.health.accounts.get(ONE) is None


# -- a request that alone is refused --------------------------------------------------------------


def test_a_request_that_alone_is_refused_is_told_after_two_looks() -> None:
    state = worked(A)
    played, error = error_of(plan(A), refuse(WRONG, A), state)

    assert times(played) == [0, 5, 15]
    assert type(error) is BadRequest
    assert "one answered others like it, the last 17 s ago" in str(error)
    assert not state.health.accounts.is_disturbed(ONE), "it holds nobody"


def test_it_is_answered_if_that_was_a_mistake() -> None:
    state = worked(A)
    fates = {"a": [fails(WRONG, after=0.0), answers()]}
    played = play(plan(A), fates, state=state)

    assert times(played) == [0, 5]
    assert state.health.models[A.identity].strikes == 0, "nobody was wrong"


def test_what_others_were_answered_meanwhile_shows_that_it_is_to_blame() -> None:
    state = worked(A, A2)

    def others(now: float) -> None:
        state.health.account_answered(ONE, "a", now)

    played = Play(plan(A, A2), refuse(WRONG, A, A2), state=state, meanwhile=others)
    with pytest.raises(BadRequest):
        played.run()

    assert times(played) == [0, 0, 5]


def test_a_second_request_that_is_refused_so_holds_everybody() -> None:
    state = worked(A)
    error_of(plan(A, timeout=1.0), refuse(WRONG, A), state)
    assert not state.health.accounts.is_disturbed(ONE)
    _, error = error_of(plan(A, timeout=1.0), refuse(WRONG, A), state)

    assert state.health.accounts.is_disturbed(ONE)
    assert type(error) is Exhausted


def test_a_request_of_another_likeness_is_told_at_once() -> None:
    state = worked(A)
    played, error = error_of(plan(A, need=TOOLS), refuse(WRONG, A), state)

    assert type(error) is BadRequest
    assert "others like it" not in str(error)
    assert played.asked == ["a"]


def test_what_two_accounts_refuse_is_told_at_once() -> None:
    state = worked(A)
    play(plan(B), {"b": answers(after=0.0)}, state=state, now=NOW - 1.0)
    played, error = error_of(plan(A, B), refuse(WRONG, A, B), state)

    assert type(error) is BadRequest
    assert times(played) == [0, 0]
    assert "others like it" not in str(error)


def test_a_model_that_alone_may_be_asked_and_answered_such_requests_is_looked_at_again() -> None:
    state = worked(A, A2, A3)
    request = plan(A, A2, A3, preferred=("one:a",), others=False)
    fates = {"a": [fails(GONE, after=0.0), answers()]}
    assert times(play(request, fates, state=state)) == [0, 5]

    state = worked(A, A2, A3)
    played, _ = error_of(request, refuse(GONE, A), state)
    assert times(played) == [0, 5, 15]
    assert state.health.models[A.identity].gone is not None

    never = plan(A, A2, A3, preferred=("one:a2",), others=False)
    played, _ = error_of(never, refuse(GONE, A2), worked(A, A2, A3))
    assert times(played) == [0], "nobody knows that it ever worked"


# -- believing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "lasts", "cause"),
    [
        (KEY, KEY_LASTS, Cause.KEY_REFUSED),
        (FORBIDDEN, LASTS, Cause.ACCOUNT_FORBIDDEN),
        (GONE, LASTS, None),
    ],
)
def test_what_lasts_for_minutes_is_believed(
    fault: Fault, lasts: float, cause: Cause | None
) -> None:
    state = worked(A)
    played, error = error_of(plan(A), refuse(fault, A), state)

    assert lasts <= times(played)[-1] <= 2 * lasts + 60.0
    assert len(played.asked) <= 12
    bench = state.health.accounts.get(ONE)
    if cause is None:
        assert type(error) is Exhausted
        assert state.health.models[A.identity].gone is not None
        assert bench is None
    else:
        assert bench is not None
        assert (bench.cause, bench.firm) == (cause, True)
        assert type(error) is AuthenticationFailed


# -- a way of asking ------------------------------------------------------------------------------


def test_not_found_in_answer_to_tools_is_no_vanished_model() -> None:
    state = worked(A, A2)
    played, error = error_of(plan(A, A2, need=TOOLS), refuse(GONE, A, A2), state)

    assert sorted(played.asked) == ["a", "a2"]
    assert type(error) is Exhausted
    assert error.hint == "ask one without tools, or add a provider"
    for record in (state.health.models[m.identity] for m in (A, A2)):
        assert record.gone is None
        assert record.ways["tools"].bad == 1.0
    assert play(plan(A), {"a": answers()}, state=state).asked == ["a"]


def test_a_model_that_called_tools_lately_is_gone() -> None:
    state = worked(A, A2, need=TOOLS)
    play(plan(A, A2, need=TOOLS), refuse(GONE, A) | {"a2": answers()}, state=state)

    assert state.health.models[A.identity].gone is not None


# -- several accounts, several words --------------------------------------------------------------


def test_accounts_are_doubted_and_believed_each_by_itself() -> None:
    state = worked(A)
    play(plan(B), {"b": answers(after=0.0)}, state=state, now=NOW - 1.0)
    played, error = error_of(plan(A, B), refuse(KEY, A, B), state)

    assert type(error) is AuthenticationFailed
    assert KEY_LASTS <= times(played)[-1] <= 2 * KEY_LASTS + 60.0
    assert played.asked.count("a") <= 12


def test_an_account_that_cannot_serve_the_request_is_no_hope_for_it() -> None:
    state = worked(A)
    unfit = Fault(Kind.UNFIT, Cause.NO_TOOLS, status=404)
    fates = refuse(unfit, B) | {"a": [fails(WRONG, after=0.0), answers()]}

    assert times(play(plan(B, A), fates, state=state)) == [0, 0, 5]


def test_a_look_that_is_refused_in_other_words_proves_nothing() -> None:
    models = (A, A2, A3)
    state = worked(*models)
    fate = [fails(GONE, after=0.0), fails(FORBIDDEN, after=0.0), answers()]
    played = play(plan(*models, timeout=120.0), {m.id: fate for m in models}, state=state)

    gaps = [later - at for at, later in itertools.pairwise(times(played)[2:])]
    assert all(gap >= 4.0 for gap in gaps), "one look at a time"
    assert len(played.asked) <= 7
