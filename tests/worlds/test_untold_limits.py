"""Refusals that name no limit: chance is not taken for one, and a true one is found.

A rate that was learnt from each refusal answered 225 of 600 calls, where one of twenty was refused
by chance.
"""

from __future__ import annotations

import statistics

import pytest

from freerouter_core.simulator import Phase, SimAccount

from .lived import Lived

LATE = 9_999.0


@pytest.mark.parametrize(("share", "models"), [(0.05, 1), (0.2, 1), (0.05, 5), (0.2, 5)])
@pytest.mark.parametrize("fault", ["429-silent", "429-bare", "503-silent"])
def test_refusals_by_chance_slow_nobody_down(fault: str, share: float, models: int) -> None:
    phases = (Phase(0.0, LATE, fault, share=share),)
    lived = Lived(300, models=models, gap=1.0, first_token=0.5, phases=phases)

    assert lived.ends == {"answered": 300}
    assert statistics.fmean(lived.times) < 5.0, "2.5 s undisturbed"
    assert lived.refused < 2 * share / (1 - share) * 300


def test_two_refusals_in_a_row_slow_nobody_down() -> None:
    phases = (Phase(30.0, 33.0, "429-silent"),)
    lived = Lived(200, gap=0.7, first_token=0.5, phases=phases)

    assert lived.ends == {"answered": 200}
    assert lived.seconds < 200 * 0.7 + 10.0


@pytest.mark.parametrize(
    ("a_minute", "seconds", "requests", "models"),
    [
        *[(*bounds, models) for bounds in ((15, 2.0, 1.1), (19, 2.0, 1.1)) for models in (1, 5)],
        (22, 60.0, 2.3, 1),
        pytest.param(22, 60.0, 2.3, 5, marks=pytest.mark.slow),
    ],
)
def test_a_limit_that_nobody_states_is_found_and_used_up(
    a_minute: int, seconds: float, requests: float, models: int
) -> None:
    """Twenty a minute, of all models together. `seconds` that an answer takes on average;
    `requests` sent for one."""
    calls = 15 * a_minute
    account = SimAccount(per_minute=20)
    lived = Lived(calls, models=models, gap=60.0 / a_minute, account=account, timeout=600.0)

    assert lived.ends == {"answered": calls}
    assert statistics.fmean(lived.times) < seconds
    assert lived.refused < (requests - 1.0) * calls


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("burst", [5, 20])
def test_a_limit_whose_refusals_state_a_wait_is_found_too(burst: int, models: int) -> None:
    """Fifty a minute, and a tenth more asked for. Each refusal says when the next one may go: those
    who all waited for that were refused again."""
    account, gap = SimAccount(per_minute=50), 60.0 / 55.0 * burst
    lived = Lived(
        300, models=models, gap=gap, burst=burst, account=account, dialect="mistral", timeout=120.0
    )

    assert lived.ends == {"answered": 300}
    assert lived.refused <= 150


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("fault", ["500", "502", "524", "408", "error-in-200", "503-silent"])
def test_a_server_that_worked_and_fails_for_half_a_minute_is_waited_for(
    fault: str, models: int
) -> None:
    phases = (Phase(5.0, 35.0, fault),)
    lived = Lived(60, models=models, gap=1.0, phases=phases)

    assert lived.ends == {"answered": 60}
    assert lived.refused < 100
