"""Models for worlds: a few that answer, and the free models of September 2026."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from .models import Phase, SimModel
from .response import Json


def calm_models(says: Callable[[Json], str | None] | None = None) -> list[SimModel]:
    """A few models that answer. `says`: as in `SimModel`."""
    models = [
        SimModel(
            "aurora/large:free", context=262_144, reasoning=True, first_token=0.4, speed=120.0
        ),
        SimModel(
            "birch/vision:free", inputs=("text", "image", "file"), first_token=0.3, speed=90.0
        ),
        SimModel("cedar/mini:free", structured=False, first_token=0.15, speed=200.0),
    ]
    return [replace(model, says=says) for model in models]


def failing_models(says: Callable[[Json], str | None] | None = None) -> list[SimModel]:
    """The world of September 2026: many listed models, few that answer. `says`: as in
    `SimModel`."""

    def always(fault: str, share: float = 1.0) -> tuple[Phase]:
        return (Phase(0.0, math.inf, fault, share),)

    return [
        SimModel("gale/27b:free", phases=always("429-upstream"), first_token=0.2),
        SimModel("haze/ultra:free", phases=always("empty"), first_token=0.3),
        SimModel("iris/coder:free", phases=always("404-gone")),
        SimModel("juno/agent:free", phases=always("403-harness")),
        SimModel("kite/omni:free", phases=always("502", share=0.7), first_token=0.3, says=says),
        *calm_models(says),
    ]
