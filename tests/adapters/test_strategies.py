"""Every strategy, and every way of asking why, through both frameworks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from freerouter_core import Model, Need, Router
from freerouter_core.routing.policy import STRATEGIES, Ranker
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import raw_of

SMALL, LARGE, PLAIN = "a/small:free", "b/large:free", "c/plain:free"
MODELS = [
    SimModel(SMALL, context=40_000, first_token=0.1),
    SimModel(LARGE, context=200_000, first_token=2.0),
    SimModel(PLAIN, context=90_000, tools=False),
]


def backwards(need: Need, models: Sequence[Model]) -> Sequence[Model]:
    return sorted(models, key=lambda model: model.id, reverse=True)


def langchain(**options: Any) -> tuple[str, Router]:
    llm = ChatFreeRouter(**options)
    return str(llm.invoke("hello").response_metadata["model_name"]), llm.make_router()


def llamaindex(**options: Any) -> tuple[str, Router]:
    llm = FreeRouter(**options)
    return str(raw_of(llm.complete("hello"))["freerouter"]["model_name"]), llm.make_router()


Framework = Callable[..., tuple[str, Router]]
"""Asks with these options: the model that answered, and the router that was used."""


@pytest.mark.parametrize("framework", [langchain, llamaindex])
@pytest.mark.parametrize("strategy", [*STRATEGIES, backwards])
def test_every_strategy_answers_and_explains_itself(
    framework: Framework, strategy: str | Ranker
) -> None:
    with World(MODELS, seed=3) as world:
        answered, router = framework(router=world.router(hedge="off"), strategy=strategy)
        rows = router.explain("hello").rows

    assert answered == world.asked[0]
    assert {row.model.id for row in rows} == {SMALL, LARGE, PLAIN}
    if strategy == "context":
        assert [row.model.id for row in rows] == [LARGE, PLAIN, SMALL]
    if strategy is backwards:
        assert [row.model.id for row in rows] == [PLAIN, LARGE, SMALL]


@pytest.mark.parametrize("framework", [langchain, llamaindex])
def test_round_robin_asks_every_model_in_turn(framework: Framework) -> None:
    with World(MODELS) as world:
        router = world.router(strategy="round_robin")
        for _ in range(6):
            framework(router=router)

        assert sorted(world.asked) == sorted([SMALL, LARGE, PLAIN] * 2)


@pytest.mark.parametrize("framework", [langchain, llamaindex])
def test_performance_prefers_the_model_that_answered_fastest(
    framework: Framework,
) -> None:
    with World(MODELS) as world:
        for model in (SMALL, LARGE, PLAIN):
            framework(router=world.router(model=model))
        assert framework(router=world.router(), strategy="performance")[0] == SMALL


@pytest.mark.parametrize("framework", [langchain, llamaindex])
def test_recommendations_and_requirements_choose_the_model(
    framework: Framework,
) -> None:
    with World(MODELS) as world:
        answered, router = framework(
            router=world.router(), capabilities=["tools"], min_context=100_000
        )
        best = router.recommend("an agent that calls tools", limit=1)[0]

    assert answered == LARGE
    assert "has tools" in best.reasons
