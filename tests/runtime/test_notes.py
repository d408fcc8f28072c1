"""Notes of models' records: what one process writes, another reads; what nobody wrote is none."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.routing.guessed_bench import ANY_FAILURE
from freerouter_core.routing.health import Health
from freerouter_core.runtime.ledger.notes import Times, read_health, readable_tallies, write_health
from freerouter_core.wire.fault import Cause, Fault, Kind

NOW = 1_800_000_000.0
TIMES = Times(NOW + 1e6, NOW + 1e6)
FAULT = Fault(Kind.BUSY, Cause.SERVER, status=502)


def record(outcomes: list[tuple[bool, float]]) -> Health:
    """A record after these outcomes: whether it answered, and seconds since the one before."""
    health, now = Health(), NOW
    for answered, gap in outcomes:
        now += gap
        if answered:
            health.answered(now, first_token=0.5, seconds=1.0, tokens=40)
        else:
            health.failed(FAULT, now, Random(0), ANY_FAILURE, 0.3)
    return health


@given(st.lists(st.tuples(st.booleans(), st.floats(-9.0, 9_000.0)), max_size=20))
def test_what_was_learnt_is_read_as_it_was_written(outcomes: list[tuple[bool, float]]) -> None:
    health = record(outcomes)

    assert read_health(write_health(health, TIMES), TIMES) == health


def changed(**availability: Any) -> str:
    """A note in which some of what is believed of the model's state is another."""
    values = json.loads(write_health(record([(True, 0.0), (False, 60.0)]), TIMES))
    names = list(Health().availability.__dataclass_fields__)
    for name, value in availability.items():
        values["availability"][names.index(name)] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    "change",
    [
        {"chance_up": 1.1},
        {"chance_up": -0.1},
        {"long_run": 2.0},
        {"sure": 1.0},
        {"drift": 0.0},
        {"drift": float("nan")},
        {"falls": -1.0},
        {"up_seconds": -5.0},
        {"good": "many"},
        {"seen_at": None},
    ],
    ids=str,
)
def test_a_state_that_nobody_could_have_learnt_is_none(change: dict[str, Any]) -> None:
    """A failure would divide by nothing, or a chance would be none."""
    assert read_health(changed(chance_up=0.5), TIMES).availability.chance_up == 0.5

    with pytest.raises(ValueError, match=r"chances|counts|finite|type"):
        read_health(changed(**change), TIMES)


@pytest.mark.parametrize("state", [None, [], [0.5], {}, "0.5", [0.5] * 99])
def test_a_state_of_another_form_is_none(state: Any) -> None:
    """As an older process wrote it."""
    values = json.loads(write_health(Health(), TIMES)) | {"availability": state}

    with pytest.raises(ValueError, match="availability of another form"):
        read_health(json.dumps(values), TIMES)


@pytest.mark.parametrize(
    ("key", "tally"),
    [
        ((1, "m"), {"answers": 1.0}),
        ((1, "[1]"), {"answers": 1.0}),
        ((1, 7), {"answers": 1.0}),
        (("x", '["p", "o", "m"]'), {"answers": 1.0}),
        ((1, '["p", "o", "m"]'), {"answers": "many"}),
        ((1, '["p", "o", "m"]'), {"answers": float("inf")}),
        ((1, '["p", "o", "m"]'), {"took:soon": 1.0}),
        ((1, '["p", "o", "m"]'), {7: 1.0}),
    ],
)
def test_usage_that_nobody_wrote_is_left_out(key: Any, tally: Any) -> None:
    good = {(1, '["p", "o", "m"]'): {"answers": 1.0, "took:-3": 1.0, "fault:BUSY": 2.0}}
    assert readable_tallies({key: tally}) == {}
    assert readable_tallies(good) == good
