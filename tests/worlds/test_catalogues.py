"""Catalogues that are slow or hang."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.runtime.discovery import FETCH_TIMEOUT
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World

from ..scripted import answer_response


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
