"""Requests that nobody waits for go behind those that somebody waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freerouter_core import Limit, Outcome, Provider, Router, errors
from freerouter_core.reports import QuotaReport
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.request import ChatRequest, Lane, Pace
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


def test_the_report_of_quotas_shows_the_plan_and_the_line() -> None:
    with World(MODELS, [SimAccount("k")]) as world:
        limits = [Limit(requests=2), Limit(requests=100, per=86_400.0, reset="utc-day")]
        one = Provider("openrouter", "https://simulated.invalid/api/v1", "k", limits=limits)
        router = world.router(providers=(one,))
        assert not router.quota().plans

        lanes: list[Lane | None] = [None, "background", None, None, "background"]

        async def look() -> QuotaReport:
            asked = [
                asyncio.create_task(router.achat(question(f"{n}", lane)))
                for n, lane in enumerate(lanes)
            ]
            await asyncio.sleep(5.0)
            report = await router.aquota()
            await asyncio.gather(*asked)
            return report

        early, report = world.runtime.call(look), router.quota()

    assert early.in_line == {"openrouter": (1, 2)}
    assert "openrouter: in line 1 interactive, 2 background" in str(early.table())
    assert not report.in_line
    (plan,) = report.plans
    assert plan.used == 2
    assert 50 < plan.reserved < 90
    assert "background requests took 2 of their" in str(report)


def test_a_job_that_would_spend_the_day_by_noon_is_paced_and_the_evening_finds_quota() -> None:
    """A day of fifty from midnight on, and a job that always wants more."""

    def left_at_noon(pace: Pace) -> int:
        clock = VirtualClock(1_800_057_600.0 - 1_800_057_600.0 % 86_400.0 + 60.0)
        with World(MODELS, [SimAccount("k", per_minute=None, per_day=50)], clock=clock) as world:
            limits = [Limit(requests=50, per=86_400.0, reset="utc-day")]
            one = Provider("openrouter", "https://simulated.invalid/api/v1", "k", limits=limits)
            router = world.router(providers=(one,), lane="background", pace=pace)

            async def job() -> None:
                while clock.now() < clock_start + 43_200.0:
                    try:
                        await router.achat("label this")
                    except errors.Exhausted as error:
                        await asyncio.sleep(min(error.retry_after or 60.0, 900.0))

            clock_start = clock.now()
            world.runtime.call(job)
            assert not [seen for seen in world.requests if seen.fate != "answer"]
            evening = world.router(providers=(one,))
            for _ in range(5):
                evening.chat("somebody waits for this")
            return len(world.requests) - 5

    assert 12 <= left_at_noon("even") <= 30
    assert 25 <= left_at_noon("asap") <= 45


def test_the_size_of_a_jobs_answers_says_nothing_of_those_that_people_wait_for() -> None:
    """Labels are short. A caller who wants a long text would be given up on for late."""
    with World(MODELS) as world:
        router = world.router()
        router.chat("a long one")
        sizes = world.runtime.state.health.pool.sizes
        mean = sizes["plain"].mean
        for n in range(5):
            router.chat(question(f"label {n}", "background"))

        assert sizes["plain"].mean == mean
        assert sizes["plain in background"].answers == 5
