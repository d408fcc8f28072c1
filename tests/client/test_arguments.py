"""Arguments that make no sense are errors, at once."""

from __future__ import annotations

import pytest

from freerouter_core.errors import BadSetting, NoCandidates
from freerouter_core.simulator import SimModel, World

ONE, TWO = "a/one:free", "b/two:free"
PAIR = [SimModel(ONE), SimModel(TWO)]


def test_values_out_of_range_are_bad_settings() -> None:
    with World(PAIR) as world:
        router = world.router()
        for make in (
            lambda: world.router(quality={"m": "high"}),  # type: ignore[dict-item]
            lambda: router.recommend("x", limit=0),
            lambda: router.recommend("x", weights={"free": float("nan")}),
            lambda: router.recommend(None),  # type: ignore[arg-type]
            lambda: router.performance(hours=float("inf")),
        ):
            with pytest.raises(BadSetting):
                make()
        assert router.recommend("x", capabilities="tools")[0].reasons == ("has tools",)
        with pytest.raises(NoCandidates):
            world.router(min_quality=9.9).chat("x")


def test_values_of_the_wrong_type_are_errors() -> None:
    with World(PAIR) as world:
        router = world.router()
        for make in (
            lambda: router.set_filter(capabilities=[["tools"]]),
            lambda: world.router(quality={1: 5, "a": 3}),  # type: ignore[dict-item]
            lambda: router.recommend("x", weights={1: 2, None: 1}),  # type: ignore[dict-item]
        ):
            with pytest.raises(BadSetting):
                make()
