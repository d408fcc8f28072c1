"""Catalogues that are slow or hang."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.runtime.list_fetch import FETCH_TIMEOUT
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel, World

from ..scripted import answer_response


class LostLists(httpx.AsyncBaseTransport):
    """Worlds by host. Each swallows the requests for its list that come before a time (seconds of
    its clock): it accepts the connection and says nothing."""

    def __init__(self, **worlds: tuple[World, float]) -> None:
        self.worlds = worlds
        self.lists: list[tuple[str, float]] = []
        """Which list was asked for, and when."""
        clock = next(world.clock for world, _ in worlds.values())
        self.runtime = Runtime(clock=clock, client=self, cache=None, state="memory", seed=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host.partition(".")[0]
        world, until = self.worlds[host]
        if request.method == "GET":
            self.lists.append((host, round(world.elapsed, 1)))
            if world.elapsed < until:
                await asyncio.sleep(1e6)
        return await world.transport().handle_async_request(request)

    def router(self, timeout: float | None) -> Router:
        providers = tuple(
            Provider(name, f"https://{name}.test/v1", "k", free="all", limits=[])
            for name in self.worlds
        )
        return Router(providers=providers, runtime=self.runtime, timeout=timeout)


@pytest.mark.parametrize("timeout", [10.0, 60.0, None])
def test_a_lost_request_for_the_first_list_costs_three_seconds(timeout: float | None) -> None:
    world = World([SimModel("a/m:free", first_token=0.3)])
    server = LostLists(one=(world, 2.0))
    router = server.router(timeout)

    async def three() -> None:
        await asyncio.gather(*(router.achat("x") for _ in range(3)))

    server.runtime.call(three)
    assert world.elapsed < 5.0
    assert server.lists == [("one", 0.0), ("one", 3.0)]


@pytest.mark.parametrize("timeout", [60.0, None])
def test_a_server_that_is_silent_for_longer_than_a_fetch_is_waited_for(
    timeout: float | None,
) -> None:
    world = World([SimModel("a/m:free")])
    server = LostLists(one=(world, 30.1))

    assert server.router(timeout).chat("x").text
    assert world.elapsed < 35.0


def test_the_lost_list_of_a_further_provider_joins_a_call_under_way() -> None:
    """The call waits for a model of the first one, which takes nine seconds."""
    slow = World([SimModel("a/slow:free", first_token=9.0)])
    fast = World([SimModel("b/fast:free", first_token=0.5)], clock=slow.clock)
    server = LostLists(slow=(slow, 0.0), fast=(fast, 2.0))
    router = server.router(60.0)
    router.chat("x")
    before = slow.elapsed

    assert server.lists == [("slow", 0.0), ("fast", 0.0), ("fast", 3.0)]
    assert {model.provider for model in router.free_models()} == {"slow", "fast"}
    assert slow.elapsed == before


def test_a_server_that_hangs_for_ever_is_asked_seven_times_in_a_minute() -> None:
    world = World([SimModel("a/m:free")])
    server = LostLists(one=(world, 1e6))
    with pytest.raises(errors.CatalogueUnavailable, match="accepted the connection") as told:
        server.router(60.0).chat("x")

    assert [when for _, when in server.lists] == [0.0, 3.0, 9.0, 21.0, 30.5, 36.5, 48.5]
    assert world.elapsed == pytest.approx(60.0)
    assert "cannot be reached" not in told.value.hint


def test_a_slow_catalogue_does_not_delay_the_models_of_another_provider() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        if request.url.host == "slow.test":
            await asyncio.sleep(1e6)
        if request.method == "GET":
            return httpx.Response(
                200,
                json={"data": [{"id": "a/m:free", "pricing": {"prompt": "0", "completion": "0"}}]},
            )
        return answer_response()

    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    slow = Provider("slow", "https://slow.test/v1", "k", free="all")
    router = Router(
        providers=(Provider("openrouter", "https://x.test/v1", "k"), slow), runtime=runtime
    )
    router.chat("x")
    assert world.elapsed < 2
    before = world.elapsed
    router.chat("x")

    assert world.elapsed - before < 2


def test_the_timeout_includes_the_first_catalogue() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        return answer_response()

    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    with pytest.raises(errors.FreeRouterError):
        Router(
            providers=(Provider("openrouter", "https://x.test/v1", "k"),),
            runtime=runtime,
            timeout=2.0,
        ).chat("x")

    assert world.elapsed == pytest.approx(2.0, abs=0.01)


def test_a_named_model_does_not_wait_for_a_catalogue_that_hangs() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            await asyncio.sleep(1e6)
        return answer_response()

    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    router = Router(
        model="a/m:free",
        providers=(Provider("openrouter", "https://x.test/v1", "k"),),
        runtime=runtime,
    )
    router.chat("x")
    assert world.elapsed <= 2.1
    world.clock.advance(FETCH_TIMEOUT)
    before = world.elapsed
    router.chat("x")
    router.chat("x")

    assert world.elapsed - before < 0.1
