"""The first calls of a process meet servers in trouble: there is time, so they wait and ask again.

A call with 60 s left failed after a tenth of a second, because the list of models was not there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime

Trouble = Callable[[httpx.Request], httpx.Response]


def status(code: int, text: str = "") -> Trouble:
    return lambda request: httpx.Response(code, text=text)


def refuses(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


class Servers(httpx.AsyncBaseTransport):
    """By host: what is wrong with its list, or with `chats` all of it, and until when (seconds).
    The one that `dies` refuses to chat from the fifth second on."""

    def __init__(
        self,
        clock: VirtualClock,
        *,
        lists: dict[str, tuple[Trouble, float]],
        chats: bool,
        dies: str,
    ) -> None:
        self.clock, self.lists, self.chats, self.dies = clock, lists, chats, dies
        self.began = clock.now()
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host.partition(".")[0]
        trouble, until = self.lists.get(host, (refuses, 0.0))
        listing = request.method == "GET"
        await asyncio.sleep(0.1)
        if self.clock.now() - self.began < until and (listing or self.chats):
            return trouble(request)
        if listing:
            return httpx.Response(200, json={"data": [{"id": f"{host}-model"}]})
        self.asked += 1
        if host == self.dies and self.clock.now() - self.began >= 5.0:
            return httpx.Response(500)
        model = json.loads(await request.aread())["model"]
        message = {"role": "assistant", "content": model}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return httpx.Response(200, json={"choices": [choice]})


def asked(
    lists: dict[str, tuple[Trouble, float]],
    *,
    calls: int = 1,
    gap: float = 0.0,
    chats: bool = False,
    dies: str = "",
    seed: int = 0,
    **options: Any,
) -> tuple[list[float], list[errors.FreeRouterError]]:
    """(when answers came, the errors) of calls from the first second on."""
    clock = VirtualClock()
    servers = Servers(clock, lists=lists, chats=chats, dies=dies)
    runtime = Runtime(clock=clock, client=servers, seed=seed, cache=None, state="memory")
    accounts = tuple(
        Provider(name, f"https://{name}.invalid/v1", "sk-simulated", free="all") for name in lists
    )
    router = Router(providers=accounts, runtime=runtime, **{"timeout": 60.0, **options})
    answers: list[float] = []
    failed: list[errors.FreeRouterError] = []

    async def call(number: int) -> None:
        await asyncio.sleep(gap * number)
        try:
            await router.achat(f"Question {number}")
        except errors.FreeRouterError as error:
            failed.append(error)
        else:
            answers.append(clock.now() - servers.began)

    async def together() -> None:
        await asyncio.gather(*(call(number) for number in range(calls)))

    runtime.call(together)
    runtime.close()
    return sorted(answers), failed


@pytest.mark.parametrize("chats", [False, True])
@pytest.mark.parametrize("code", [429, 500, 502, 503, 529])
def test_a_call_waits_for_the_first_list_of_a_server_in_trouble(code: int, chats: bool) -> None:
    answers, failed = asked({"one": (status(code), 15.0)}, calls=20, chats=chats)

    assert not failed
    assert answers[0] >= 15.0
    assert answers[-1] < 30.0


def test_one_that_cannot_be_reached_is_waited_for_a_little() -> None:
    assert not asked({"one": (refuses, 3.0)})[1]
    (error,) = asked({"one": (refuses, 999.0)})[1]
    assert isinstance(error, errors.CatalogueUnavailable)


@pytest.mark.parametrize(
    ("code", "kind"), [(401, errors.AuthenticationFailed), (404, errors.CatalogueUnavailable)]
)
def test_what_does_not_pass_is_told_at_once(code: int, kind: type[Exception]) -> None:
    _, failed = asked({"one": (status(code, "no"), 999.0)}, timeout=2.0)

    assert [type(error) for error in failed] == [kind]


def test_patience_ends_with_the_deadline() -> None:
    _, failed = asked({"one": (status(503), 999.0)}, timeout=3.0)

    assert isinstance(failed[0], errors.CatalogueUnavailable)


@pytest.mark.parametrize("seed", range(10))
def test_a_list_that_failed_is_fetched_again_once_nobody_else_can_be_asked(seed: int) -> None:
    """It was left alone for 30 s, then 90 s, while calls failed. Calls under way join it."""
    lists = {"one": (refuses, 0.0), "two": (status(503), 8.0)}

    answers, failed = asked(lists, calls=30, gap=2.0, dies="one", seed=seed)

    assert not failed
    assert max(later - earlier for earlier, later in itertools.pairwise(answers)) < 15.0
