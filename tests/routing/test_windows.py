"""Shares of limits: what a request falls under, what refuses it, and what comes back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.charges import (
    DOLLAR,
    Charge,
    Grant,
    Refusal,
    amount_of,
    budget,
    charges_of,
    size_of,
)
from freerouter_core.routing.limits import DAY_RESERVE, LEARNT_POLL, changes, freed, reserve, settle
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.window import LEASE, LEASE_POLL, MARGIN, Window

from .driver import NOW, account, model

A, PAID = model("a"), model("p", free=False, prompt_price=1e-6, completion_price=2e-6)


class Windows(dict[Charge, Window]):
    """A window for each charge."""

    def __missing__(self, charge: Charge) -> Window:
        return self.setdefault(charge, Window())

    def reserve(
        self, *charges: Charge, at: float = 0.0, number: int = 1, tokens: int = 0, keep: float = 0.0
    ) -> Grant | Refusal:
        return reserve(self.__getitem__, charges, number, NOW + at, tokens, keep)

    def settle(self, grant: Grant | Refusal, **more: Any) -> None:
        assert isinstance(grant, Grant)
        settle(self.__getitem__, grant, **more)


def charge(scope: str = "scope", **limit: Any) -> Charge:
    return Charge(scope, Limit(**limit))


# -- what a request falls under -----------------------------------------------------------------


def test_a_free_model_falls_under_the_limits_of_its_account_its_own_and_the_machines() -> None:
    limits = (
        Limit(requests=20),
        Limit(requests=5, scope="model"),
        Limit(requests=9, scope="ip"),
    )
    one = account("one", limits=limits)

    assert [c.scope for c in charges_of(one, A)] == [
        one.scope,
        f"{one.scope}|a",
        "one|https://one.test/v1|ip",
    ]


def test_a_paid_model_falls_under_no_limit_of_the_free_tier() -> None:
    assert charges_of(account("one", limits=(Limit(requests=20),)), PAID) == ()
    assert charges_of(account("one"), A) == ()


def test_a_limit_of_some_models_is_none_of_the_others() -> None:
    one = account("one", limits=(Limit(requests=20), Limit(requests=5, per=1.0, models=("b",))))
    assert [c.limit.requests for c in charges_of(one, A)] == [20]


def test_of_two_limits_of_one_kind_the_tighter_counts() -> None:
    for limits in ((4, 9), (9, 4), (4, 4)):
        one = account("one", limits=tuple(Limit(requests=n) for n in limits))
        assert [c.limit.requests for c in charges_of(one, A)] == [4]


def test_the_name_of_a_window_leaves_the_size_out() -> None:
    assert charge(requests=4).window == charge(requests=9).window == "scope|r|60|rolling"
    assert charge(tokens=4, per=DAY, reset="utc-day").window == "scope|t|86400|utc-day"
    assert charge(concurrent=4).window == "scope|c|60|rolling"
    assert Charge("scope", Limit(requests=4), name="learnt").window == "scope|learnt"


def test_a_paid_request_falls_under_the_budget_of_the_day_and_no_learnt_limit() -> None:
    state, need = RoutingState(), Need(prompt_tokens=100, output_tokens=50)
    policy = Policy(daily_budget_usd=0.5, allow_paid=True)
    one = account("one")
    for n in range(9):
        state.adaptive_limits.sent(one, A, NOW + n)
    state.adaptive_limits.in_flight[one.scope] = 2
    state.adaptive_limits.crowded(one, NOW)
    paid, free = (Candidate(model=m, account=one) for m in (PAID, A))
    charges = state.charges(paid, need, policy, NOW)

    assert charges == (budget(one, 0.5, 2e-4),)
    assert [c.name for c in state.charges(free, need, policy, NOW)] == ["learnt concurrency"]
    assert [c.name for c in state.charges(paid, need, Policy(), NOW)] == ["learnt concurrency"]


def test_a_budget_counts_millionths_of_a_dollar_and_at_least_one() -> None:
    cheap = budget(account("one"), 2.0, 0.0)

    assert (cheap.limit.tokens, cheap.limit.reset, cheap.amount) == (2 * DOLLAR, "utc-day", 1)
    assert budget(account("one"), 2.0, 1.2e-6).amount == 2
    assert cheap.scope == f"{account('one').scope}|usd"


def test_what_a_request_takes_of_a_limit() -> None:
    assert amount_of(charge(requests=9), 70) == 1
    assert amount_of(charge(tokens=900), 70) == 70
    assert amount_of(charge(concurrent=2), 70) == 1
    assert amount_of(Charge("s", Limit(tokens=9), amount=4), 70) == 4
    assert [size_of(Limit(requests=0)), size_of(Limit(tokens=7))] == [0, 7]


# -- reserving ----------------------------------------------------------------------------------


def test_all_shares_are_taken_or_none() -> None:
    windows, wide, narrow = Windows(), charge("w", requests=9), charge("n", requests=0)

    assert isinstance(windows.reserve(wide, narrow), Refusal)
    assert windows[wide].used == 0.0


@pytest.mark.parametrize("swap", [False, True])
def test_the_refusal_that_lasts_longest_is_named(swap: bool) -> None:
    short, long = charge("short", requests=1, per=10.0), charge("long", requests=1, per=50.0)
    charges = (long, short) if swap else (short, long)
    windows = Windows()
    assert windows.reserve(*charges) == Grant(1, charges, NOW, 0)

    assert windows.reserve(*charges, at=1.0) == Refusal(NOW + 50.0 + MARGIN, "long")


def test_a_full_learnt_limit_is_looked_at_again_soon() -> None:
    learnt = Charge("scope", Limit(requests=1), name="learnt")
    windows = Windows()
    windows.reserve(learnt)
    assert windows.reserve(learnt, at=1.0) == Refusal(NOW + 1.0 + LEARNT_POLL, "scope")

    soon = windows.reserve(learnt, at=60.0)
    assert soon == Refusal(NOW + 60.0 + MARGIN, "scope"), "sooner, if it frees sooner"


def test_what_was_sent_before_a_limit_was_learnt_counts() -> None:
    before = (NOW - 30.0, NOW - 20.0)
    learnt = Charge("scope", Limit(requests=3), name="learnt", before=before)
    windows = Windows()

    assert isinstance(windows.reserve(learnt), Grant)
    assert windows[learnt].used == 3
    assert isinstance(windows.reserve(learnt, number=2), Refusal), "and only once"
    assert windows[learnt].used == 3


@pytest.mark.parametrize(
    ("limit", "keep", "granted"),
    [
        ({"requests": 10}, 0.3, 7),
        ({"requests": 10}, 0.0, 10),
        ({"requests": 110, "per": DAY, "reset": "utc-day"}, 0.01, 10),
        ({"requests": 110, "per": DAY, "reset": "utc-day"}, 0.0, 110),
        ({"requests": 90, "per": DAY, "reset": "utc-day"}, 0.3, 0),
        ({"requests": 110, "per": DAY - 1.0}, 0.01, 108),
        ({"requests": 1_000, "per": DAY}, 0.3, 700),
    ],
)
def test_a_hedge_leaves_a_part_of_a_limit_and_a_hundred_requests_of_a_day(
    limit: dict[str, Any], keep: float, granted: int
) -> None:
    windows, one = Windows(), charge(**limit)
    grants = [windows.reserve(one, number=n, keep=keep) for n in range(granted + 3)]

    assert sum(isinstance(grant, Grant) for grant in grants) == granted
    assert DAY_RESERVE == 100


def test_tokens_of_a_day_have_no_such_reserve() -> None:
    windows, one = Windows(), charge(tokens=1_000, per=DAY, reset="utc-day")

    assert isinstance(windows.reserve(one, tokens=700, keep=0.3), Grant)


# -- settling -----------------------------------------------------------------------------------


def test_what_was_sent_stays_spent_and_a_lease_comes_back() -> None:
    minute, at_once = charge(requests=5), charge(concurrent=1)
    windows = Windows()
    grant = windows.reserve(minute, at_once)
    assert windows.reserve(minute, at_once, at=1.0) == Refusal(NOW + 1.0 + LEASE_POLL, "scope")
    windows.settle(grant, sent=True)

    assert (windows[minute].used, windows[at_once].used) == (1.0, 0.0)


def test_what_was_never_sent_comes_back() -> None:
    limits = [
        charge(requests=5),
        charge(tokens=50),
        charge(requests=5, per=3_600.0, reset="fixed"),
        charge(requests=5, reset="bucket"),
    ]
    windows = Windows()
    windows.settle(windows.reserve(*limits, tokens=20), sent=False)

    assert [windows[one].used for one in limits] == [0.0] * 4


def test_what_was_turned_away_took_nothing_of_a_learnt_limit_and_leaves_no_room() -> None:
    """A stated limit may count it. Nobody is woken by it, except for a lease."""
    stated, learnt = charge(requests=5), replace(charge(requests=5), name="learnt")
    lease = charge(concurrent=2)
    grant = Grant(1, (stated, learnt, lease), NOW, 0)

    assert changes(grant, sent=True, turned_away=True) == {learnt: None, lease: None}
    assert changes(grant, sent=True) == {lease: None}
    other = {Charge("another", learnt.limit, name="learnt"): None, Charge("c", lease.limit): None}
    assert freed(grant, other, turned_away=True) == {"c"}
    assert freed(grant, other) == {"another", "c"}


def test_tokens_and_dollars_become_what_was_used() -> None:
    tokens, dollars = charge(tokens=500), budget(account("one"), 1.0, 0.5)
    grant = Grant(1, (tokens, dollars, charge(requests=5)), NOW, 100)

    assert changes(grant, sent=True, tokens=30, cost=0.25) == {tokens: 30, dollars: DOLLAR / 4}
    assert changes(grant, sent=True, tokens=100) == {}
    assert changes(grant, sent=True, tokens=None) == {}
    assert set(changes(grant, sent=False, tokens=30).values()) == {None}


def test_tokens_that_were_not_used_are_free_at_once() -> None:
    windows = Windows()
    for one in (charge(tokens=100), charge(tokens=100, per=3_600.0, reset="fixed")):
        grant = windows.reserve(one, at=99.0, tokens=90)
        assert isinstance(windows.reserve(one, at=99.0, tokens=70, number=2), Refusal)
        windows.settle(grant, sent=True, tokens=30)

        assert windows[one].used == 30.0
        assert isinstance(windows.reserve(one, at=99.0, tokens=70, number=2), Grant)


# -- windows ------------------------------------------------------------------------------------


def test_a_rolling_window_frees_as_its_oldest_leave() -> None:
    windows, one = Windows(), charge(requests=2, per=10.0)
    for number, at in ((1, 0.0), (2, 4.0)):
        windows.reserve(one, number=number, at=at)

    assert windows.reserve(one, at=5.0) == Refusal(NOW + 10.0 + MARGIN, "scope")
    assert isinstance(windows.reserve(one, at=10.4, number=3), Refusal)
    assert isinstance(windows.reserve(one, at=10.5, number=3), Grant)
    assert len(windows[one].times) == 2


def test_as_many_must_leave_as_the_request_is_large() -> None:
    windows, one = Windows(), charge(tokens=100, per=10.0)
    for number, at in ((1, 0.0), (2, 4.0)):
        windows.reserve(one, number=number, at=at, tokens=40)

    assert windows.reserve(one, at=5.0, tokens=60) == Refusal(NOW + 10.0 + MARGIN, "scope")
    assert windows.reserve(one, at=5.0, tokens=61) == Refusal(NOW + 14.0 + MARGIN, "scope")


def test_a_window_that_holds_more_than_it_logged_frees_after_its_whole_length() -> None:
    window = Window(used=9.0)

    assert window.free_at(Limit(requests=5), 1, 5, NOW) == NOW + 60.0 + MARGIN


def test_what_can_never_fit_is_refused_for_ever() -> None:
    assert Windows().reserve(charge(tokens=5), tokens=6) == Refusal(math.inf, "scope")


def test_a_bucket_refills_evenly() -> None:
    windows, one = Windows(), charge(requests=6, per=60.0, reset="bucket")
    for number in range(6):
        assert isinstance(windows.reserve(one, number=number), Grant)
    refusal = windows.reserve(one)

    assert isinstance(refusal, Refusal)
    assert refusal.until == pytest.approx(NOW + 10.0, abs=0.01)
    assert isinstance(windows.reserve(one, at=10.01), Grant)
    window = windows[one]
    window.expire(one.limit, NOW + 8.0)
    assert window.since == NOW + 10.01, "a clock that is behind changes nothing"


def test_a_fixed_period_resets_but_keeps_requests_sent_at_its_end() -> None:
    """By the provider's clock, that may be in the new period."""
    one = charge(requests=5, per=60.0, reset="fixed")
    begins = NOW // 60.0 * 60.0 - NOW
    windows = Windows()
    windows.reserve(one, at=begins + 30.0, number=1)
    windows.reserve(one, at=begins + 59.9, number=2)
    windows.reserve(one, at=begins + 60.6, number=3)

    assert windows[one].used == 2.0
    assert len(windows[one].times) == 0


def test_what_is_settled_later_counts_only_within_its_own_period() -> None:
    one = charge(tokens=500, per=60.0, reset="fixed")
    begins = NOW // 60.0 * 60.0 - NOW
    windows = Windows()
    early = windows.reserve(one, at=begins + 30.0, tokens=100)
    late = windows.reserve(one, at=begins + 59.9, tokens=100, number=2)
    windows.settle(late, sent=True, tokens=60)
    assert windows[one].used == 160.0
    assert list(windows[one].amounts) == [60.0]
    windows.reserve(one, at=begins + 61.0, tokens=10, number=3)
    windows.settle(early, sent=True, tokens=1)

    assert windows[one].used == 70.0


def test_a_lease_is_taken_back_after_a_quarter_of_an_hour() -> None:
    windows, one = Windows(), charge(concurrent=1)
    windows.reserve(one)

    assert isinstance(windows.reserve(one, at=LEASE - 1.0, number=2), Refusal)
    assert isinstance(windows.reserve(one, at=LEASE, number=2), Grant)


def test_an_entry_that_has_left_the_window_is_settled_nowhere() -> None:
    windows, one = Windows(), charge(tokens=500)
    grant = windows.reserve(one, tokens=100)
    windows[one].clear()
    windows.settle(grant, sent=True, tokens=1)

    assert (windows[one].used, len(windows[one].times)) == (0.0, 0)


def test_a_window_is_the_same_after_it_was_stored() -> None:
    windows, one = Windows(), charge(requests=5)
    for number, at in ((1, 2.0), (2, 1.0)):
        windows.reserve(one, number=number, at=at)
    again = Window.of(windows[one].state())

    assert again == windows[one]
    assert list(again.grants) == [2, 1], "in order of time, whoever came first"


@pytest.mark.parametrize("state", [None, b"", b"frw3", b"\0" * 32, Window().state() + b"x"])
def test_what_no_window_wrote_is_an_empty_one(state: Any) -> None:
    assert Window.of(state) == Window()
