"""Background requests leave room, are paced, and never starve where room is left."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY, HOUR
from freerouter_core.catalogue.providers import Account as ProviderAccount
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.routing.demand import PRIOR_ASKED, Demand
from freerouter_core.routing.lanes import Background, Place
from freerouter_core.routing.limits import changes, freed, reserve, settle
from freerouter_core.routing.pacing import AT_ONCE, pacing
from freerouter_core.routing.people import STAYS, People, Visit
from freerouter_core.routing.slow_start import LONGEST, POLL, SlowStart
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.window import LEASE_POLL, MARGIN, RESERVE_POLL, Window
from freerouter_core.wire.request import Pace

MIDNIGHT = 20_000 * DAY
LONG_AGO = MIDNIGHT - 9 * DAY
NOBODY = Demand(hours=[0.0] * 24, hour=10**9)
BUCKET = ({"requests": 20, "reset": "bucket"}, 18)


def charge(**limit: Any) -> Charge:
    return Charge("a", Limit(**limit))


class Account:
    """One limit that both lanes share. `wants`: what interactive requests want of it. `since`: when
    people came, who are still there; None: nobody ever came."""

    def __init__(
        self,
        one: Charge,
        wants: Demand = NOBODY,
        pace: Pace = "even",
        since: float | None = None,
    ) -> None:
        self.charge, self.window, self.taken = one, Window(), 0
        self.background = Background({one.window: wants}, pace, People())
        if since is not None:
            self.background.people.told("a", Visit(since, since, MIDNIGHT + DAY))

    def take(self, at: float, *, background: bool, tokens: int = 0) -> Grant | Refusal:
        self.taken += 2
        return reserve(
            lambda _: self.window,
            (self.charge,),
            self.taken + background,
            at,
            tokens,
            background=self.background if background else None,
        )

    def many(self, at: float, *, background: bool, tokens: int = 0) -> int:
        """How many may go at once."""
        return next(
            n
            for n in range(10_000)
            if isinstance(self.take(at, background=background, tokens=tokens), Refusal)
        )

    def in_a_minute(self, at: float, *, tokens: int = 0) -> int:
        """How many background requests go in a minute in which they always want more."""
        grants = (self.take(at + n / 10, background=True, tokens=tokens) for n in range(600))
        return sum(isinstance(grant, Grant) for grant in grants)


def test_interactive_requests_stand_before_background_ones() -> None:
    assert Place(False, 9) < Place(True, 1) < Place(True, 2)


def usual(most: float, now: float = MIDNIGHT) -> Demand:
    return Demand(hours=[0.0] * 24, peak=most, peak_at=now)


@pytest.mark.parametrize(
    ("limit", "tokens", "wanted", "taken"),
    [
        ({"requests": 20}, 0, 0.0, 20),
        ({"requests": 20}, 0, 9.0, 8),
        ({"tokens": 1_000}, 100, 100.0, 8),
        ({"requests": 20}, 0, 20.0, 1),
        ({"requests": 1}, 0, 1.0, 1),
        ({"requests": 20, "reset": "fixed"}, 0, 4.0, 14),
    ],
)
def test_background_requests_leave_what_interactive_ones_want_at_a_time(
    limit: dict[str, Any], tokens: int, wanted: float, taken: int
) -> None:
    """And as much more as the square root of that: it may be more the next time."""
    account = Account(charge(**limit), usual(wanted, MIDNIGHT + HOUR), since=LONG_AGO)

    assert account.in_a_minute(MIDNIGHT, tokens=tokens) == taken
    size = next(value for value in limit.values() if isinstance(value, int))
    each = tokens or 1
    later = MIDNIGHT + 59.9
    assert account.many(later, background=False, tokens=tokens) == size // each - taken


@pytest.mark.parametrize(("limit", "taken"), [({"concurrent": 4}, 2), BUCKET])
def test_they_leave_it_of_what_runs_at_once_and_of_a_bucket(
    limit: dict[str, Any], taken: int
) -> None:
    account = Account(charge(**limit), usual(1.0), since=LONG_AGO)

    assert account.many(MIDNIGHT, background=True) == taken


@pytest.mark.parametrize(("size", "taken"), [(60, 54), (20, 18), (10, 9), (3, 2), (2, 1), (1, 1)])
def test_while_nobody_is_there_they_take_nearly_all_and_spread_it(size: int, taken: int) -> None:
    account = Account(charge(requests=size))
    first = account.many(MIDNIGHT, background=True)
    assert first <= max(1, 0.1 * size)
    assert first + account.in_a_minute(MIDNIGHT + 0.1) == taken

    gaps = [later - at for at, later in pairwise(account.window.times)]
    assert max(gaps[first - 1 :], default=0.0) < 60 / taken + 0.2


def test_they_step_back_when_people_come_and_return_when_they_have_left() -> None:
    account = Account(charge(requests=20))
    people = account.background.people
    minutes = []
    for minute in range(20):
        at = MIDNIGHT + 61.0 * minute
        if 3 <= minute < 6:
            people.told("a", Visit(MIDNIGHT + 3 * 61.0, MIDNIGHT + 3 * 61.0, at))
        minutes.append(account.in_a_minute(at))

    assert minutes[:3] == [18, 18, 18]
    assert minutes[4:14] == sorted(minutes[4:14])
    assert (minutes[4], minutes[13]) == (6, 10), "three quarters are kept at first"
    assert minutes[16:] == [18, 18, 18, 18]


def test_who_comes_while_a_job_fills_the_minute_waits_seconds() -> None:
    """The wait of the first five of a burst, at any moment of the minute."""
    account = Account(charge(requests=20))
    for minute in range(3):
        account.in_a_minute(MIDNIGHT + 61.0 * minute)
    now = MIDNIGHT + 3 * 61.0
    account.background.people.told("a", Visit(now, now, now))
    waits = []
    for _ in range(5):
        at = now
        while isinstance(refusal := account.take(at, background=False), Refusal):
            at = refusal.until + 0.001
        waits.append(at - now)

    assert waits[:2] == [0.0, 0.0]
    assert waits[4] < 12.0


def test_people_who_can_ask_an_account_are_people_of_its_models() -> None:
    one = ProviderAccount("acme", "https://acme.example", "k", limits=(Limit(5, scope="ip"),))
    other = ProviderAccount("acme", "https://acme.example", "other")
    people = People()
    people.came([one], MIDNIGHT)

    for scope in (one.scope, f"{one.scope}|some|model", "acme|https://acme.example|ip"):
        visit = people.visit(scope)
        assert visit is not None and visit.lasts(MIDNIGHT + STAYS)
        assert not visit.lasts(MIDNIGHT + STAYS + 1.0)
    assert people.visit(other.scope) is None
    assert people.visit(f"{other.scope}|model") is None


def test_a_visit_begins_anew_after_a_pause_and_others_are_told_now_and_then() -> None:
    people, told = People(), []
    for seconds in (0.0, 30.0, 60.0, 100.0, STAYS + 101.0):
        people.came([UNSTATED], MIDNIGHT + seconds)
        told.append(bool(people.touched))
        people.touched.clear()

    assert told == [True, False, True, False, True]
    again = MIDNIGHT + STAYS + 101.0
    visit = people.visit(UNSTATED.scope)
    assert visit is not None
    assert (visit.first, visit.since, visit.last) == (MIDNIGHT, again, again)


@pytest.mark.parametrize(
    ("theirs", "since"),
    [
        (Visit(0.0, 900.0, 1_100.0), 900.0),
        (Visit(0.0, 1_100.0, 1_200.0), 1_000.0),
        (Visit(0.0, 100.0, 300.0), 1_000.0),
        (Visit(0.0, 5_000.0, 6_000.0), 5_000.0),
    ],
)
def test_two_processes_know_one_visit(theirs: Visit, since: float) -> None:
    """Visits that meet are one, and of two others the later counts."""
    own, people = Visit(500.0, 1_000.0, 1_050.0), People()
    people.told("a", replace(own))
    people.told("a", replace(theirs))

    assert people.visit("a") == Visit(0.0, since, max(own.last, theirs.last))


def test_a_refusal_says_that_the_room_is_kept_and_until_when() -> None:
    account = Account(charge(requests=20), usual(11.0, MIDNIGHT + HOUR), since=LONG_AGO)
    for second in range(55):
        account.take(MIDNIGHT + second, background=True)
    refusal = account.take(MIDNIGHT + 55.0, background=True)

    assert refusal == Refusal(MIDNIGHT + 60.0 + MARGIN, "a")
    assert isinstance(refusal, Refusal)
    assert refusal.kept
    assert refusal.limit == Limit(requests=20)
    account.many(MIDNIGHT + 55.0, background=False)
    full = account.take(MIDNIGHT + 55.0, background=True)
    assert isinstance(full, Refusal)
    assert not full.kept


@pytest.mark.parametrize(
    ("limit", "poll"),
    [
        ({"requests": 20}, RESERVE_POLL),
        ({"concurrent": 20}, LEASE_POLL),
        ({"requests": 20, "reset": "fixed"}, RESERVE_POLL),
    ],
)
def test_where_nothing_is_left_to_them_they_look_again(limit: dict[str, Any], poll: float) -> None:
    account = Account(charge(**limit), usual(20.0), since=LONG_AGO)
    for _ in range(11):
        account.take(MIDNIGHT, background=False)

    assert account.take(MIDNIGHT, background=True) == Refusal(MIDNIGHT + poll, "a")


def test_a_limit_that_was_never_looked_at_keeps_a_part_if_people_are_there() -> None:
    for since, taken in ((MIDNIGHT + 60.0, 5), (None, 18)):
        account = Account(charge(requests=20), since=since)
        account.background = Background({}, people=account.background.people)
        assert account.in_a_minute(MIDNIGHT) == taken


def test_the_owners_money_has_no_lanes() -> None:
    spent = Charge("usd", Limit(tokens=100, per=DAY, reset="utc-day"), amount=10)
    account = Account(spent)
    account.background = Background({})

    assert account.many(MIDNIGHT, background=True) == 10


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 20.0)), max_size=120), st.integers(2, 20))
def test_nobody_starves_where_room_is_left(arrivals: list[tuple[bool, float]], size: int) -> None:
    """While interactive requests use less than half of a limit, one of the others may go."""
    wants = usual(float(size), MIDNIGHT + DAY)
    account, now = Account(charge(requests=size), wants, since=LONG_AGO), MIDNIGHT
    for background, wait in arrivals:
        now += wait
        taken = account.take(now, background=background)
        calm = account.window.used <= size / 2 - 1 and not account.window.background
        assert not (background and calm and isinstance(taken, Refusal))


# -- windows tell the lanes apart ---------------------------------------------------------------


@pytest.mark.parametrize("reset", ["rolling", "fixed", "bucket", "utc-day"])
def test_a_window_knows_what_background_requests_took(reset: Any) -> None:
    account = Account(charge(tokens=1_000, per=600.0, reset=reset), pace="asap")
    one = account.take(MIDNIGHT, background=True, tokens=100)
    two = account.take(MIDNIGHT, background=False, tokens=300)
    assert isinstance(one, Grant)
    assert isinstance(two, Grant)
    assert (account.window.background, account.window.interactive) == (100, 300)

    settle(lambda _: account.window, one, sent=True, tokens=50)
    settle(lambda _: account.window, two, sent=True, tokens=350)
    assert account.window.background == 50
    assert account.window.interactive == 350
    again = Window.of(account.window.state())
    assert again == account.window

    account.window.expire(account.charge.limit, MIDNIGHT + 2 * DAY)
    assert (account.window.used, account.window.background) == (0.0, 0.0)


def test_a_bucket_drains_in_both_lanes_alike() -> None:
    account = Account(charge(requests=10, per=100.0, reset="bucket"))
    account.window.expire(account.charge.limit, MIDNIGHT)
    account.window.used, account.window.background = 10.0, 4.0
    account.window.expire(account.charge.limit, MIDNIGHT + 50.0)

    assert (account.window.used, account.window.background) == (5.0, 2.0)


def test_what_a_wrong_clock_wrote_counts_in_no_lane() -> None:
    account = Account(charge(requests=10))
    account.take(MIDNIGHT + HOUR, background=True)
    account.window.expire(account.charge.limit, MIDNIGHT)

    assert (account.window.used, account.window.background) == (0.0, 0.0)


def test_requests_of_the_last_moment_are_in_the_new_period_in_their_lane() -> None:
    account = Account(charge(requests=10, per=60.0, reset="fixed"))
    account.take(MIDNIGHT + 59.9, background=True)
    account.window.expire(account.charge.limit, MIDNIGHT + 60.6)

    assert (account.window.used, account.window.background) == (1.0, 1.0)


def test_a_lease_that_was_taken_back_is_renewed_in_its_lane() -> None:
    account = Account(charge(concurrent=4))
    grant = account.take(MIDNIGHT, background=True)
    assert isinstance(grant, Grant)
    account.window.clear()
    account.window.renew(grant, MIDNIGHT + 1.0)

    assert account.window.background == 1.0


# -- days ---------------------------------------------------------------------------------------

DAILY = {"requests": 100, "per": DAY, "reset": "utc-day"}
EVENING = Demand(hours=[0.0] * 18 + [5.0] * 4 + [0.0] * 2, hour=10**9)
"""Twenty interactive requests, from six to ten in the evening."""


def spent(account: Account, hours: range, step: float = 60.0) -> list[int]:
    """What a job that always wants more has taken after each hour."""
    taken, total = [], 0
    for hour in hours:
        for n in range(int(HOUR / step)):
            at = MIDNIGHT + 1.0 + hour * HOUR + n * step
            total += account.many(at, background=True)
        taken.append(total)
    return taken


def test_an_even_pace_is_never_far_ahead_of_the_clock_and_uses_the_day() -> None:
    taken = spent(Account(charge(**DAILY)), range(24))

    for hour, count in enumerate(taken, 1):
        assert count <= 100 * (AT_ONCE + (1 - AT_ONCE) * hour / 24 / 0.97) + 1
    assert taken[0] >= 10
    assert 50 <= taken[11] <= 60
    assert taken[-1] == 100


def test_as_soon_as_possible_leaves_only_the_reserve() -> None:
    account = Account(charge(**DAILY), EVENING, "asap")

    assert 74 <= account.many(MIDNIGHT + HOUR, background=True) <= 76
    assert account.many(MIDNIGHT + 18 * HOUR, background=False) >= 20


def test_an_even_pace_leaves_the_reserve_too_and_takes_what_is_left_of_it() -> None:
    account = Account(charge(**DAILY), EVENING)
    before = spent(account, range(18))[-1]
    assert 50 <= before <= 75, "and no more than the clock allows"

    after = spent(account, range(18, 24))[-1]
    assert before + after == 100


def test_a_job_that_starts_late_catches_up() -> None:
    account = Account(charge(**DAILY))

    assert account.many(MIDNIGHT + DAY / 2, background=True) == pytest.approx(56, abs=2)


def test_where_people_ask_whose_hours_nobody_knows_it_does_not_catch_up() -> None:
    noon = MIDNIGHT + DAY / 2
    asked = Demand.unknown(noon)
    asked.asked(1.0, noon)

    for account in (Account(charge(**DAILY), asked), Account(charge(**DAILY), since=noon)):
        if account.background.people.visit("a"):  # who asked others so far may ask this one
            account.background = Background({}, people=account.background.people)
        first = account.many(noon, background=True)
        assert first == pytest.approx((100 - 100 * PRIOR_ASKED / 2) * AT_ONCE, abs=2)
    assert spent(Account(charge(**DAILY), asked), range(12, 24))[-1] >= 99
    known = Demand(hours=[0.1] * 24, since=MIDNIGHT - DAY, hour=10**9)
    assert Account(charge(**DAILY), known).many(noon, background=True) > 50


def test_what_interactive_requests_took_is_no_longer_the_jobs() -> None:
    account = Account(charge(**DAILY))
    for _ in range(90):
        account.take(MIDNIGHT, background=False)

    assert spent(account, range(24))[-1] == 10


def test_the_reserve_may_never_shrink_enough() -> None:
    day = Limit(**DAILY)  # type: ignore[arg-type]
    window = Window(used=100.0)
    plan = pacing(day, window, EVENING, "even", MIDNIGHT + 1.0)
    assert plan.share == 0.0
    assert plan.free_at == MIDNIGHT + DAY + MARGIN

    shrinks = pacing(day, Window(used=90.0), EVENING, "even", MIDNIGHT + 1.0)
    assert 19 * HOUR < shrinks.free_at - MIDNIGHT < 22 * HOUR
    assert shrinks.reserved == pytest.approx(20.0 + math.sqrt(20.0))


def test_an_hour_is_not_paced() -> None:
    assert Account(charge(requests=100, per=HOUR)).many(MIDNIGHT, background=True) == 100
    fixed = charge(requests=100, per=HOUR, reset="fixed")
    assert Account(fixed).many(MIDNIGHT, background=True) == 100


def test_a_rolling_day_is_a_bucket() -> None:
    account = Account(charge(requests=100, per=DAY))
    taken = spent(account, range(48))

    assert taken[0] == pytest.approx(100 * AT_ONCE + 100 * (1 - AT_ONCE) / 24, abs=1)
    assert taken[11] <= 60
    assert 95 <= taken[23] <= 100
    assert 190 <= taken[47] <= 210


def test_a_rolling_day_that_is_wanted_whole_leaves_nothing() -> None:
    account = Account(charge(requests=100, per=DAY), Demand(hours=[50.0] * 24, hour=10**9))

    assert account.take(MIDNIGHT, background=True) == Refusal(MIDNIGHT + RESERVE_POLL, "a")


# -- limits that nobody stated --------------------------------------------------------------------


UNSTATED = ProviderAccount("acme", "https://acme.example", "k")
RATED = replace(UNSTATED, limits=(Limit(requests=20, per=60.0),))


def started(account: ProviderAccount, at: float, *, sent: int = 2) -> SlowStart:
    """So many were sent, and one was answered."""
    start = SlowStart()
    for _ in range(sent):
        start.sent(account.scope)
    start.answered(account, at)
    start.ended(account.scope)
    return start


def test_a_job_begins_with_two_and_interactive_requests_under_way_count() -> None:
    start, scope = SlowStart(), UNSTATED.scope
    assert start.free_at(scope, 9, MIDNIGHT) == MIDNIGHT
    start.sent(scope)
    assert start.free_at(scope, 1, MIDNIGHT) == MIDNIGHT
    assert start.free_at(scope, 2, MIDNIGHT) == MIDNIGHT + POLL
    start.ended(scope)
    assert start.free_at(scope, 9, MIDNIGHT) == MIDNIGHT, "one may always go"


def test_one_more_goes_after_each_round_of_answers() -> None:
    start, scope = started(UNSTATED, MIDNIGHT), UNSTATED.scope
    assert start.free_at(scope, 2, MIDNIGHT) > MIDNIGHT
    start.sent(scope)
    start.answered(UNSTATED, MIDNIGHT)
    start.answered(UNSTATED, MIDNIGHT)
    assert start.free_at(scope, 2, MIDNIGHT) == MIDNIGHT


def test_alone_one_more_goes_after_each_round_wherever() -> None:
    for visit, more in ((None, True), (Visit(MIDNIGHT, MIDNIGHT, MIDNIGHT), False)):
        state, scope = RoutingState(), RATED.scope
        if visit is not None:
            state.people.told(scope, visit)
        for under_way in (2, 3):
            while state.slow_start.free_at(scope, under_way - 1, MIDNIGHT) <= MIDNIGHT:
                state.slow_start.sent(scope)
                under_way += 1
            for _ in range(3):
                state.answered_background(RATED, MIDNIGHT)
        assert (state.slow_start.free_at(scope, 3, MIDNIGHT) == MIDNIGHT) == more


def test_one_more_goes_each_minute_where_a_limit_of_the_minute_is_stated() -> None:
    start, scope = started(RATED, MIDNIGHT), RATED.scope
    assert start.free_at(scope, 2, MIDNIGHT) == MIDNIGHT
    start.sent(scope)
    start.sent(scope)
    for _ in range(9):
        start.answered(RATED, MIDNIGHT + 59.0)
    assert start.free_at(scope, 3, MIDNIGHT + 59.0) > MIDNIGHT + 59.0
    start.answered(RATED, MIDNIGHT + 60.0)
    assert start.free_at(scope, 3, MIDNIGHT + 60.0) == MIDNIGHT + 60.0


def test_after_a_refusal_none_goes_for_a_minute_and_then_one_more_each_minute() -> None:
    start, scope = SlowStart(), UNSTATED.scope
    start.refused(scope, MIDNIGHT)
    assert start.free_at(scope, 0, MIDNIGHT + 59.0) == MIDNIGHT + 60.0
    assert start.free_at(scope, 0, MIDNIGHT + 60.0) == MIDNIGHT + 60.0
    start.sent(scope)
    assert start.free_at(scope, 1, MIDNIGHT + 60.0) > MIDNIGHT + 60.0
    start.answered(UNSTATED, MIDNIGHT + 119.0)
    assert start.free_at(scope, 1, MIDNIGHT + 119.0) > MIDNIGHT + 119.0
    start.answered(UNSTATED, MIDNIGHT + 120.0)
    assert start.free_at(scope, 1, MIDNIGHT + 120.0) == MIDNIGHT + 120.0


def test_an_account_that_soon_refuses_again_gets_none_for_twice_as_long() -> None:
    start, scope = SlowStart(), UNSTATED.scope
    for at, until in ((0.0, 60.0), (30.0, 60.0), (179.0, 299.0), (540.0, 600.0)):
        start.refused(scope, MIDNIGHT + at)
        held = start.free_at(scope, 0, MIDNIGHT + at)
        assert held == MIDNIGHT + until
    for _ in range(9):
        start.refused(scope, held)
        pause = start.free_at(scope, 0, held) - held
        held += pause
    assert pause == LONGEST


def test_who_leaves_room_gets_no_more() -> None:
    start, scope = started(UNSTATED, MIDNIGHT, sent=1), UNSTATED.scope
    start.sent(scope)
    assert start.free_at(scope, 2, MIDNIGHT) > MIDNIGHT


def test_of_two_periods_only_entries_of_the_right_lane_come_back() -> None:
    """A window that never held an entry is settled nowhere."""
    account = Account(charge(tokens=1_000, per=60.0))
    one = account.take(MIDNIGHT, background=True, tokens=100)
    assert isinstance(one, Grant)
    account.take(MIDNIGHT + 20.0, background=True, tokens=100)
    refusal = account.take(MIDNIGHT + 20.0, background=True, tokens=1_000)

    assert isinstance(refusal, Refusal)
    kept = account.window.background_free_at(account.charge.limit, 900.0, 1_000.0, MIDNIGHT + 20.0)
    assert kept == MIDNIGHT + 60.0 + MARGIN
    account.window.background = 500.0  # more than the log knows of
    assert account.window.background_free_at(
        account.charge.limit, 900.0, 1_000.0, MIDNIGHT + 2.0
    ) == pytest.approx(MIDNIGHT + 2.0 + RESERVE_POLL)


@pytest.mark.parametrize(
    ("sent", "tokens", "scopes"),
    [
        (True, 40, {"c", "t"}),
        (True, 100, {"c"}),
        (True, 130, {"c"}),
        (True, None, {"c"}),
        (False, None, {"c", "t", "r"}),
    ],
)
def test_the_end_of_a_request_makes_room_where_it_took_less_than_was_reserved(
    sent: bool, tokens: int | None, scopes: set[str]
) -> None:
    limits = {"c": Limit(concurrent=2), "t": Limit(tokens=500), "r": Limit(requests=9)}
    grant = Grant(2, tuple(Charge(scope, limit) for scope, limit in limits.items()), MIDNIGHT, 100)

    assert freed(grant, changes(grant, sent=sent, tokens=tokens)) == scopes
