"""What one more request of an account costs the others who share it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.routing.congestion import (
    DENIAL,
    DENIED_SECONDS,
    FREE,
    LONG_PERIOD,
    MAX_DELAY,
    MAX_DENIAL,
    Congestion,
    delay,
    denial,
)

MINUTES, DAYS = Limit(requests=20), Limit(requests=50, per=DAY, reset="utc-day")


@pytest.mark.parametrize(
    ("limit", "used", "waiting", "seconds"),
    [
        (Limit(tokens=10), 9, 9, 0.0),
        (Limit(requests=0), 0, 9, 0.0),
        (MINUTES, 0, 0, 0.0),
        (MINUTES, 10, 0, 3.0 * 0.125 / 0.55),
        (MINUTES, 0, 2, 6.0),
        (MINUTES, 40, 9, MAX_DELAY),
        (Limit(requests=20, per=LONG_PERIOD), 20, 9, 0.0),
        (DAYS, 50, 9, 0.0),
    ],
)
def test_in_a_limit_of_a_minute_a_request_makes_others_wait(
    limit: Limit, used: float, waiting: int, seconds: float
) -> None:
    assert delay(limit, used, waiting) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("limit", "used", "chance"),
    [
        (Limit(tokens=10, per=DAY), 9, 0.0),
        (Limit(requests=0, per=DAY), 0, 0.0),
        (MINUTES, 20, 0.0),
        (DAYS, 0, 0.0),
        (DAYS, 25, DENIAL),
        (DAYS, 49, MAX_DENIAL),
        (DAYS, 50, MAX_DENIAL),
        (DAYS, 99, MAX_DENIAL),
        (Limit(requests=50, per=LONG_PERIOD), 25, DENIAL),
    ],
)
def test_in_a_limit_of_a_day_a_request_may_leave_nothing_for_another(
    limit: Limit, used: float, chance: float
) -> None:
    assert denial(limit, used, used) == pytest.approx(chance)


def test_a_day_that_is_hardly_used_denies_hardly_anybody() -> None:
    assert denial(DAYS, 5, 5) < 0.03


@given(st.integers(1, 10_000), st.lists(st.integers(0, 20_000), min_size=2), st.integers(0, 50))
def test_a_request_costs_more_the_more_is_used(
    requests: int, used: list[int], waiting: int
) -> None:
    day, minute = Limit(requests=requests, per=DAY), Limit(requests=requests)
    denials = [denial(day, count, count) for count in sorted(used)]
    delays = [delay(minute, count, waiting) for count in sorted(used)]

    assert denials == sorted(denials)
    assert delays == sorted(delays)
    assert 0.0 <= denials[0] <= denials[-1] <= MAX_DENIAL
    assert 0.0 <= delays[0] <= delays[-1] <= MAX_DELAY
    assert delay(minute, used[0], waiting + 1) >= delay(minute, used[0], waiting)


def test_both_are_told_as_seconds() -> None:
    assert Congestion(delay=2.0, denial=0.5).seconds == 2.0 + 0.5 * DENIED_SECONDS
    assert FREE.seconds == 0.0
