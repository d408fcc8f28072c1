"""Whether a model is up: what an answer proves, what a failure says, and what time does."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.routing.availability import (
    COUNTS,
    DOWN_SECONDS,
    FIRST_EVIDENCE,
    HALF_LIFE,
    MAX_SURE,
    NOISE,
    UP_SECONDS,
    Availability,
)

from .driver import NOW

OUTCOMES = st.lists(st.tuples(st.booleans(), st.floats(-60.0, 7_200.0)), min_size=1, max_size=30)
"""Whether it answered, and seconds since the outcome before. Clocks may go back a little."""


def after(*outcomes: tuple[bool, float], start: float = NOW) -> Availability:
    """What is believed after these outcomes: (whether it answered, when)."""
    believed = Availability()
    for answered, at in outcomes:
        (believed.answered if answered else believed.failed)(start + at)
    return believed


def every(seconds: float, *pattern: bool, count: int = 200) -> Availability:
    """What is believed of a model whose outcomes repeat a pattern."""
    return after(*((pattern[n % len(pattern)], n * seconds) for n in range(count)))


# -- one outcome --------------------------------------------------------------------------------


def test_an_unseen_model_is_up_for_its_share_of_time() -> None:
    unseen, share = Availability(), UP_SECONDS / (UP_SECONDS + DOWN_SECONDS)

    assert unseen.up_at(NOW) == unseen.long_run == share
    assert unseen.chance(NOW) == pytest.approx(share * (1.0 - NOISE))
    assert unseen.evidence == FIRST_EVIDENCE


@pytest.mark.parametrize("before", [(), ((False, 0.0),), ((False, 0.0), (False, 5.0))])
def test_an_answer_proves_that_it_is_up(before: tuple[tuple[bool, float], ...]) -> None:
    assert after(*before, (True, 9.0)).up_at(NOW + 9.0) == 1.0


def test_a_failure_lowers_the_chance_by_bayes_rule() -> None:
    prior, failed = Availability(), after((False, 0.0))
    by_chance = prior.long_run * NOISE

    assert failed.up_at(NOW) == pytest.approx(by_chance / (by_chance + 1.0 - prior.long_run))
    assert failed.slips == pytest.approx(failed.up_at(NOW)), "it may have been chance"


def test_a_failure_says_more_the_longer_ago_the_last_answer_was() -> None:
    chances = [
        after((True, 0.0), (False, gap)).up_at(NOW + gap) for gap in (0.0, 1.0, 10.0, 60.0, 600.0)
    ]

    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.9 > 0.3 > chances[-1]


def test_a_failure_says_little_of_a_model_that_often_fails_by_chance() -> None:
    steady, erratic = every(5.0, True), every(5.0, True, True, False)
    for believed in (steady, erratic):
        believed.chance_up = 0.9
        believed.failed(believed.seen_at)

    assert erratic.sure < 0.8 < 0.95 < steady.sure
    assert erratic.chance_up > 0.6 > 0.2 > steady.chance_up


# -- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [True, False])
def test_a_belief_drifts_to_the_long_run_and_never_past_it(answered: bool) -> None:
    believed = after((answered, 0.0))
    away = [abs(believed.up_at(NOW + age) - believed.long_run) for age in (0, 30, 120, 600, 1e9)]

    assert away == sorted(away, reverse=True)
    assert away[-1] == 0.0
    later = [believed.up_at(NOW + age) >= believed.long_run for age in (0, 30, 120, 600)]
    assert later == [answered] * 4


@pytest.mark.parametrize("ahead", [10.0, 3_600.0, 10 * 86_400.0])
@pytest.mark.parametrize("answered", [True, False])
def test_a_belief_from_a_clock_that_is_ahead_counts_as_new(ahead: float, answered: bool) -> None:
    fresh, from_ahead = after((answered, 0.0)), after((answered, ahead))

    assert from_ahead.up_at(NOW) == fresh.up_at(NOW)
    seen = from_ahead.seen_at
    from_ahead.failed(NOW)
    assert from_ahead.seen_at == seen, "time never goes back"
    assert (from_ahead.falls, from_ahead.up_seconds) == (0.0, 0.0), "there was no time to learn"


def test_counts_halve_within_an_hour() -> None:
    before = every(10.0, True, True, False)
    later = replace(before)
    later.answered(before.seen_at + HALF_LIFE)

    assert later.good == before.good / 2.0 + 1.0
    assert later.slips == before.slips / 2.0
    assert later.up_seconds <= before.up_seconds / 2.0 + HALF_LIFE


def test_reading_changes_nothing() -> None:
    believed = after((True, 0.0), (False, 9.0))
    before = replace(believed)
    believed.up_at(NOW + 1e9)
    believed.chance(NOW + 1e9)

    assert believed == before


# -- how long it stays up and down --------------------------------------------------------------


def test_a_model_that_never_answers_is_soon_expected_never_to() -> None:
    """However long it is left alone: nobody pays for its rest with another request."""
    dead = every(60.0, False, count=60)

    assert dead.long_run < 0.2
    assert dead.chance(dead.seen_at + 86_400.0) < 0.2
    rarer = every(1_800.0, False, count=20)
    assert rarer.long_run < 0.3


def test_a_model_that_always_answers_is_expected_to_go_on() -> None:
    steady = every(60.0, True, count=60)

    assert steady.chance(steady.seen_at + 86_400.0) > 0.9


def test_how_long_a_model_stays_up_and_down_is_learnt() -> None:
    quick = every(10.0, *[True] * 6, *[False] * 6)
    slow = every(10.0, *[True] * 60, *[False] * 60)

    assert 0.4 < quick.long_run < 0.7
    assert 0.4 < slow.long_run < 0.7
    assert quick.drift > 5.0 * slow.drift, "what was seen of a moody model is soon outdated"
    assert 1.0 / 60.0 < quick.drift < 1.0 / 15.0


def test_two_failures_in_a_row_mean_that_it_was_down_in_between() -> None:
    apart, together = after((False, 0.0), (False, 600.0)), after((False, 0.0), (False, 1.0))

    assert apart.down_seconds > 400.0
    assert apart.long_run < together.long_run


def test_every_outcome_is_evidence() -> None:
    believed, evidence = Availability(), FIRST_EVIDENCE
    for n, answered in enumerate((True, True, False, True)):
        (believed.answered if answered else believed.failed)(NOW + n)
        assert believed.evidence > evidence
        evidence = believed.evidence


# -- whatever happens ---------------------------------------------------------------------------


@given(OUTCOMES)
def test_chances_are_chances_whatever_was_seen(outcomes: list[tuple[bool, float]]) -> None:
    believed, now = Availability(), NOW
    for answered, gap in outcomes:
        now += gap
        (believed.answered if answered else believed.failed)(now)
        assert 0.0 <= believed.up_at(now + 5.0) <= 1.0
        assert 0.0 < believed.long_run < 1.0
        assert 0.0 < believed.sure <= MAX_SURE
        assert believed.drift > 0.0
        assert all(getattr(believed, name) >= 0.0 for name in COUNTS)


@given(OUTCOMES, st.floats(0.0, 7_200.0))
def test_a_failure_never_raises_the_chance_and_an_answer_never_lowers_it(
    outcomes: list[tuple[bool, float]], gap: float
) -> None:
    believed, now = Availability(), NOW
    for answered, seconds in outcomes:
        now += seconds
        (believed.answered if answered else believed.failed)(now)
    now = max(now, believed.seen_at) + gap
    failed, answered_again = replace(believed), replace(believed)
    failed.failed(now)
    answered_again.answered(now)
    chance = believed.chance(now)

    assert failed.chance(now) <= chance + 1e-9
    assert answered_again.up_at(now) == 1.0
    assert answered_again.chance(now) >= failed.chance(now)


def test_a_model_that_answered_without_end_may_still_fail() -> None:
    """Enough answers round the chance of a failure to nothing."""
    believed = Availability(good=1e300)
    believed.answered(NOW)
    believed.failed(NOW)

    assert math.isfinite(believed.chance(NOW))


@pytest.mark.parametrize("interval", [2.0, 20.0, 120.0])
def test_of_models_that_are_expected_to_answer_so_often_that_many_do(interval: float) -> None:
    """Models that are up and down as believed. All in all the chances are right, and none is far
    off: up and down are only inferred, so what lies in between is learnt a little too low."""
    rng, expected, seen = Random(7), dict.fromkeys(range(5), 0.0), dict.fromkeys(range(5), (0, 0))
    for _ in range(60):
        believed, up, now = Availability(), rng.random() < 0.8, NOW
        changes = now + rng.expovariate(1.0 / (UP_SECONDS if up else DOWN_SECONDS))
        for _ in range(60):
            now += interval * rng.uniform(0.5, 1.5)
            while changes < now:
                up = not up
                changes += rng.expovariate(1.0 / (UP_SECONDS if up else DOWN_SECONDS))
            chance = believed.chance(now)
            answered = up and rng.random() > NOISE
            bucket, (good, count) = min(4, int(chance * 5)), seen[min(4, int(chance * 5))]
            expected[bucket] += chance
            seen[bucket] = (good + answered, count + 1)
            (believed.answered if answered else believed.failed)(now)

    for bucket, (good, count) in seen.items():
        if count >= 100:
            assert good / count == pytest.approx(expected[bucket] / count, abs=0.2), bucket
    answers, count = (sum(numbers) for numbers in zip(*seen.values(), strict=True))
    assert answers / count == pytest.approx(sum(expected.values()) / count, abs=0.05)
    assert sum(count >= 100 for _, count in seen.values()) >= 2
