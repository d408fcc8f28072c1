"""Options of a router: what they do, and what is not accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from freerouter_core import Limit, Model, Need, Provider, Router, errors
from freerouter_core.errors import NoCandidates
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "best"},
        {"prefer": "cheap"},
        {"privacy": "none"},
        {"timeout": 0},
        {"max_retries": -1},
        {"max_failures": 0},
        {"tool_streaming": "no"},
        {"hedge": "always"},
        {"on_stream_break": "carry on"},
        {"http_client": httpx.Client()},
    ],
)
def test_options_that_make_no_sense_are_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BadSetting):
        Router(api_key="k", base_url="http://127.0.0.1:9", **wrong).chat("x")


def test_auto_without_fallbacks_leaves_no_model() -> None:
    with pytest.raises(errors.BadSetting, match="leaves no model"):
        Router(api_key="k", fallback_models=()).chat("x")


def test_a_misspelt_option_is_an_error_that_suggests_the_right_one() -> None:
    with pytest.raises(errors.BadSetting, match="temprature") as caught:
        ChatFreeRouter(temprature=0)  # type: ignore[call-arg]  # that is the point

    assert "temperature" in caught.value.hint


def test_a_callable_can_be_the_strategy() -> None:
    def by_name(need: Need, models: Sequence[Model]) -> list[Model]:
        return sorted((m for m in models if "b" not in m.id), key=lambda m: m.id, reverse=True)

    with World(
        [SimModel(f"{x}/m:free", script=["502"] if x == "d" else []) for x in "abcd"]
    ) as world:
        world.router(strategy=by_name).chat("x")

        assert world.asked == ["d/m:free", "c/m:free"]


@pytest.mark.parametrize(
    "strategy",
    ["adaptive", "round_robin", "random", "context", "performance", "cost", "availability"],
)
def test_each_named_strategy_has_its_order(strategy: str) -> None:
    models = [SimModel(f"{x}/m:free", context=(n + 1) * 40_000) for n, x in enumerate("abcd")]
    with World(models) as world:
        router = world.router(strategy=strategy)
        for _ in range(8):
            router.chat("x")
        order = world.asked

    if strategy == "round_robin":
        assert sorted(order) == sorted([m.id for m in models] * 2)
        assert len(set(order[:4])) == 4
    if strategy == "context":
        assert set(order) == {"d/m:free"}
    if strategy == "random":
        assert len(set(order)) > 1


@pytest.mark.parametrize("name", ["performance", "cost", "availability"])
def test_strategies_have_aliases(name: str) -> None:
    assert Router(strategy=f"{name}_based") == Router(strategy=name)


def test_exclude_failed_sets_how_long_a_failed_model_is_left_out() -> None:
    with World([SimModel("a/x:free", script=["502"]), SimModel("b/y:free")]) as world:
        router = world.router(strategy="context", exclude_failed=1_800)
        router.chat("hello")
        (row,) = [row for row in router.health().rows if row.model.id == "a/x:free"]
        assert row.returns == pytest.approx(1_800, abs=5)
        world.clock.advance(1_790)
        assert router.chat("hello").answer.model == "b/y:free"
        world.clock.advance(20)
        assert router.chat("hello").answer.model == "a/x:free"


@pytest.mark.parametrize("timeout", [None, 60.0, 7.0])
def test_a_router_can_be_rebuilt_from_its_description(timeout: float | None) -> None:
    router = Router(
        api_key="k", timeout=timeout, providers=[Provider("openrouter", limits=[Limit(requests=2)])]
    )
    options: dict[str, Any] = {"api_key": "k", "router": router.describe()}
    again = ChatFreeRouter(**options).make_router()

    assert again.timeout == timeout
    assert again.providers == router.providers
    assert "timeout" not in Router(api_key="k").describe()


def test_a_threshold_that_leaves_no_model_names_the_nearest_one() -> None:
    with World(
        [SimModel("a/7b:free", context=8_192), SimModel("b/70b:free", context=32_768)]
    ) as world:
        for policy, message in (
            ({"min_quality": 9.9}, "b/70b:free, has a quality prior"),
            ({"min_context": 100_000}, "b/70b:free, has 32,768 tokens"),
        ):
            with pytest.raises(NoCandidates, match=message):
                world.router(**policy).chat("x")


def test_an_opinion_in_quality_replaces_the_prior() -> None:
    with World([SimModel("a/7b:free"), SimModel("b/70b:free")]) as world:
        router = world.router(quality={"a/7b:free": 9.8}, min_quality=9.5001)

        assert [model.id for model in router.explain().candidates] == ["a/7b:free"]
