"""Background requests leave room, are paced, and never starve where room is left."""

from __future__ import annotations

import math
from dataclasses import replace
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
from freerouter_core.routing.limits import reserve, settle
from freerouter_core.routing.pacing import AT_ONCE, pacing
from freerouter_core.routing.slow_start import LONGEST, POLL, SlowStart
from freerouter_core.routing.window import LEASE_POLL, MARGIN, RESERVE_POLL, Window
from freerouter_core.wire.request import Pace

MIDNIGHT = 20_000 * DAY
NOBODY = Demand(hours=[0.0] * 24, hour=10**9)


def charge(**limit: Any) -> Charge:
    return Charge("a", Limit(**limit))


class Account:
    """One limit that both lanes share. `wants`: what interactive requests want of it."""

    def __init__(self, one: Charge, wants: Demand = NOBODY, pace: Pace = "even") -> None:
        self.charge, self.window, self.taken = one, Window(), 0
        self.background = Background({one.window: wants}, pace)

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


def test_interactive_requests_stand_before_background_ones() -> None:
    assert Place(False, 9) < Place(True, 1) < Place(True, 2)


def usual(most: float, now: float = MIDNIGHT) -> Demand:
    return Demand(hours=[0.0] * 24, peak=most, peak_at=now)


@pytest.mark.parametrize(
    ("limit", "tokens", "wanted", "taken"),
    [
        ({"requests": 20}, 0, 0.0, 20),
        ({"requests": 20}, 0, 8.0, 12),
        ({"concurrent": 4}, 0, 1.0, 3),
        ({"tokens": 1_000}, 100, 300.0, 7),
        ({"requests": 20}, 0, 20.0, 1),
        ({"requests": 1}, 0, 1.0, 1),
        ({"requests": 20, "reset": "fixed"}, 0, 5.0, 15),
        ({"requests": 20, "reset": "bucket"}, 0, 5.0, 15),
    ],
)
def test_background_requests_leave_what_interactive_ones_want_at_a_time(
    limit: dict[str, Any], tokens: int, wanted: float, taken: int
) -> None:
    account = Account(charge(**limit), usual(wanted))

    assert account.many(MIDNIGHT, background=True, tokens=tokens) == taken
    size = next(value for value in limit.values() if isinstance(value, int))
    each = tokens or 1
    assert account.many(MIDNIGHT, background=False, tokens=tokens) == size // each - taken


def test_a_refusal_says_that_the_room_is_kept_and_until_when() -> None:
    account = Account(charge(requests=20), usual(15.0))
    for second in range(5):
        account.take(MIDNIGHT + second, background=True)
    refusal = account.take(MIDNIGHT + 9.0, background=True)

    assert refusal == Refusal(MIDNIGHT + 60.0 + MARGIN, "a")
    assert isinstance(refusal, Refusal)
    assert refusal.kept
    assert refusal.limit == Limit(requests=20)
    account.many(MIDNIGHT + 9.0, background=False)
    full = account.take(MIDNIGHT + 9.0, background=True)
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
    account = Account(charge(**limit), usual(20.0))
    for _ in range(11):
        account.take(MIDNIGHT, background=False)

    assert account.take(MIDNIGHT, background=True) == Refusal(MIDNIGHT + poll, "a")


def test_a_limit_that_was_never_looked_at_keeps_a_part() -> None:
    one = charge(requests=20)
    account = Account(one)
    account.background = Background({})

    assert account.many(MIDNIGHT, background=True) == 5


def test_the_owners_money_has_no_lanes() -> None:
    spent = Charge("usd", Limit(tokens=100, per=DAY, reset="utc-day"), amount=10)
    account = Account(spent)
    account.background = Background({})

    assert account.many(MIDNIGHT, background=True) == 10


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 20.0)), max_size=120), st.integers(2, 20))
def test_nobody_starves_where_room_is_left(arrivals: list[tuple[bool, float]], size: int) -> None:
    """While interactive requests use less than half of a limit, one of the others may go."""
    account, now = Account(charge(requests=size), usual(float(size), MIDNIGHT + DAY)), MIDNIGHT
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
    for background in (True, False):
        account.many(MIDNIGHT, background=background)
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
    asked = Demand.unknown(100, noon)
    asked.asked(1.0, noon)

    first = Account(charge(**DAILY), asked).many(noon, background=True)
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
    account.take(MIDNIGHT + 1.0, background=True, tokens=100)
    refusal = account.take(MIDNIGHT + 2.0, background=True, tokens=1_000)

    assert isinstance(refusal, Refusal)
    kept = account.window.background_free_at(account.charge.limit, 900.0, 1_000.0, MIDNIGHT + 2.0)
    assert kept == MIDNIGHT + 60.0 + MARGIN
    account.window.background = 500.0  # more than the log knows of
    assert account.window.background_free_at(
        account.charge.limit, 900.0, 1_000.0, MIDNIGHT + 2.0
    ) == pytest.approx(MIDNIGHT + 2.0 + RESERVE_POLL)
