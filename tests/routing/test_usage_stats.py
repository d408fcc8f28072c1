"""What was used of each model, hour by hour, as sums that processes can add up."""

from __future__ import annotations

import pytest

from freerouter_core.routing.usage_stats import (
    STEP,
    Tallies,
    UsageStats,
    add,
    merge,
    percentile,
    written,
)
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, busy, model

A = model("a").identity
HOUR = (int(NOW // 3_600.0), written(A))


def test_a_whole_answer_is_counted() -> None:
    usage = UsageStats()
    usage.answered(A, NOW, first_token=None, seconds=1.0, tokens=40)

    assert usage.untold == {HOUR: {"answers": 1, "seconds": 1.0, "tokens": 40, "took:0": 1}}


def test_a_streamed_answer_tells_its_first_token_too() -> None:
    usage = UsageStats()
    for seconds in (3.0, 0.5):
        usage.answered(A, NOW, first_token=1.0, seconds=seconds, tokens=40)
    tally = usage.untold[HOUR]

    assert (tally["first:0"], tally["first_token"], tally["timed"]) == (2, 2.0, 2)
    assert (tally["spoken"], tally["speaking"]) == (80, 2.0)


def test_failures_are_counted_by_kind_and_only_the_models_own() -> None:
    usage = UsageStats()
    usage.failed(A, NOW, busy())
    usage.failed(A, NOW, Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY, teaches=False))

    assert usage.untold == {HOUR: {"failures": 1, "fault:busy": 1}}


def test_each_hour_has_its_own_tally() -> None:
    usage = UsageStats()
    usage.paid(A, NOW, 0.25)
    usage.paid(A, NOW, 0.25)
    usage.paid(A, NOW + 3_600.0, 1.0)

    assert [tally["usd"] for tally in usage.untold.values()] == [0.5, 1.0]


def test_usage_that_was_taken_is_forgotten() -> None:
    usage = UsageStats()
    usage.paid(A, NOW, 0.25)

    assert usage.take() == {HOUR: {"usd": 0.25}}
    assert usage.untold == {}


def test_tallies_add_up() -> None:
    tallies: Tallies = {HOUR: {"answers": 1.0}}
    merge(tallies, {HOUR: {"answers": 2.0, "usd": 1.0}, (0, "x"): {"answers": 5.0}})
    add(tallies[HOUR], {"usd": 1.0})

    assert tallies == {HOUR: {"answers": 3.0, "usd": 2.0}, (0, "x"): {"answers": 5.0}}


@pytest.mark.parametrize(
    ("share", "seconds"), [(0.25, 1.0), (0.5, STEP**2), (0.75, STEP**10), (1.0, STEP**10)]
)
def test_a_percentile_is_read_off_the_histogram(share: float, seconds: float) -> None:
    tally = {"took:0": 1.0, "took:2": 1.0, "took:10": 2.0, "first:-3": 9.0}

    assert percentile(tally, "took", share) == pytest.approx(seconds)
    assert percentile(tally, "first", share) == pytest.approx(STEP**-3)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert percentile({"answers": 1.0}, "took", 0.5) is None


def test_a_time_of_nothing_has_a_class_too() -> None:
    usage = UsageStats()
    usage.answered(A, NOW, first_token=0.0, seconds=0.0, tokens=1)

    assert usage.untold[HOUR]["took:-31"] == 1
