"""Queries change nothing: neither health nor limits nor sessions."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from freerouter_core import Router
from freerouter_core.routing.session_memory import MAX_SESSIONS
from freerouter_core.simulator import SimAccount, SimModel, World

Question = Callable[[Router], object]
QUESTIONS: dict[str, Question] = {
    "free_models": Router.free_models,
    "models": Router.models,
    "safety_classifiers": Router.safety_classifiers,
    "affordable_models": lambda router: router.affordable_models(1e-6),
    "best_model": Router.best_model,
    "health": Router.health,
    "explain": lambda router: router.explain("hello"),
    "explain for an unlisted model": lambda router: router.with_options(model="x/y:free").explain(),
    "explain in a new session": lambda router: router.session("new").router.explain("hello"),
    "estimate_cost": lambda router: router.estimate_cost("hello"),
    "estimate_cost of an unlisted model": lambda router: router.estimate_cost("hello", "x/y"),
    "recommend": lambda router: router.recommend("write code"),
    "quota": lambda router: asyncio.run(router.aquota(ask=False)),
    "performance": Router.performance,
    "stats": Router.stats,
    "cache_stats": Router.cache_stats,
    "session stats": lambda router: router.session("new").stats(),
    "describe": Router.describe,
    "check": Router.check,
}


@pytest.fixture
def world() -> Iterator[World]:
    models = [
        SimModel("acme/failing:free", context=200_000, script=["502"]),
        SimModel("acme/good:free"),
        SimModel("acme/never-asked:free", context=8_192),
        SimModel("acme/paid", prompt_price="0.000001", completion_price="0.000002"),
    ]
    with World(models, [SimAccount(per_minute=20, per_day=50)]) as world:
        yield world


def knowledge(world: World) -> dict[str, Any]:
    """Everything a runtime has learnt, as it is now."""
    state = world.runtime.state
    return {
        "models": copy.deepcopy(state.health.models),
        "accounts": copy.deepcopy(state.health.accounts),
        "requests": state.requests,
        "price caps": copy.deepcopy(state.price_caps),
        "sessions": copy.deepcopy(world.runtime.sessions),
        "counts": dict(world.runtime.counts),
    }


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("asked_before", [False, True], ids=["at first", "after a request"])
def test_a_question_changes_nothing(world: World, question: Question, asked_before: bool) -> None:
    router = world.router(strategy="context")
    router.free_models()  # the catalogue is fetched
    if asked_before:
        router.session("old").chat("hello")
    before = knowledge(world)
    question(router)

    assert knowledge(world) == before
    assert len(world.requests) == (2 if asked_before else 0)


def test_questions_in_new_sessions_displace_no_old_one(world: World) -> None:
    router = world.router()
    router.session("old").chat("hello")
    for n in range(MAX_SESSIONS + 1):
        router.session(f"s{n}").router.explain("hello")

    assert router.session("old").stats().calls == 1
