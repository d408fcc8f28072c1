"""How many requests of a job may be in flight."""

from __future__ import annotations

from freerouter_core.routing.concurrency import ANSWERS, FIRST, LARGEST, SMALLEST, ConcurrencyLimit


def answered(limit: ConcurrencyLimit, seconds: float, count: int, at: float = 0.0) -> None:
    for n in range(count):
        limit.answered(seconds, at + n)


def test_it_grows_while_answers_come_as_fast_as_before() -> None:
    limit = ConcurrencyLimit()
    assert limit.size == FIRST
    answered(limit, 1.0, 500)
    assert limit.size == LARGEST


def test_it_grows_no_more_when_answers_slow_down_and_shrinks_when_they_queue() -> None:
    limit = ConcurrencyLimit()
    answered(limit, 1.0, ANSWERS + 20)
    size = limit.size
    answered(limit, 3.0, 60)
    slower = limit.size
    assert size <= slower < size + 60
    answered(limit, 30.0, 200, at=1_000.0)
    assert limit.size < slower


def test_a_failure_shrinks_it_once_in_the_time_of_an_answer() -> None:
    limit = ConcurrencyLimit()
    answered(limit, 10.0, 40)
    size = limit.size
    for _ in range(5):
        limit.failed(1_000.0)
    assert limit.size == int(size * 0.7)
    for n in range(50):
        limit.failed(2_000.0 + 100.0 * n)
    assert limit.size == SMALLEST
