"""When a request's turn comes in the line of a full limit."""

from __future__ import annotations

import math

import pytest

from freerouter_core import Limit
from freerouter_core.routing.deadline import Deadline
from freerouter_core.routing.steps import Refused
from freerouter_core.routing.turn import NEWER, newest_first, turn_at
from freerouter_core.routing.window import MARGIN, Window

from .driver import NOW, model, plan

TWO = Limit(requests=2, per=60.0)
HOLD = 60.0 + MARGIN


def window(*ages: float) -> Window:
    """A window of `TWO`, with requests that were sent so many seconds ago."""
    made = Window()
    for number, age in enumerate(ages):
        made.take(TWO, number, 1, NOW - age)
    return made


@pytest.mark.parametrize(
    ("ages", "ahead", "turn"),
    [
        ((), 0, 0.0),
        ((), 1, 0.0),
        ((), 2, HOLD),
        ((40.0,), 0, 0.0),
        ((40.0,), 1, HOLD - 40.0),
        ((40.0, 10.0), 0, HOLD - 40.0),
        ((40.0, 10.0), 1, HOLD - 10.0),
        ((40.0, 10.0), 2, 2 * HOLD - 40.0),
        ((40.0, 10.0), 5, 3 * HOLD - 10.0),
        ((70.0, 10.0), 0, 0.0),
    ],
)
def test_each_one_ahead_takes_a_request_as_soon_as_there_is_room(
    ages: tuple[float, ...], ahead: int, turn: float
) -> None:
    assert turn_at(window(*ages), TWO, [math.inf] * ahead, NOW) == pytest.approx(NOW + turn)


def test_who_gives_up_before_its_turn_takes_nothing() -> None:
    full = window(40.0, 10.0)
    first = NOW + HOLD - 40.0

    assert turn_at(full, TWO, [first - 0.1, math.inf], NOW) == pytest.approx(NOW + HOLD - 10.0)
    assert turn_at(full, TWO, [first, math.inf], NOW) == pytest.approx(NOW + 2 * HOLD - 40.0)
    assert turn_at(full, TWO, [first - 0.1] * 9, NOW) == pytest.approx(first)


@pytest.mark.parametrize(
    "limit",
    [Limit(concurrent=2), Limit(tokens=9), Limit(requests=2, per=86_400.0, reset="utc-day")],
)
def test_of_other_limits_nobody_can_tell(limit: Limit) -> None:
    assert turn_at(Window(), limit, [], NOW) is None


@pytest.mark.parametrize(
    ("turn", "waits_until"), [(None, 5.0), (29.9, 5.0), (30.0, 30.0), (90.0, 90.0)]
)
def test_a_turn_after_the_deadline_is_waited_for_in_vain(
    turn: float | None, waits_until: float
) -> None:
    deadline = Deadline(plan(model("a"), timeout=30.0), NOW, NOW)
    refused = Refused(NOW, NOW + 5.0, "one", None if turn is None else NOW + turn)

    assert deadline.wait_of(refused) == NOW + waits_until


def test_without_a_deadline_any_turn_is_waited_for() -> None:
    deadline = Deadline(plan(model("a"), timeout=None), NOW, NOW)

    assert deadline.wait_of(Refused(NOW, NOW + 5.0, "one", NOW + 9e9)) == NOW + 5.0


LATER = NOW + 60.0 + NEWER
"""A deadline that is later than that of somebody who waits for a minute."""


@pytest.mark.parametrize(
    ("turn", "deadline", "ahead", "overloaded", "first"),
    [
        (NOW + 90.0, LATER, [NOW + 60.0], False, True),
        (NOW + 10.0, LATER, [NOW + 60.0], False, False),  # all are served in time
        (LATER, LATER, [NOW + 60.0], False, True),  # exactly too late
        (None, LATER, [NOW + 60.0], False, False),  # nobody can tell
        (NOW + 90.0, NOW + 60.0, [NOW + 60.0] * 3, False, False),  # one burst
        (NOW + 90.0, LATER - 0.1, [NOW + 60.0], False, False),
        (NOW + 90.0, LATER, [-math.inf], False, False),  # it may be served elsewhere
        (NOW + 90.0, LATER, [-math.inf, NOW + 80.0, NOW + 60.0], False, True),
        (NOW + 90.0, LATER, [math.inf], False, False),  # it waits for ever
        (NOW + 90.0, LATER, [], False, False),
        (NOW + 10.0, LATER, [NOW + 60.0], True, True),  # somebody is lost anyway
        (None, LATER, [NOW + 60.0], True, True),
        (NOW + 10.0, NOW + 60.0, [NOW + 60.0], True, False),
    ],
)
def test_the_newest_goes_first_where_not_all_can_be_served(
    turn: float | None, deadline: float, ahead: list[float], overloaded: bool, first: bool
) -> None:
    assert newest_first(turn, deadline, ahead, overloaded=overloaded) is first
