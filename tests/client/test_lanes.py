"""Requests that nobody waits for go behind those that somebody waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freerouter_core import Limit, Outcome, Provider, Router, errors
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.request import ChatRequest, Lane
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

MODELS = [SimModel("a/x:free"), SimModel("b/x:free")]


def two_a_minute() -> tuple[Provider, ...]:
    limits = [Limit(requests=2)]
    return (Provider("openrouter", "https://simulated.invalid/api/v1", "k", limits=limits),)


def question(text: str, lane: Lane | None = None) -> ChatRequest:
    return ChatRequest.of(text).but(lane=lane)


def test_interactive_requests_go_first_in_every_line() -> None:
    with World(MODELS, [SimAccount("k", per_minute=2)]) as world:
        router = world.router(providers=two_a_minute())
        answered: list[str] = []

        async def ask(text: str, lane: Lane) -> None:
            await router.achat(question(text, lane))
            answered.append(text)

        async def everybody() -> None:
            background = [asyncio.create_task(ask(f"b{n}", "background")) for n in range(6)]
            await asyncio.sleep(5.0)
            interactive = [asyncio.create_task(ask(f"i{n}", "interactive")) for n in range(4)]
            await asyncio.gather(*background, *interactive)

        world.runtime.call(everybody)

        before = answered[: max(answered.index(f"i{n}") for n in range(4))]
        assert sum(text.startswith("b") for text in before) <= 2


@pytest.mark.parametrize("lane", ["slow", "", "Interactive"])
def test_a_lane_must_be_one(lane: str) -> None:
    wrong: dict[str, Any] = {"lane": lane}
    for make in (Router, ChatFreeRouter, FreeRouter):
        with pytest.raises(errors.BadSetting, match="lane"):
            make(**wrong)
    with pytest.raises(errors.BadRequest, match="lane"):
        ChatRequest.of("x").but(**wrong)


async def test_a_request_overrules_its_router() -> None:
    with World(MODELS, [SimAccount("k", per_minute=1)]) as world:
        router = world.router(lane="background")
        order: list[str] = []

        async def ask(text: str, lane: Lane | None) -> Outcome:
            outcome = await router.achat(question(text, lane))
            order.append(text)
            return outcome

        await asyncio.gather(
            ask("a", None), ask("b", None), ask("c", None), ask("d", "interactive")
        )

        assert order.index("d") <= 1
