"""Accounts that are at a limit, in debt, or whose key is refused."""

from __future__ import annotations

import math
from random import Random

import pytest

from freerouter_core.routing.account_benches import AccountBenches, Bench
from freerouter_core.routing.guessed_bench import guessed_bench
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, model

DEBT = Fault(Kind.ACCOUNT, Cause.DEBT)


def stated(seconds: float, cause: Cause = Cause.ACCOUNT_MINUTE) -> Fault:
    return Fault(Kind.ACCOUNT, cause, until=NOW + seconds)


def after(*faults: Fault, at: float = NOW, benches: AccountBenches | None = None) -> Bench:
    """The bench after these faults."""
    benches = benches or AccountBenches()
    for fault in faults:
        benches.refused("scope", fault, at, Random(0))
    bench = benches.get("scope")
    assert bench is not None
    return bench


def test_a_refused_key_is_never_asked_again() -> None:
    assert after(Fault(Kind.ACCOUNT, Cause.KEY_REFUSED)) == Bench(math.inf, True, Cause.KEY_REFUSED)
    assert after(stated(60.0), Fault(Kind.ACCOUNT, Cause.KEY_REFUSED)).until == math.inf
    assert after(Fault(Kind.ACCOUNT, Cause.KEY_REFUSED), stated(60.0)).until == math.inf


def test_a_stated_wait_is_kept_to_the_second() -> None:
    assert after(stated(61.0)) == Bench(NOW + 61.0, True, Cause.ACCOUNT_MINUTE)


def test_a_later_guess_never_replaces_a_stated_wait() -> None:
    """Law 8."""
    assert after(stated(600.0), DEBT, DEBT).until == NOW + 600.0
    assert after(stated(600.0), DEBT).stated
    assert after(stated(1.5), DEBT) == Bench(NOW + 1.5, True, Cause.ACCOUNT_MINUTE), (
        "not even one that would last longer"
    )


def test_a_guess_follows_a_stated_wait_that_has_ended() -> None:
    benches = AccountBenches()
    after(stated(60.0), benches=benches)

    assert not after(DEBT, at=NOW + 60.0, benches=benches).stated
    assert AccountBenches().get("scope") is None


def test_the_longer_of_two_stated_waits_is_kept() -> None:
    assert after(stated(600.0), stated(60.0)).until == NOW + 600.0
    assert after(stated(60.0), stated(600.0)).until == NOW + 600.0
    longer = after(stated(60.0), stated(60.0, Cause.ACCOUNT_DAY))
    assert longer.cause == Cause.ACCOUNT_DAY, "of equals the newer"


def test_a_stated_wait_replaces_a_guess() -> None:
    assert after(DEBT, stated(5.0)) == Bench(NOW + 5.0, True, Cause.ACCOUNT_MINUTE)


def test_a_guess_doubles_while_the_same_refusal_continues() -> None:
    assert after(DEBT).until == NOW + guessed_bench(1, Random(0))
    benches = AccountBenches()
    first = after(DEBT, benches=benches)
    soon = first.until + 59.0
    assert after(DEBT, at=soon, benches=benches).strikes == 2

    benches = AccountBenches()
    first = after(DEBT, benches=benches)
    later = after(DEBT, at=first.until + 60.0, benches=benches)
    assert (later.strikes, later.until) == (1, first.until + 60.0 + guessed_bench(1, Random(0)))


def test_another_cause_starts_again() -> None:
    benches = AccountBenches()
    after(DEBT, DEBT, benches=benches)

    redirected = Fault(Kind.ACCOUNT, Cause.REDIRECTED)
    assert after(redirected, benches=benches).strikes == 1


@pytest.mark.parametrize(("times", "seconds"), [(1, 1.0), (2, 2.0), (4, 8.0), (9, 60.0)])
def test_resets_in_the_past_start_no_storm(times: int, seconds: float) -> None:
    benches = AccountBenches()
    at = NOW
    last = at
    for _ in range(times):
        benches.refused("scope", stated(-5.0), at, Random(0))
        bench = benches.get("scope")
        assert bench is not None
        last, at = at, bench.until
    assert at == last + seconds


# -- refusals that do not say whose limit it was ------------------------------------------------


def test_three_models_within_a_minute_are_taken_for_the_account() -> None:
    benches = AccountBenches()
    verdicts = [
        benches.refused_unclearly("scope", model(name).identity, NOW + at)
        for at, name in ((0, "a"), (1, "a"), (2, "b"), (59, "c"))
    ]
    assert verdicts == [False, False, False, True]


def test_what_is_a_minute_old_does_not_count() -> None:
    benches = AccountBenches()
    verdicts = [
        benches.refused_unclearly("scope", model(name).identity, NOW + at)
        for at, name in ((0, "a"), (1, "b"), (60, "c"))
    ]
    assert verdicts == [False, False, False]


def test_an_answer_between_them_clears_the_account() -> None:
    benches = AccountBenches()
    for name in "ab":
        benches.refused_unclearly("scope", model(name).identity, NOW)
    benches.answered("scope")

    assert not benches.refused_unclearly("scope", model("c").identity, NOW)
    benches.answered("unknown")


# -- the provider's own count of the day --------------------------------------------------------


def test_a_spent_day_benches_until_its_end() -> None:
    benches = AccountBenches()
    assert benches.reconcile_day("scope", True, NOW + 900.0)
    assert benches.get("scope") == Bench(NOW + 900.0, True, Cause.ACCOUNT_DAY)
    assert not benches.reconcile_day("scope", True, NOW + 900.0), "known"
    assert benches.reconcile_day("scope", True, NOW + 901.0)


def test_new_credits_end_the_bench_of_a_day_and_no_other() -> None:
    benches = AccountBenches()
    assert not benches.reconcile_day("scope", False, NOW + 900.0)
    after(stated(600.0), benches=benches)
    assert not benches.reconcile_day("scope", False, NOW + 900.0)

    after(stated(900.0, Cause.ACCOUNT_DAY), benches=benches)
    assert benches.reconcile_day("scope", False, NOW + 900.0)
    assert benches.get("scope") is None
