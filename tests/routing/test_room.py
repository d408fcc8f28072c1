"""A background request whose accounts are all full waits before it chooses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.errors import Exhausted, FreeRouterError
from freerouter_core.routing import steps as s
from freerouter_core.routing.account_benches import Bench
from freerouter_core.routing.charges import Refusal
from freerouter_core.routing.congestion import Congestion
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.room import first_room, with_room
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause

from .driver import NOW, Play, account, answers, model, plan, play

ONE, TWO = (account(name, limits=(Limit(20),)) for name in ("one", "two"))
A, B = model("a"), model("b", "two")
FATES = {"a": answers(), "b": answers(), "paid": answers()}


def full(**seconds: float) -> dict[str, Refusal]:
    """Accounts that are full for so many seconds."""
    scopes = {"one": ONE.scope, "two": TWO.scope}
    return {
        scopes[name]: Refusal(NOW + after, scopes[name], limit=Limit(20))
        for name, after in seconds.items()
    }


def row(*models: Any, extra: dict[str, Any] | None = None, **policy: Any) -> Plan:
    """A request of a job, for the models of both accounts."""
    fields = {"lane": "background", "full": full(one=60.0, two=30.0), **(extra or {})}
    return plan(*(models or (A, B)), accounts=[ONE, TWO], extra=fields, **policy)


def sleeps(request: Play) -> list[tuple[float, str | None]]:
    """Until when it slept, in seconds since the beginning, and in whose line."""
    return [(step.until - NOW, step.scope) for step in request.all(s.Sleep)]


def test_the_first_room_is_known_if_all_accounts_are_full() -> None:
    known = full(one=60.0, two=30.0)
    assert first_room([ONE, TWO], known) == first_room([TWO, ONE], known) == known[TWO.scope]
    assert first_room([ONE, TWO], full(one=60.0)) is None
    assert first_room([ONE], {}) is None


def test_the_accounts_that_have_room_are_those_that_are_not_full() -> None:
    assert with_room([ONE, TWO], full(one=60.0)) == [TWO]
    assert with_room([ONE, TWO], {}) == [ONE, TWO]
    assert with_room([ONE, TWO], full(one=60.0, two=30.0)) == []


def test_it_waits_for_the_first_room_and_then_chooses() -> None:
    request = play(row(), FATES, heard=lambda now: full(one=60.0))
    assert sleeps(request) == [(30.0, TWO.scope)]
    assert request.asked_at == [(30.0, "b")]
    (sleep,) = request.all(s.Sleep)
    assert sleep.wait is not None
    assert sleep.wait.reason == "the 20 requests a minute of two are used"
    assert not sleep.stays


def test_who_can_be_served_in_one_line_only_stays_in_it() -> None:
    alone = plan(A, accounts=[ONE], extra={"lane": "background", "full": full(one=60.0)})
    (sleep,) = play(alone, FATES).all(s.Sleep)
    assert sleep.stays


def test_it_waits_on_while_all_are_full() -> None:
    def heard(now: float) -> dict[str, Refusal]:
        return full(one=60.0, two=90.0) if now < NOW + 60.0 else full(two=90.0)

    request = play(row(), FATES, heard=heard)
    assert sleeps(request) == [(30.0, TWO.scope), (60.0, ONE.scope)]
    assert request.asked_at == [(60.0, "a")]


def test_what_is_known_then_decides() -> None:
    """Both have room at last. Which is asked depends on what requests cost by then."""
    dear = {"two": Congestion(delay=30.0)}
    both = row(model("a", quality=5.0), model("b", "two", quality=5.0), order={})
    assert play(both, FATES, meanwhile=lambda now: dear).asked == ["a"]
    dear = {"one": Congestion(delay=30.0)}
    assert play(both, FATES, meanwhile=lambda now: dear).asked == ["b"]


def test_time_in_line_is_no_time_of_the_request() -> None:
    request = play(row(extra={"max_wait": 600.0}, timeout=10.0), FATES)
    assert request.asked_at == [(30.0, "a")]


# -- where limits are not all that counts --------------------------------------------------------


def test_a_paid_model_that_is_allowed_is_asked_at_once() -> None:
    paid = replace(model("paid"), free=False, prompt_price=1e-6, completion_price=1e-6)
    assert play(row(A, B, paid, allow_paid=True), FATES).asked_at == [(0.0, "paid")]


def test_a_model_that_was_named_is_waited_for_itself() -> None:
    request = play(row(preferred=("a",), others=False), FATES)
    assert sleeps(request) == [(60.0, ONE.scope)]


def test_an_account_that_rests_is_not_waited_for_in_line() -> None:
    state = RoutingState()
    state.health.accounts.benches[TWO.scope] = Bench(NOW + 90.0, True, Cause.SERVER)
    request = play(row(), FATES, state=state)
    assert sleeps(request) == [(60.0, ONE.scope)]
    state.health.accounts.benches[TWO.scope] = Bench(NOW, True, Cause.SERVER)
    assert sleeps(play(row(), FATES, state=state)) == [(30.0, TWO.scope)]


def test_a_list_on_its_way_is_not_missed() -> None:
    new = model("c", "two")
    request = Play(
        row(A, extra={"pending": True}), {**FATES, "c": answers()}, lists=[(5.0, [A, new])]
    )
    request.run()
    assert request.all(s.Sleep)[0].scope is None


def test_what_no_model_fits_is_told_at_once() -> None:
    request = Play(row(min_context=1_000_000), FATES)
    with pytest.raises(FreeRouterError):
        request.run()
    assert not request.all(s.Sleep)


def test_who_has_no_time_to_wait_is_told_at_once() -> None:
    request = Play(row(extra={"max_wait": 20.0}), FATES)
    with pytest.raises(Exhausted):
        request.run()
    assert not request.all(s.Sleep)
