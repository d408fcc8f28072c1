"""How long to wait for a model before another is asked, too."""

from __future__ import annotations

import pytest

from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.timeouts import (
    MIN_WAIT,
    deviations_until_late,
    expected_seconds,
    soft_timeout,
    stall_timeout,
    too_late,
)
from freerouter_core.routing.timings import PLAIN

from .driver import NOW, account, model, plan

A = model("a")


def book(first_token: float = 1.0, seconds: float = 3.0, count: int = 1) -> HealthBook:
    """A has answered so, with 90 tokens each time."""
    records = HealthBook()
    for _ in range(count):
        records.answered(A.identity, NOW, first_token=first_token, seconds=seconds, tokens=90)
    return records


@pytest.mark.parametrize(
    ("first_token", "seconds"), [(0.1, 5.0), (1.7, 5.1), (4.0, 12.0), (15.0, 45.0), (99.0, 45.0)]
)
def test_a_stream_has_three_times_its_models_usual_first_token(
    first_token: float, seconds: float
) -> None:
    records = book(first_token, first_token + 2.0)

    assert soft_timeout(plan(A, stream=True), records, A, NOW, None) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("chance", "deviations"),
    [
        (0.0, 0.5), (0.1, 0.5), (0.5, 1.5), (0.75, 2.6), (0.9, 3.7), (0.95, 4.4), (0.99, 5.0),
        (1.0, 5.0),
    ],
)  # fmt: skip
def test_of_a_model_that_often_fails_silence_is_late_sooner(
    chance: float, deviations: float
) -> None:
    assert deviations_until_late(chance) == pytest.approx(deviations, abs=0.06)


def test_a_whole_answer_has_its_expected_time_and_some_deviations() -> None:
    records = book(2.0, 4.0, count=6)
    record = records.models[A.identity]
    expected = record.expected(records.pool.size_of(PLAIN).likely(None))

    assert expected_seconds(plan(A), records, A) == expected
    late = deviations_until_late(record.chance((), NOW))
    assert soft_timeout(plan(A), records, A, NOW, None) == expected * (1.0 + late * record.spread)
    quick = book(0.01, 0.1, count=30)
    assert soft_timeout(plan(A, need=Need(limit=1)), quick, A, NOW, None) == 2.0


def test_an_unknown_model_is_expected_to_give_an_answer_of_usual_length() -> None:
    records = HealthBook()

    assert expected_seconds(plan(A), records, A) == 2.0 + 160.0 / 45.0
    assert expected_seconds(plan(A, need=Need(limit=45)), records, A) == 3.0
    assert expected_seconds(plan(A, stream=True), records, A) == 2.0


@pytest.mark.parametrize(
    ("remaining", "seconds"), [(100.0, 6.0), (10.0, 4.0), (0.05, MIN_WAIT), (-9.0, MIN_WAIT)]
)
def test_an_attempt_is_alone_for_two_fifths_of_the_time_left(
    remaining: float, seconds: float
) -> None:
    request = plan(A, stream=True)

    assert soft_timeout(request, HealthBook(), A, NOW, NOW + remaining) == pytest.approx(seconds)


@pytest.mark.parametrize(("first_token", "seconds"), [(1.0, 20.0), (10.0, 20.0), (11.0, 22.0)])
def test_a_stream_is_given_up_after_twice_its_models_usual_first_token(
    first_token: float, seconds: float
) -> None:
    assert stall_timeout(book(first_token, 99.0), A) == seconds


@pytest.mark.parametrize(
    ("remaining", "named", "stream", "late"),
    [
        (0.99, False, True, True),
        (1.01, False, True, False),
        (0.99, True, True, False),
        (None, False, True, False),
        (2.7, False, False, True),
        (2.8, False, False, False),
    ],
)
def test_a_model_that_could_hardly_answer_in_time_is_too_late(
    remaining: float | None, named: bool, stream: bool, late: bool
) -> None:
    """The first token of an unknown model is expected after two seconds, half of it give or take.

    A whole answer is expected after 5.6 seconds, and after 2.8 at the earliest.
    """
    request = plan(A, stream=stream)
    candidate = Candidate(model=A, account=account("one"), named=named)
    deadline = None if remaining is None else NOW + remaining

    assert too_late(request, HealthBook(), candidate, NOW, deadline) is late


def test_how_long_an_answer_is_depends_on_what_was_asked_for() -> None:
    """Calls of tools are short here, and texts are long: a call is late long before a text is."""
    records = HealthBook()
    for _ in range(30):
        records.answered(A.identity, NOW, first_token=1.0, seconds=11.0, tokens=500)
        records.answered(A.identity, NOW, first_token=1.0, seconds=1.4, tokens=20, way="tools")
    text, call = plan(A), plan(A, need=Need(tools=True))

    assert expected_seconds(call, records, A) < expected_seconds(text, records, A) / 3.0
    assert soft_timeout(call, records, A, NOW, None) < soft_timeout(text, records, A, NOW, None)
