"""Failures in a row of a job: when it pauses, and when it stops."""

from __future__ import annotations

from collections import deque

from freerouter_core import errors
from freerouter_core.client.bulk.job_store import Claimed
from freerouter_core.client.bulk.streak import (
    FAILURES,
    HOPELESS,
    LONGEST_PAUSE,
    MANY_FAILURES,
    PAUSE,
    FailureStreak,
)

NOW = 1_800_000_000.0
DOWN = errors.JobFailed("nobody answers")


def failing(streak: FailureStreak, times: int, at: float) -> None:
    for _ in range(times):
        assert streak.failed(DOWN, at) is None


def test_a_pause_follows_the_third_failure_and_doubles_up_to_the_longest() -> None:
    streak = FailureStreak(None)
    failing(streak, FAILURES - 1, NOW)
    assert (streak.is_long, streak.paused_until) == (False, 0.0)

    pauses = []
    for _ in range(20):
        failing(streak, 1, NOW)
        pauses.append(streak.paused_until - NOW)
    assert pauses[:3] == [PAUSE, 2 * PAUSE, 4 * PAUSE]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_many_failures_stop_a_job_after_a_day_without_an_answer_and_not_before() -> None:
    streak = FailureStreak(None)
    failing(streak, 2 * MANY_FAILURES, NOW)
    failing(streak, 1, NOW + HOPELESS - 1.0)
    stopped = streak.failed(DOWN, NOW + HOPELESS)
    assert stopped is not None
    assert stopped.message == "102 tries failed in a row; the last: nobody answers"


def test_few_failures_in_a_day_do_not_stop_it() -> None:
    streak = FailureStreak(None)
    failing(streak, 1, NOW)
    failing(streak, MANY_FAILURES - 2, NOW + 2 * HOPELESS)
    assert streak.failed(None, NOW + 2 * HOPELESS) is not None


def test_the_day_begins_with_the_first_failure_after_an_answer() -> None:
    streak = FailureStreak(None)
    failing(streak, MANY_FAILURES, NOW)
    streak.answered()
    assert (streak.is_long, streak.paused_until) == (False, 0.0)
    failing(streak, 2 * MANY_FAILURES, NOW + 2 * HOPELESS)
    assert streak.failed(DOWN, NOW + 3 * HOPELESS) is not None


def test_it_stops_after_as_many_as_were_chosen() -> None:
    streak = FailureStreak(2)
    failing(streak, 1, NOW)
    stopped = streak.failed(None, NOW)
    assert stopped is not None
    assert stopped.message == "2 tries failed in a row"


def test_after_failures_in_a_row_a_task_that_has_not_failed_is_next() -> None:
    tries = [1, 2, 0, 1, 0]
    for failures, order in ((FAILURES - 1, [0, 1, 2, 3, 4]), (FAILURES, [2, 4, 0, 1, 3])):
        streak = FailureStreak(None)
        failing(streak, failures, NOW)
        ready = deque(Claimed(n, "{}", tried, "") for n, tried in enumerate(tries))
        assert [streak.take(ready).task for _ in tries] == order
