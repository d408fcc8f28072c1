"""When a model that is probably down is worth a request."""

from __future__ import annotations

from random import Random

import pytest

from freerouter_core.routing.guessed_bench import ANY_FAILURE
from freerouter_core.routing.health import Health
from freerouter_core.routing.last_resort import LONGEST_POLL, PROBE_POLL, worth_asking_at
from freerouter_core.wire.fault import Cause, Fault, Kind

NOW = 1_800_000_000.0
FAULT = Fault(Kind.BUSY, Cause.SERVER)


def failed(times: int, ago: float = 0.0) -> Health:
    """A model that answered once an hour ago and has failed so often since."""
    record = Health()
    record.answered(NOW - 3_600.0, first_token=1.0, seconds=3.0, tokens=100)
    for _ in range(times):
        record.failed(FAULT, NOW - ago, Random(0), ANY_FAILURE, 0.2)
    return record


def asked_at(
    record: Health, congestion: float, time_left: float | None = 60.0, probed: bool = False
) -> float:
    return worth_asking_at(record, NOW, congestion=congestion, time_left=time_left, probed=probed)


def test_a_model_is_asked_at_once_while_requests_cost_nobody_anything() -> None:
    assert asked_at(failed(3), congestion=0.0) == NOW


def test_a_model_that_never_failed_nor_answered_is_asked_at_once() -> None:
    assert asked_at(Health(), congestion=30.0) == NOW


def test_a_model_that_has_just_failed_is_not_worth_a_request_that_others_wait_for() -> None:
    assert asked_at(failed(2), congestion=10.0) > NOW


def test_the_dearer_a_request_the_later_a_model_is_asked() -> None:
    cheap, dear = asked_at(failed(1), congestion=0.5), asked_at(failed(1), congestion=20.0)

    assert NOW <= cheap < dear


def test_a_model_that_failed_a_minute_ago_is_asked_before_one_that_failed_just_now() -> None:
    fresh, old = asked_at(failed(2), 1.0), asked_at(failed(2, ago=60.0), 1.0)

    assert old < fresh


def test_one_probe_serves_all_who_wait() -> None:
    record = failed(1, ago=600.0)

    assert asked_at(record, congestion=1.0) == NOW
    assert asked_at(record, congestion=1.0, probed=True) == NOW + PROBE_POLL


def test_a_hopeless_model_is_looked_at_again_later() -> None:
    assert asked_at(failed(6), congestion=30.0) == NOW + LONGEST_POLL


def test_a_caller_without_a_deadline_is_served_like_one_with_a_minute() -> None:
    record = failed(1)

    assert asked_at(record, 3.0, time_left=None) == asked_at(record, 3.0, time_left=60.0)


def test_a_chance_of_one_half_is_worth_any_request() -> None:
    assert asked_at(failed(1, ago=3_000.0), congestion=1_000.0) == NOW


@pytest.mark.parametrize("left", [3.0, 10.0, 60.0])
def test_little_time_makes_an_attempt_cheap_and_worth_little_alike(left: float) -> None:
    assert asked_at(failed(1, ago=30.0), congestion=0.06, time_left=left) == NOW
