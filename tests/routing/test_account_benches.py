"""Accounts that are at a limit, in debt, or whose key is refused."""

from __future__ import annotations

import math
from random import Random

import pytest

from freerouter_core.routing.account_benches import (
    LAST_LOOK_GAP,
    LATELY,
    LOOK_AGAIN,
    LOOK_LASTS,
    LOOK_POLL,
    AccountBenches,
    Bench,
)
from freerouter_core.routing.crowding import SOON
from freerouter_core.wire.fault import BRIEF, KEY_REST, LASTING, Cause, Fault, Kind

from .driver import NOW

DEBT = Fault(Kind.ACCOUNT, Cause.DEBT)
GUESSED = Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED)
KEY = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED)


class Middle(Random):
    """Draws the middle, so that no guess is longer or shorter."""

    def random(self) -> float:
        return 0.5


def stated(seconds: float, cause: Cause = Cause.ACCOUNT_MINUTE) -> Fault:
    return Fault(Kind.ACCOUNT, cause, until=NOW + seconds)


def after(
    *faults: Fault, at: float = NOW, benches: AccountBenches | None = None, model: str = ""
) -> Bench:
    """The bench after these faults."""
    benches = benches or AccountBenches()
    for fault in faults:
        benches.refused("scope", fault, at, Middle(), model=model)
    bench = benches.get("scope")
    assert bench is not None
    return bench


def asked_again(cause: Cause, times: int) -> list[float]:
    """How long each bench lasts if every one ends with the same refusal."""
    benches, at, seconds = AccountBenches(), NOW, []
    for _ in range(times):
        bench = after(Fault(Kind.ACCOUNT, cause), at=at, benches=benches)
        seconds.append(bench.until - at)
        at = bench.until + 9_999.0
    return seconds


# -- how long -----------------------------------------------------------------------------------


def test_each_model_of_an_account_that_seems_spent_is_looked_at_once_a_minute() -> None:
    benches = AccountBenches()
    benches.looked("scope", "a", NOW - 9.0)
    bench = after(Fault(Kind.ACCOUNT, Cause.ACCOUNT_SPENT), benches=benches)
    assert not bench.firm
    assert benches.next_look("scope", "a", NOW) < NOW, "it was asked before the bench"

    benches.looked("scope", "a", NOW + 1.0)
    after(Fault(Kind.ACCOUNT, Cause.ACCOUNT_SPENT), at=NOW + 2.0, benches=benches)
    assert benches.next_look("scope", "a", NOW) == NOW + 1.0 + LOOK_AGAIN
    assert benches.next_look("scope", "b", NOW) < NOW, "another model may have been at fault"
    assert benches.next_look("other", "a", NOW) < NOW

    benches.answered("scope", "b", NOW + 3.0)
    assert not benches.looks


def test_an_account_that_is_full_for_a_moment_may_be_asked_as_a_last_resort() -> None:
    benches = AccountBenches()
    after(GUESSED, benches=benches)
    benches.looked("scope", "a", NOW)

    assert benches.next_look("scope", "a", NOW) < NOW
    benches.reset()
    assert not benches.looks


def test_a_refused_key_is_not_even_a_last_resort_and_looked_at_rarely() -> None:
    bench = after(KEY)

    assert (bench.firm, bench.stated, bench.worth_waiting_until) == (True, False, math.inf)
    assert bench.until == NOW + KEY_REST.first
    assert after(stated(60.0), KEY).cause is Cause.KEY_REFUSED
    assert after(KEY, stated(60.0)).cause is Cause.KEY_REFUSED
    assert asked_again(Cause.KEY_REFUSED, 5) == [900.0, 3_600.0, 14_400.0, 57_600.0, 86_400.0]


def test_what_lasts_is_asked_ever_more_rarely_though_each_bench_has_ended() -> None:
    assert asked_again(Cause.DEBT, 4) == [900.0, 3_600.0, 14_400.0, LASTING.longest]
    assert asked_again(Cause.ACCOUNT_GUESSED, 7) == [20, 40, 80, 160, 320, BRIEF.longest, 600.0]
    assert len(asked_again(Cause.DEBT, 99)) == 99


def test_a_guess_is_up_to_a_fifth_longer_or_shorter() -> None:
    benches = AccountBenches()
    ends = set()
    for seed in range(99):
        benches.reset()
        benches.refused("scope", GUESSED, NOW, Random(seed))
        ends.add(benches.benches["scope"].until - NOW)

    assert 16.0 <= min(ends) < 17.0 < 23.0 < max(ends) <= 24.0


def test_refusals_of_what_was_sent_before_are_no_further_strikes() -> None:
    """Ten requests at once are refused alike: that is one refusal."""
    benches = AccountBenches()
    for n in range(10):
        benches.refused("scope", DEBT, NOW + n, Middle(), sent=NOW - 1.0)

    assert benches.benches["scope"].strikes == 1
    benches.refused("scope", DEBT, NOW + 99.0, Middle(), sent=NOW + 98.0)
    assert benches.benches["scope"].strikes == 2


def test_another_cause_starts_again() -> None:
    benches = AccountBenches()
    after(DEBT, DEBT, benches=benches)

    redirected = Fault(Kind.ACCOUNT, Cause.REDIRECTED)
    assert after(redirected, benches=benches).strikes == 1


def test_a_stated_wait_is_kept_to_the_second() -> None:
    bench = after(stated(61.0))

    assert (bench.until, bench.stated, bench.cause) == (NOW + 61.0, True, Cause.ACCOUNT_MINUTE)
    assert bench.worth_waiting_until == NOW + 61.0


def test_a_later_guess_never_replaces_a_stated_wait() -> None:
    """Law 8."""
    assert after(stated(600.0), DEBT, DEBT).until == NOW + 600.0
    assert after(stated(600.0), DEBT).stated
    assert after(stated(1.5), DEBT).until == NOW + 1.5, "not even one that would last longer"


def test_a_guess_follows_a_stated_wait_that_has_ended() -> None:
    benches = AccountBenches()
    after(stated(60.0), benches=benches)

    assert not after(DEBT, at=NOW + 60.0, benches=benches).firm
    assert AccountBenches().get("scope") is None


def test_the_longer_of_two_stated_waits_is_kept() -> None:
    assert after(stated(600.0), stated(60.0)).until == NOW + 600.0
    assert after(stated(60.0), stated(600.0)).until == NOW + 600.0
    longer = after(stated(60.0), stated(60.0, Cause.ACCOUNT_DAY))
    assert longer.cause == Cause.ACCOUNT_DAY, "of equals the newer"


def test_a_stated_wait_replaces_a_guess() -> None:
    bench = after(DEBT, stated(5.0))
    assert (bench.until, bench.stated) == (NOW + 5.0, True)


@pytest.mark.parametrize(("times", "seconds"), [(1, 1.0), (2, 2.0), (4, 8.0), (9, 60.0)])
def test_resets_in_the_past_start_no_storm(times: int, seconds: float) -> None:
    benches = AccountBenches()
    at = NOW
    last = at
    for _ in range(times):
        benches.refused("scope", stated(-5.0), at, Middle())
        bench = benches.get("scope")
        assert bench is not None
        last, at = at, bench.until
    assert at == last + seconds


# -- what an answer disproves -------------------------------------------------------------------


def test_an_answer_ends_a_guess_and_its_growth() -> None:
    benches = AccountBenches()
    after(GUESSED, GUESSED, benches=benches)

    assert benches.answered("scope", "a", NOW + 9.0) is None
    assert benches.get("scope") is None
    assert benches.answered("scope", "a", NOW + 9.0) is None


def test_an_answer_to_what_was_sent_before_says_nothing() -> None:
    benches = AccountBenches()
    after(DEBT, benches=benches)

    assert benches.answered("scope", "a", NOW - 0.5) is None
    assert benches.get("scope") is not None


def test_no_answer_ends_a_stated_wait_before_its_time() -> None:
    benches = AccountBenches()
    after(stated(60.0), benches=benches)
    benches.answered("scope", "a", NOW + 9.0)

    assert benches.get("scope") is not None
    benches.answered("scope", "a", NOW + 61.0)
    assert benches.get("scope") is None


@pytest.mark.parametrize(
    ("fault", "answering", "own"),
    [(DEBT, "b", "a"), (DEBT, "a", None), (GUESSED, "b", None)],
)
def test_a_debt_was_the_models_own_if_another_of_the_account_answers(
    fault: Fault, answering: str, own: str | None
) -> None:
    benches = AccountBenches()
    after(fault, benches=benches, model="a")

    assert benches.answered("scope", answering, NOW + 9.0) == own


def test_suspicions_are_kept_by_account_and_ended_by_an_answer() -> None:
    benches = AccountBenches()
    forbidden = Fault(Kind.BUSY, Cause.FORBIDDEN, "Forbidden", status=403)
    for name in "ab":
        assert benches.suspect("scope", name, forbidden, NOW) is None
    assert benches.suspected("scope")
    assert not benches.suspected("other")
    benches.answered("scope", "c", NOW)

    assert not benches.suspected("scope")
    assert benches.suspect("scope", "d", forbidden, NOW) is None


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


def test_last_resorts_of_one_call_do_not_lengthen_the_bench() -> None:
    """One burst of refusals says no more than its first (a bench of hours came of one call)."""
    benches = AccountBenches()
    for n in range(9):
        benches.refused("scope", DEBT, NOW + n, Middle())

    assert benches.benches["scope"].strikes == 1


def test_what_is_only_concluded_of_a_key_keeps_no_model_from_being_a_last_resort() -> None:
    benches = AccountBenches()
    forbidden = Fault(Kind.ACCOUNT, Cause.ACCOUNT_FORBIDDEN)
    benches.refused("scope", forbidden, NOW, Middle(), proved=False)
    assert not benches.benches["scope"].firm

    benches.refused("scope", forbidden, NOW, Middle(), proved=True)
    assert benches.benches["scope"].firm
    benches.refused("other", forbidden, NOW, Middle())
    assert benches.benches["other"].firm


# -- a key that answered lately -----------------------------------------------------------------


def test_the_first_refusal_of_a_key_that_answered_lately_is_doubted_and_the_next_is_proof() -> None:
    benches = AccountBenches()
    benches.answered("scope", "a", NOW - 60.0)
    doubted = after(KEY, benches=benches)

    assert (doubted.firm, doubted.until) == (False, NOW + BRIEF.first)
    proved = after(KEY, at=NOW + 1.0, benches=benches)
    assert (proved.firm, proved.until) == (True, NOW + 1.0 + KEY_REST.first)


def test_an_answer_in_between_makes_the_next_refusal_a_first_one_again() -> None:
    benches = AccountBenches()
    benches.answered("scope", "a", NOW - 60.0)
    after(KEY, benches=benches)
    benches.answered("scope", "b", NOW + 1.0)

    assert benches.get("scope") is None
    assert not after(KEY, at=NOW + 2.0, benches=benches).firm


def test_an_answer_of_long_ago_and_one_of_another_account_speak_for_no_key() -> None:
    benches = AccountBenches()
    benches.answered("scope", "a", NOW - LATELY - 1.0)
    benches.answered("other", "a", NOW)
    assert after(KEY, benches=benches).firm

    benches = AccountBenches()
    benches.answered("scope", "a", NOW)
    benches.reset()
    assert after(KEY, benches=benches).firm


def test_what_is_no_refusal_of_a_key_is_not_doubted() -> None:
    benches = AccountBenches()
    benches.answered("scope", "a", NOW)

    assert after(DEBT, benches=benches).until == NOW + LASTING.first


# -- an account that refuses everything alike ---------------------------------------------------


def test_a_disturbed_account_is_looked_at_after_5_10_and_20_seconds_by_one_for_all() -> None:
    benches, at = AccountBenches(), NOW
    benches.answered("scope", "a", NOW - 1.0)
    for seconds in (5.0, 10.0, 20.0):
        benches.disturbed("scope", at, at, Middle())
        assert benches.is_disturbed("scope")
        assert not benches.benches["scope"].firm
        look = at + seconds
        assert benches.next_look("scope", "a", at) == look
        assert benches.next_look("scope", "b", look) == look, "whoever comes first"
        benches.looked("scope", "a", look)
        assert benches.next_look("scope", "b", look) == look + LOOK_POLL
        late = look + LOOK_LASTS
        assert benches.next_look("scope", "b", late) == late, "the first one hears nothing"
        at = look + 0.1

    benches.answered("scope", "a", at)
    assert not benches.is_disturbed("scope")


def test_what_was_under_way_when_it_was_found_is_no_look() -> None:
    benches = AccountBenches()
    benches.disturbed("scope", NOW, NOW, Middle())
    benches.disturbed("scope", NOW + 1.0, NOW - 1.0, Middle())

    assert benches.benches["scope"].until == NOW + 5.0


def test_a_look_before_its_time_makes_the_wait_no_longer() -> None:
    benches = AccountBenches()
    benches.disturbed("scope", NOW, NOW, Middle())
    benches.looked("scope", "a", NOW + 3.0)
    benches.disturbed("scope", NOW + 3.1, NOW + 3.0, Middle())

    assert benches.benches["scope"].until == NOW + 5.0
    assert benches.next_look("scope", "b", NOW + 3.2) == NOW + 5.0, "nobody looks any more"


@pytest.mark.parametrize(
    ("time_left", "look"),
    [
        (None, 40.0),
        (100.0, 40.0),
        (30.0, 30.0 - SOON),
        (SOON + 1.0, None),
        (LAST_LOOK_GAP + 1.0, LAST_LOOK_GAP),
    ],
)
def test_who_would_be_held_to_its_end_looks_shortly_before(
    time_left: float | None, look: float | None
) -> None:
    """Unless somebody has just looked."""
    benches = AccountBenches()
    benches.benches["scope"] = Bench(NOW + 40.0, False, Cause.ACCOUNT_DISTURBED, 4, since=NOW)

    expected = NOW + (40.0 if look is None else look)
    assert benches.next_look("scope", "a", NOW, time_left) == expected


def test_a_refusal_of_what_was_under_way_is_no_proof_against_a_key() -> None:
    benches = AccountBenches()
    benches.answered("scope", "a", NOW - 60.0)
    after(KEY, benches=benches)
    benches.refused("scope", KEY, NOW + 0.1, Middle(), sent=NOW - 0.1)
    assert not benches.benches["scope"].firm

    benches.refused("scope", KEY, NOW + 0.3, Middle(), sent=NOW + 0.2)
    assert benches.benches["scope"].firm


def test_a_disturbance_shortens_no_stated_wait_and_replaces_one_that_has_ended() -> None:
    benches = AccountBenches()
    after(stated(60.0), benches=benches)
    benches.disturbed("scope", NOW, NOW, Middle())
    assert not benches.is_disturbed("scope")

    benches.disturbed("scope", NOW + 61.0, NOW + 61.0, Middle())
    assert benches.is_disturbed("scope")


def test_a_disturbance_that_is_believed_holds_nobody() -> None:
    benches = AccountBenches()
    benches.believed("scope")
    benches.disturbed("scope", NOW, NOW, Middle())
    benches.believed("scope")
    assert benches.get("scope") is None

    after(KEY, benches=benches)
    benches.believed("scope")
    assert benches.get("scope") is not None


@pytest.mark.parametrize(("status", "empty"), [(404, True), (410, True), (401, False)])
def test_an_account_whose_models_all_seem_gone_seems_empty_while_that_is_doubted(
    status: int, empty: bool
) -> None:
    benches = AccountBenches()
    fault = Fault(Kind.GONE, Cause.GONE, status=status)
    benches.disturbances.refused("scope", "a", fault, NOW, request=1, sent=NOW, worked=NOW)
    assert not benches.seems_empty("scope")
    benches.disturbed("scope", NOW, NOW, Middle())
    assert benches.seems_empty("scope") is empty

    benches.disturbances.reset()
    assert not benches.seems_empty("scope"), "another process found it"


def test_rests_grow_only_while_nobody_is_let_in() -> None:
    """A burst at a full minute: first come its refusals, then the answers to those who had room."""

    def seconds(*, lets_in: bool) -> list[float]:
        benches, at, rests = AccountBenches(), NOW, []
        for _ in range(6):
            minute = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, until=at + 2.0)
            benches.refused("scope", minute, at + 0.2, Middle(), sent=at)
            bench = benches.benches["scope"]
            rests.append(bench.until - at)
            if lets_in:
                benches.answered("scope", "a", sent=at)
            at = bench.until
        return rests

    assert max(seconds(lets_in=True)) == pytest.approx(2.0)
    assert max(seconds(lets_in=False)) > 16.0
