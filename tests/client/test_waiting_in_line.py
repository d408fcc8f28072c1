"""Standing in line for one's own limits is no error (the default timeout does not count it)."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from random import Random
from typing import Any

import httpx
import pytest

from freerouter_core import Limit, Outcome, Provider, Router, Settings, errors, events
from freerouter_core.client.config import RouterConfig
from freerouter_core.client.resolve import resolve
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World

MODELS = [SimModel("a/x:free"), SimModel("b/x:free")]


async def ask(router: Router, calls: int) -> list[Outcome | BaseException]:
    """Ask at once: all stand in line before time moves."""
    assert router.runtime is not None
    await router.afree_models()  # else who comes after the list overtakes those who wait for it
    with router.runtime.clock.stopped():
        tasks = [asyncio.create_task(router.achat(f"Question {n}")) for n in range(calls)]
        await asyncio.sleep(0)  # each has crossed to the runtime's loop
    return await asyncio.gather(*tasks, return_exceptions=True)


def failures(results: list[Outcome | BaseException]) -> Counter[str]:
    return Counter(type(one).__name__ for one in results if isinstance(one, BaseException))


async def test_25_calls_at_once_under_20_a_minute_all_answer_in_about_a_minute() -> None:
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        assert not failures(await ask(world.router(), 25))
        assert 60.0 <= world.elapsed < 75.0
        assert not [seen for seen in world.requests if seen.fate != "answer"]


async def test_100_calls_at_once_under_20_a_minute_all_answer_in_about_five() -> None:
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        assert not failures(await ask(world.router(), 100))
        assert world.elapsed < 5.5 * 60.0


async def test_a_timeout_that_is_given_bounds_the_wait_too() -> None:
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        results = failures(await ask(world.router(timeout=30.0), 25))

        assert sum(results.values()) == 5
        assert world.elapsed < 31.0


async def test_who_cannot_be_answered_in_time_is_told_at_once_and_costs_nothing() -> None:
    """Twenty answer now and twenty in a minute. The others' turn comes after their deadline."""
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        results = await ask(world.router(timeout=100.0), 60)
        told = [one for one in results if isinstance(one, errors.Exhausted)]

        assert len(told) == 20
        for error in told:  # counted from when it was told: two minutes from the start
            assert error.retry_after == pytest.approx(121.0, abs=1.0)
        assert len(world.requests) == 40


@pytest.mark.parametrize("options", [{"timeout": 60.0}, {"max_wait": 60.0}])
def test_where_twice_as_much_is_asked_as_allowed_the_newest_are_answered_soon(
    options: dict[str, Any],
) -> None:
    """In order of arrival, each would wait nearly a minute, and as many would be lost."""
    every, calls = 5.0, 240
    answered: list[float] = []
    lost: list[float] = []
    with World(MODELS, [SimAccount("k", per_minute=6)]) as world:
        router = world.router(**options)
        assert router.runtime is not None

        async def one(number: int) -> None:
            await asyncio.sleep(number * every)
            began = world.clock.now()
            try:
                await router.achat(f"Question {number}")
                answered.append(world.clock.now() - began)
            except errors.FreeRouterError:
                lost.append(world.clock.now() - began)

        async def everybody() -> None:
            await asyncio.gather(*map(one, range(calls)))

        router.runtime.call(everybody)

    assert len(answered) >= 0.95 * calls / 2
    assert statistics.median(answered) < 15.0
    assert max(lost) < 61.0
    assert statistics.median(lost) < 45.0  # told once it is sure, not at the deadline


async def test_max_wait_bounds_the_line() -> None:
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        results = failures(await ask(world.router(max_wait=10.0), 25))

        assert results == {"Exhausted": 5}
        assert world.elapsed < 11.0


def test_the_line_is_bounded_by_ten_minutes_unless_something_else_is_given() -> None:
    settings = Settings.load()
    key = "sk-test"

    assert resolve(RouterConfig(api_key=key), settings).max_wait == 600.0
    assert resolve(RouterConfig(api_key=key, max_wait=5.0), settings).max_wait == 5.0
    assert resolve(RouterConfig(api_key=key, timeout=60.0, max_wait=5.0), settings).max_wait is None


async def test_a_request_that_stood_in_line_has_its_whole_timeout_afterwards() -> None:
    slow = [SimModel("a/x:free", first_token=50.0, jitter=0.0)]
    with World(slow, [SimAccount("k", per_minute=1)]) as world:
        assert not failures(await ask(world.router(hedge="off"), 2))


def test_a_spent_day_is_an_error_at_once() -> None:
    with World(MODELS, [SimAccount("k", per_minute=None, per_day=1)]) as world:
        router = world.router(daily_cap=1)
        router.chat("first")
        before = world.elapsed
        with pytest.raises(errors.Exhausted) as caught:
            router.chat("second")

        assert world.elapsed - before < 1.0
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 600.0


@pytest.mark.parametrize("wrong", [-1.0, float("inf")])
def test_a_wait_must_be_seconds(wrong: float) -> None:
    with pytest.raises(errors.BadSetting, match="max_wait"):
        Router(max_wait=wrong)


class Hosts(httpx.AsyncBaseTransport):
    """A simulated provider for each host, on one clock."""

    def __init__(self, worlds: dict[str, World]) -> None:
        self.transports = {name: world.transport() for name, world in worlds.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.transports[request.url.host.split(".")[0]].handle_async_request(request)


@pytest.mark.parametrize("seed", range(24))
async def test_lines_of_several_accounts_serve_as_many_as_their_limits_allow(seed: int) -> None:
    """Whoever waits in one line may be served in another first, so nobody gives up for the number
    of those ahead alone."""
    rng, clock = Random(seed), VirtualClock(1_800_000_000.0)
    names = ("openrouter", "mistral", "nvidia")[: rng.randint(1, 3)]
    limits = {name: rng.randint(1, 4) for name in names}
    timeout, calls = rng.choice((30.0, 65.0, 100.0, 170.0)), rng.randint(3, 24)
    worlds = {
        name: World(
            [SimModel(f"a/{name}" + ":free" * (name == "openrouter"), first_token=0.1, speed=1e4)],
            [SimAccount("k", per_minute=limit)],
            dialect=name,
            clock=clock,
        )
        for name, limit in limits.items()
    }
    runtime = Runtime(clock=clock, client=Hosts(worlds), seed=seed, cache=None, state="memory")
    providers = tuple(
        Provider(
            name,
            f"https://{name}.invalid/api/v1",
            "k",
            free="suffix" if name == "openrouter" else "all",
            limits=[Limit(requests=limit)],
        )
        for name, limit in limits.items()
    )
    router = Router(providers=providers, runtime=runtime, timeout=timeout, hedge="off")

    async def one(n: int) -> Outcome:
        await asyncio.sleep(0.01 * n)
        return await router.achat(f"Question {n}")

    async def everybody() -> list[Outcome | BaseException]:
        return await asyncio.gather(*map(one, range(calls)), return_exceptions=True)

    results = runtime.call(everybody)
    runtime.close()

    rounds = 1 + int((timeout - 1.0) // 60.5)
    assert calls - sum(failures(results).values()) == min(calls, rounds * sum(limits.values()))
    assert all(seen.fate == "answer" for world in worlds.values() for seen in world.requests)


async def test_errors_of_waiting_say_for_what_how_long_and_how_many_stood_before() -> None:
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        results = await ask(world.router(), 260)
        told = [one for one in results if isinstance(one, errors.Exhausted)]

    assert len(told) == 60
    for error in told:
        assert "20 requests a minute of openrouter are used; 180 requests stand before" in str(
            error
        )
        assert "later than max_wait=600 s" in str(error)
        assert "max_wait=…" in error.hint
        assert "bulk" in error.hint
        assert error.retry_after == pytest.approx(605.0, abs=2.0)


async def test_those_in_line_are_told_the_limit_they_wait_for() -> None:
    """Not the first of its account's limits, which has room."""
    limits = [Limit(500, per=86_400.0, reset="utc-day"), Limit(1)]
    one = Provider("openrouter", "https://x.invalid/api/v1", "k", limits=limits)
    with World(MODELS) as world:
        told: list[events.Event] = []
        world.runtime.subscribe(told.append)
        assert not failures(await ask(world.router(providers=(one,)), 4))
        world.runtime.flush()
    reasons = [event.reason for event in told if isinstance(event, events.Waiting)]
    assert len(reasons) >= 3
    assert set(reasons) == {"the 1 request a minute of openrouter is used"}


def test_a_spent_day_is_told_with_when_it_returns() -> None:
    with World(MODELS, [SimAccount("k")]) as world:
        router = world.router(daily_cap=1)
        router.chat("first")
        with pytest.raises(errors.Exhausted) as caught:
            router.chat("second")

    assert "the 1 request a day of openrouter is used" in str(caught.value)
    assert "at 00:00 UTC, in" in str(caught.value)
    assert "max_wait=…" not in caught.value.hint


@pytest.mark.parametrize(("timeout", "told"), [(5.0, "timeout=5 s"), (None, "no wait would help")])
def test_a_limit_of_nothing_or_a_short_timeout_is_told(timeout: float | None, told: str) -> None:
    limits = [Limit(requests=0 if timeout is None else 1)]
    with World(MODELS) as world:
        one = Provider("openrouter", "https://x.invalid/api/v1", "k", limits=limits)
        router = world.router(providers=(one,), timeout=timeout)
        if timeout is not None:
            router.chat("first")
        with pytest.raises(errors.Exhausted) as caught:
            router.chat("second")

    assert told in str(caught.value)
    assert (caught.value.retry_after is None) is (timeout is None)


def test_a_wait_is_told_as_it_begins_with_its_expected_end() -> None:
    with World(MODELS, [SimAccount("k", per_minute=20)]) as world:
        seen: list[events.Waiting] = []
        router = world.router()
        router.free_models()  # or the first request would be the last to know them
        router.subscribe(
            lambda event: seen.append(event) if isinstance(event, events.Waiting) else None
        )
        began = world.clock.now()
        asyncio.run(ask(router, 45))
        world.runtime.flush()

    assert len(seen) == 25, "each once"
    assert [event.before for event in seen] == list(range(25))
    assert all("20 requests a minute" in event.reason for event in seen)
    ends = [round(event.until - began, 1) for event in seen]
    assert ends == [60.5] * 20 + [121.0] * 5
