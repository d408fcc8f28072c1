"""Until when a request may go on, and how long it may stand in line."""

from __future__ import annotations

from dataclasses import replace

from freerouter_core.routing.deadline import Deadline
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.steps import Refused

from .driver import NOW, model, plan

STARTED, BEGAN = NOW - 5.0, NOW
GIVEN = replace(plan(model("a")), deadline=STARTED + 30.0)
DEFAULT = replace(GIVEN, max_wait=600.0)
UNBOUNDED = replace(plan(model("a")), deadline=None, max_wait=None)


def deadline(of: Plan = GIVEN) -> Deadline:
    return Deadline(of, STARTED, BEGAN)


def test_a_timeout_that_is_given_counts_from_the_start_of_the_call() -> None:
    explicit = deadline()

    assert (explicit.at, explicit.left(BEGAN)) == (STARTED + 30.0, 25.0)
    assert not explicit.passed(STARTED + 29.0)
    assert explicit.passed(STARTED + 30.0)


def test_a_timeout_that_is_given_counts_time_in_line() -> None:
    explicit = deadline()
    explicit.waited(20.0, in_line=True)

    assert explicit.at == explicit.of_wait(in_line=True) == STARTED + 30.0


def test_the_default_timeout_counts_from_the_first_step() -> None:
    assert deadline(DEFAULT).at == BEGAN + 30.0


def test_the_default_timeout_does_not_count_time_in_line() -> None:
    default = deadline(DEFAULT)
    default.waited(100.0, in_line=True)
    default.waited(7.0, in_line=False)

    assert default.at == BEGAN + 130.0


def test_the_line_has_a_bound_of_its_own() -> None:
    default = deadline(DEFAULT)

    assert default.of_wait(in_line=True) == BEGAN + 600.0
    assert default.of_wait(in_line=False) == BEGAN + 30.0


def test_without_a_timeout_nothing_is_ever_late() -> None:
    unbounded = deadline(UNBOUNDED)
    unbounded.restart(BEGAN)
    unbounded.waited(9.0, in_line=True)

    assert (unbounded.at, unbounded.left(BEGAN), unbounded.of_wait(in_line=True)) == (None,) * 3
    assert not unbounded.passed(1e12)
    lined = deadline(replace(UNBOUNDED, max_wait=60.0))
    assert (lined.at, lined.of_wait(in_line=True)) == (None, BEGAN + 60.0)


def test_who_would_come_too_late_is_told_at_once_but_not_because_of_a_guess() -> None:
    told = Refused(NOW, NOW + 2.0, "one", turn=NOW + 99.0, learnt=True)

    assert deadline().wait_of(told) == NOW + 99.0
    assert deadline().wait_of(replace(told, guess=True)) == NOW + 2.0


def test_a_continuation_has_as_long_as_the_first_attempt_had() -> None:
    explicit, default = deadline(), deadline(DEFAULT)
    explicit.restart(BEGAN + 12.0)
    default.restart(BEGAN + 12.0)

    assert explicit.at == BEGAN + 12.0 + 25.0
    assert default.at == BEGAN + 12.0 + 30.0
