"""What interactive requests want of a limit is learnt by the hour of the day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY, HOUR
from freerouter_core.routing.charges import Charge
from freerouter_core.routing.demand import (
    ABSENT,
    HALF_LIFE,
    HEADROOM,
    PRIOR,
    PRIOR_ASKED,
    PRIOR_DAY,
    UNSEEN,
    USUAL,
    Demand,
)
from freerouter_core.routing.demand_book import DemandBook
from freerouter_core.routing.people import STAYS, Visit
from freerouter_core.routing.window import Window

MIDNIGHT = 20_000 * DAY


def people(since: float) -> Visit:
    """They came then, and stay."""
    return Visit(since, since, MIDNIGHT + 9 * DAY)


LONG_THERE = people(MIDNIGHT - 9 * DAY)


def test_when_people_have_come_a_part_of_a_short_limit_is_thought_to_be_wanted() -> None:
    demand, visit = Demand.unknown(MIDNIGHT), people(MIDNIGHT)

    assert demand.most(MIDNIGHT, 20, visit) == PRIOR * 20
    assert demand.most(MIDNIGHT + HALF_LIFE, 20, visit) == pytest.approx(PRIOR * 10)


def test_while_nobody_is_there_a_little_is_kept_and_one_request_at_least() -> None:
    demand, left = Demand.unknown(MIDNIGHT), Visit(MIDNIGHT, MIDNIGHT, MIDNIGHT)
    demand.wanted(18.0, MIDNIGHT)
    later = MIDNIGHT + STAYS + 1.0
    for visit in (None, left):
        assert demand.most(later, 40, visit) == ABSENT * 40
        assert demand.most(later, 5, visit) == 1.0
        assert demand.most(later, 1_000, visit, 300.0) == 300.0


def test_the_most_that_was_wanted_lately_counts_and_a_little_more() -> None:
    demand = Demand.unknown(MIDNIGHT)

    assert demand.wanted(16.0, MIDNIGHT)
    assert not demand.wanted(3.0, MIDNIGHT), "no more than was known"
    assert demand.most(MIDNIGHT, 20, LONG_THERE) == 16.0 + HEADROOM * 4.0
    assert demand.most(MIDNIGHT, 20, LONG_THERE, 4.0) == 16.0 + HEADROOM * 8.0


def test_the_usual_most_of_an_hour_is_expected_the_next_day_from_the_hour_before() -> None:
    demand = Demand.unknown(MIDNIGHT)
    demand.wanted(16.0, MIDNIGHT + 9 * HOUR)
    demand.wanted(0.0, MIDNIGHT + 12 * HOUR)
    next_day = MIDNIGHT + DAY

    for visit in (None, LONG_THERE):
        assert demand.most(next_day + 9.5 * HOUR, 20, visit) == pytest.approx(USUAL * 16.0)
        assert demand.most(next_day + 8.5 * HOUR, 20, visit) == pytest.approx(USUAL * 16.0)
    assert demand.most(next_day + 11 * HOUR, 20, LONG_THERE) < 1.0


def test_it_rises_fast_and_falls_slowly() -> None:
    demand = Demand.unknown(MIDNIGHT)
    values = []
    for day, wanted in enumerate((10.0, 20.0, 0.0, 0.0)):
        demand.wanted(wanted, MIDNIGHT + day * DAY + 9 * HOUR)
        demand.wanted(0.0, MIDNIGHT + day * DAY + 10 * HOUR)
        values.append(demand.hours[9])

    assert values == pytest.approx([10.0, 15.0, 12.0, 9.6])


def test_after_a_long_silence_no_more_is_learnt_of_it() -> None:
    demand = Demand.unknown(MIDNIGHT)
    demand.wanted(10.0, MIDNIGHT)
    demand.wanted(0.0, MIDNIGHT + 1_000 * DAY)

    assert demand.hours[0] > 2.0
    assert not demand.wanted(0.0, MIDNIGHT), "a clock that was set back teaches nothing"


def test_of_a_long_limit_it_counts_what_is_asked_for_in_an_hour() -> None:
    demand = Demand.unknown(MIDNIGHT, used=5.0)
    assert not demand.asked(7.0, MIDNIGHT + 1.0)
    assert not demand.asked(3.0, MIDNIGHT + 2.0), "what came back was not asked for"
    demand.asked(4.0, MIDNIGHT + 3.0)
    assert demand.asked(4.0, MIDNIGHT + HOUR)

    assert demand.hours[0] == 3.0
    assert demand.hours[1] == UNSEEN


def test_hours_that_were_never_seen_are_like_the_others_and_the_one_now() -> None:
    demand = Demand.unknown(MIDNIGHT)
    assert demand.rest(MIDNIGHT, MIDNIGHT + DAY, 48) == pytest.approx(PRIOR_DAY * 48)
    assert demand.rest(MIDNIGHT + DAY / 2, MIDNIGHT + DAY, 48) == pytest.approx(PRIOR_DAY * 24)

    asked = demand.rest(MIDNIGHT, MIDNIGHT + DAY, 48, asked=True)
    assert asked == pytest.approx(PRIOR_ASKED * 48)

    demand.asked(1.0, MIDNIGHT)
    assert demand.rest(MIDNIGHT, MIDNIGHT + DAY, 48) == pytest.approx(PRIOR_ASKED * 48)

    demand.asked(9.0, MIDNIGHT)
    assert demand.rest(MIDNIGHT, MIDNIGHT + DAY, 48) == pytest.approx(9.0 * 24)

    demand.asked(9.0, MIDNIGHT + HOUR)
    assert demand.rest(MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR, 48) == pytest.approx(9.0)


def test_what_is_left_of_an_hour_counts_in_part() -> None:
    demand = Demand(hours=[6.0] + [0.0] * 22 + [2.0])

    assert demand.rest(MIDNIGHT + HOUR / 2, MIDNIGHT + DAY, 50) == pytest.approx(3.0 + 2.0)
    assert demand.rest(MIDNIGHT, MIDNIGHT + 30 * DAY, 50) == pytest.approx(30 * 8.0)
    assert demand.rest(MIDNIGHT, MIDNIGHT - 5.0, 50) == 0.0


def test_two_processes_know_the_later_hour_and_the_higher_peak() -> None:
    early = Demand(hours=[1.0] * 24, hour=5, peak=9.0, peak_at=MIDNIGHT)
    late = Demand(hours=[2.0] * 24, hour=6, peak=1.0, peak_at=MIDNIGHT + HALF_LIFE)

    for one, other in ((early, late), (late, early)):
        both = one.joined(other)
        assert both.hours == [2.0] * 24
        assert both.hour == 6
        assert both.peak == pytest.approx(4.5)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 3 * DAY)), max_size=40),
    st.floats(0, DAY),
)
def test_a_demand_is_never_negative_nor_more_than_was_seen(
    looks: list[tuple[float, float]], later: float
) -> None:
    demand = Demand.unknown(MIDNIGHT)
    now = MIDNIGHT
    for amount, wait in looks:
        now += wait
        demand.wanted(amount, now)

    most = max((amount for amount, _ in looks), default=0.0)
    assert 0.0 <= demand.most(now + later, 100, LONG_THERE) <= most + HEADROOM * most**0.5 + 1e-6


MINUTE = Charge("a", Limit(requests=20))
HOURLY = Charge("a", Limit(requests=20, per=HOUR))
TOKENS = Charge("a", Limit(tokens=1_000))


def test_a_book_tells_others_what_is_new() -> None:
    book = DemandBook()
    book.look(MINUTE, 10.0, 8, MIDNIGHT)
    assert book.touched
    book.touched.clear()
    book.look(MINUTE, 3.0, 0, MIDNIGHT)
    assert not book.touched
    book.look(MINUTE, 10.0, 9, MIDNIGHT)
    book.look(TOKENS, 100.0, 9_000, MIDNIGHT)
    book.look(HOURLY, 1.0, 0, MIDNIGHT)
    book.look(Charge("usd", Limit(tokens=9, per=DAY), amount=3), 1.0, 0, MIDNIGHT)

    assert book.touched == {MINUTE.window, TOKENS.window}, "who waits wants something, too"
    assert book.by_window[MINUTE.window].peak == 19.0
    assert book.by_window.keys() == {MINUTE.window, HOURLY.window, TOKENS.window}

    book.look(HOURLY, 1.0, 0, MIDNIGHT + HOUR)
    assert HOURLY.window in book.touched


def test_a_book_learns_from_others() -> None:
    book = DemandBook()
    book.told("w", Demand(peak=5.0, peak_at=MIDNIGHT))
    book.told("w", Demand(peak=9.0, peak_at=MIDNIGHT))

    assert book.by_window["w"].peak == 9.0


def test_a_book_tells_what_background_requests_leave_by_the_time_of_this_process() -> None:
    """The window's clock may be a store's, and be wrong by hours."""
    book = DemandBook()
    book.people.told("a", Visit(MIDNIGHT, MIDNIGHT, MIDNIGHT))
    book.told(MINUTE.window, Demand(peak=16.0, peak_at=MIDNIGHT))
    window = Window(used=12.0, background=12.0)
    for now, free in ((MIDNIGHT, False), (MIDNIGHT + STAYS + 1.0, True)):
        background = book.background("even", now)
        store_time = MIDNIGHT + 5 * HOUR
        assert (background.free_at(MINUTE, window, 1.0, store_time) == store_time) == free


def test_a_book_plans_what_background_requests_may_take() -> None:
    book, window = DemandBook(), Window(used=4.0, background=1.0)
    assert book.plan(HOURLY, window, "even", MIDNIGHT).share < 20.0
    book.told(HOURLY.window, Demand(hours=[0.0] * 24))

    assert book.plan(HOURLY, window, "even", MIDNIGHT).share == 20.0
