"""Servers that take requests and say nothing for a while: a restart, or a gateway that lost them.

Whoever waits is answered once they speak, and few requests are sent meanwhile.
"""

from __future__ import annotations

import pytest

from freerouter_core.simulator import Phase

from .lived import Lived

FOR_ALL = 8
"""Requests that ask again for all who wait for a model, at most."""


@pytest.mark.parametrize("models", [1, 2, 3])
@pytest.mark.parametrize("calls", [1, 20])
@pytest.mark.parametrize("seconds", [5.0, 20.0])
def test_first_calls_are_answered_once_the_models_speak(
    models: int, calls: int, seconds: float
) -> None:
    """Nobody was: of a model that never answered, no silent request was sent again."""
    lived = Lived(calls, models=models, phases=(Phase(0.0, seconds, "hang"),))

    assert lived.ends == {"answered": calls}
    assert lived.refused <= models * (calls + FOR_ALL)


@pytest.mark.parametrize("models", [1, 3, 5])
@pytest.mark.parametrize("calls", [1, 30])
@pytest.mark.parametrize("seconds", [5.0, 20.0, 40.0])
def test_callers_who_wait_together_are_all_answered(
    models: int, calls: int, seconds: float
) -> None:
    """Thirty callers of three models were all lost: three tries each were silent, and silence
    counted as a failure."""
    phases = (Phase(30.0, 30.0 + seconds, "hang"),)
    lived = Lived(calls, models=models, phases=phases, warm=20, starts=30.0)

    assert lived.ends == {"answered": calls}
    assert max(lived.times) < seconds + 20.0
    if models <= 3:  # else a caller gives up some for others
        assert lived.refused <= models * (calls + FOR_ALL)
