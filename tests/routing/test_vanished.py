"""A model that seems gone: until when it is not asked, and what ends that."""

from __future__ import annotations

import pytest

from freerouter_core.routing.health import GONE_FIRST, LONGEST_GONE, Health

from .driver import NOW


def gone(times: int = 1, *, proved: bool = False) -> Health:
    record = Health()
    for _ in range(times):
        record.vanished(NOW, NOW, proved=proved)
    return record


@pytest.mark.parametrize(
    ("times", "seconds"),
    [(1, GONE_FIRST), (2, 4 * GONE_FIRST), (3, 16 * GONE_FIRST), (9, 4**5 * GONE_FIRST)],
)
def test_it_is_asked_again_after_a_minute_and_each_time_four_times_as_late(
    times: int, seconds: float
) -> None:
    record = gone(times)
    assert record.is_gone(NOW, NOW + seconds - 1.0)
    assert not record.is_gone(NOW, NOW + seconds)


def test_one_that_is_known_to_be_gone_is_not_asked_for_a_month() -> None:
    record = gone(proved=True)
    assert record.is_gone(NOW, NOW + LONGEST_GONE - 1.0)
    assert not record.is_gone(NOW, NOW + LONGEST_GONE)


@pytest.mark.parametrize("proved", [False, True])
def test_a_newer_catalogue_that_lists_it_is_believed(proved: bool) -> None:
    record = gone(proved=proved)
    assert record.is_gone(NOW - 1.0, NOW + 1.0)
    assert not record.is_gone(NOW + 1.0, NOW + 1.0)


def test_an_answer_ends_it_and_the_next_time_is_a_first_one() -> None:
    record = gone(3)
    record.answered(NOW, first_token=0.1, seconds=1.0, tokens=50)
    assert not record.is_gone(NOW, NOW)

    record.vanished(NOW, NOW, proved=False)
    assert not record.is_gone(NOW, NOW + GONE_FIRST)


def test_one_that_never_seemed_gone_is_not() -> None:
    assert not Health().is_gone(0.0, -1.0)
