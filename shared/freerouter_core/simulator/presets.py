"""Ready-made models for worlds: a calm few, and a crowd that fails as the real one does."""

from __future__ import annotations

from .models import Phase, SimModel

ALWAYS = 10.0**9


def calm_models() -> list[SimModel]:
    """A few models that answer."""
    return [
        SimModel(
            "aurora/large:free", context=262_144, reasoning=True, first_token=0.4, speed=120.0
        ),
        SimModel(
            "birch/vision:free", inputs=("text", "image", "file"), first_token=0.3, speed=90.0
        ),
        SimModel("cedar/mini:free", structured=False, first_token=0.15, speed=200.0),
    ]


def failing_models() -> list[SimModel]:
    """The world as it was found in September 2026: of many listed models few answer."""
    always = (Phase(0, ALWAYS, "429-upstream"),)
    return [
        SimModel("gale/27b:free", phases=always, first_token=0.2),
        SimModel("haze/ultra:free", phases=(Phase(0, ALWAYS, "empty"),), first_token=0.3),
        SimModel("iris/coder:free", phases=(Phase(0, ALWAYS, "404-gone"),)),
        SimModel("juno/agent:free", phases=(Phase(0, ALWAYS, "403-harness"),)),
        SimModel("kite/omni:free", phases=(Phase(0, ALWAYS, "502", share=0.7),), first_token=0.3),
        *calm_models(),
    ]
