"""When a job will be done."""

from __future__ import annotations

import math

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY, HOUR
from freerouter_core.routing.forecast import Pace, Source, Use, forecast, paced

MIDNIGHT = 20_000 * DAY
EASY = Pace(requests=1.0, seconds=1.0)


def day(requests: int, used: float = 0.0, reset: str = "utc-day") -> Use:
    return Use(Limit(requests=requests, per=DAY, reset=reset), used)  # type: ignore[arg-type]


def minute(requests: int) -> Use:
    return Use(Limit(requests=requests))


def ends(rows: float, *sources: Source, pace: Pace = EASY, now: float = MIDNIGHT) -> float:
    at = forecast(rows, sources, pace, now)
    assert at is not None
    return at - now


def test_nothing_left_is_done_now() -> None:
    assert ends(0, Source(uses=(day(1, 1),))) == 0.0


def test_a_rate_is_kept() -> None:
    assert ends(200, Source(uses=(minute(20),))) == pytest.approx(605.0)


def test_a_day_that_is_spent_is_waited_for_in_its_own_zone() -> None:
    source = Source(uses=(minute(20), day(50, 50)))
    assert ends(10, source, now=MIDNIGHT + 20 * HOUR) == pytest.approx(4 * HOUR + 30.75, abs=1.0)
    pacific = Source(uses=(minute(20), day(50, 50, "pacific-day")))
    assert ends(10, pacific) % HOUR < 60.0
    assert ends(10, pacific) in (pytest.approx(7 * HOUR, abs=60), pytest.approx(8 * HOUR, abs=60))


def test_days_add_up() -> None:
    source = Source(uses=(minute(20), day(50)))
    assert ends(120, source) == pytest.approx(2 * DAY + 60.5, abs=2.0)


def test_accounts_add_up_and_one_that_rests_comes_later() -> None:
    one = Source(uses=(minute(20),))
    assert ends(400, one, one) == pytest.approx(605.0)
    rests = Source(uses=(minute(20),), rests_until=MIDNIGHT + 302.5)
    assert ends(400, one, rests) == pytest.approx(756.25)


def test_failed_requests_take_their_share() -> None:
    pace = Pace(requests=2.0, seconds=1.0)
    assert ends(100, Source(uses=(minute(20),)), pace=pace) == pytest.approx(605.0)


def test_no_more_is_used_than_the_job_can() -> None:
    pace = Pace(fastest=1.0)
    free, rated = Source(), Source(uses=(minute(6_050),))
    assert ends(100, free, pace=pace) == pytest.approx(100.0)
    assert ends(100, rated, free, pace=pace) == pytest.approx(100.0)
    assert ends(1e6, free) < 1.0


def test_tokens_and_lanes_are_limits_too() -> None:
    tokens = Source(uses=(Use(Limit(tokens=6_050)),))
    assert ends(60, tokens, pace=Pace(tokens=100.0)) == pytest.approx(60.0)
    lanes = Source(uses=(Use(Limit(concurrent=2)),))
    assert ends(60, lanes, pace=Pace(seconds=4.0)) == pytest.approx(120.0)
    hours = Source(uses=(Use(Limit(requests=10, per=HOUR), 10.0),))
    assert ends(5, hours) == pytest.approx(HOUR, abs=1.0)


def test_models_with_limits_of_their_own_add_up_under_their_account() -> None:
    parts = tuple(Source(uses=(minute(10), day(100))) for _ in range(2))
    assert ends(100, Source(parts=parts)) == pytest.approx(302.5)
    assert ends(100, Source(uses=(minute(10),), parts=parts)) == pytest.approx(605.0)
    assert ends(300, Source(parts=parts)) == pytest.approx(DAY + 302.5, abs=2.0)
    spent = Source(parts=(Source(uses=(day(1, 1),)), Source(uses=(minute(20),))))
    assert ends(20, spent) == pytest.approx(60.5)


def test_what_nobody_can_tell_is_not_told() -> None:
    assert forecast(10, [], EASY, MIDNIGHT) is None
    assert forecast(10, [Source(uses=(minute(0),))], EASY, MIDNIGHT) is None
    assert forecast(1e9, [Source(uses=(day(1),))], EASY, MIDNIGHT) is None
    assert forecast(10, [Source(rests_until=math.inf)], EASY, MIDNIGHT) is None


def test_a_paced_day_gives_a_part_at_once_and_the_rest_evenly() -> None:
    source = Source(uses=(minute(60), day(100)))
    early = MIDNIGHT + 1.0
    assert ends(10, *paced(source, EASY, early), now=early) < 60.0
    assert ends(55, *paced(source, EASY, early), now=early) == pytest.approx(
        0.97 * DAY / 2, rel=0.02
    )
    assert ends(110, *paced(source, EASY, early), now=early) == pytest.approx(DAY, rel=0.01)
    half = DAY + 0.97 * DAY / 2
    assert ends(155, *paced(source, EASY, early), now=early) == pytest.approx(half, rel=0.01)
    noon = MIDNIGHT + DAY / 2
    late = paced(Source(uses=(minute(60), day(100, 20))), EASY, noon)  # it may catch up
    assert ends(30, *late, now=noon) < 60.0
    tokens = Source(uses=(Use(Limit(tokens=1_000, per=DAY, reset="utc-day")),))
    pace = Pace(tokens=100.0)
    assert ends(5, *paced(tokens, pace, early), pace=pace, now=early) > DAY / 4
    two = Source(uses=(day(10), day(20, reset="pacific-day")))
    assert paced(two, EASY, early) == (two,)


def test_parts_of_an_account_are_paced_by_their_own_days() -> None:
    early = MIDNIGHT + 1.0
    (whole,) = paced(Source(parts=(Source(uses=(day(100),)),)), EASY, early)
    assert ends(10, whole, now=early) < 60.0
    assert ends(55, whole, now=early) == pytest.approx(0.97 * DAY / 2, rel=0.01)


def test_what_is_reserved_comes_as_the_day_ends() -> None:
    noon = MIDNIGHT + DAY / 2
    limit = day(100).limit
    source = Source(uses=(Use(limit, used=30.0, reserved=40.0),))
    plain = Source(uses=(Use(limit, used=30.0),))
    # (100 - 40) * (0.1 + 0.9 * 0.515) are allowed at noon: three more.
    assert ends(3, *paced(source, EASY, noon), now=noon) < 60.0
    assert ends(20, *paced(plain, EASY, noon), now=noon) < 60.0
    assert ends(20, *paced(source, EASY, noon), now=noon) > 3 * HOUR
    assert ends(70, *paced(source, EASY, noon), now=noon) == pytest.approx(DAY / 2, rel=0.02)


def test_a_day_of_an_account_that_rests_begins_later() -> None:
    source = Source(uses=(day(100),), rests_until=MIDNIGHT + HOUR)
    assert ends(1, *paced(source, EASY, MIDNIGHT + 1.0), now=MIDNIGHT + 1.0) >= HOUR - 1.0


def test_what_is_used_today_is_not_used_tomorrow() -> None:
    morning = MIDNIGHT + 0.3 * DAY
    source = Source(uses=(minute(60), day(100, 90)))
    # Ten more today, a hundred tomorrow, then ten at once and a third of that day's others.
    third = 1.7 * DAY + 0.97 * DAY / 3
    assert ends(150, *paced(source, EASY, morning), now=morning) == pytest.approx(third, rel=0.02)
