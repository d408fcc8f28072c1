"""A wait that a server states for the caller's own limit is waited for, and costs no timeout."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, deque
from typing import Any

import httpx
import pytest

from freerouter_core import Provider, Router, errors, events
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

SIZE, MINUTE = 20, 60.0
HEADER, BODY = "header", "body"
NAMES_MODEL = (
    "Rate limit reached for model m0 on requests per minute (RPM): Limit 20, Used 20. "
    "Please try again in {wait:.2f}s"
)
CONTENT = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
EVENTS = f"data: {json.dumps(CONTENT)}\n\ndata: [DONE]\n\n"
WHOLE = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


class Server:
    """Servers that each let twenty requests a minute in, and say how long the others must wait."""

    def __init__(
        self, form: str = HEADER, *, models: int = 1, servers: int = 1, status: int = 429
    ) -> None:
        self._form, self._status = form, status
        self._models = [{"id": f"m{n}"} for n in range(models)]
        self._windows: dict[str, deque[float]] = {f"p{n}": deque() for n in range(servers)}
        self.clock = VirtualClock()
        self.began = self.clock.now()
        self.fates: Counter[int] = Counter()
        transport = httpx.MockTransport(self._serve)
        client = httpx.AsyncClient(transport=transport)
        self.runtime = Runtime(clock=self.clock, client=client, cache=None, state="memory", seed=0)

    def router(self, **options: Any) -> Router:
        at = [
            Provider(name, f"https://{name}.test/v1", "k", free="all", limits=[])
            for name in self._windows
        ]
        return Router(providers=at, runtime=self.runtime, **options)

    @property
    def elapsed(self) -> float:
        return self.clock.now() - self.began

    async def _serve(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": self._models})
        window, now = self._windows[request.url.host.split(".")[0]], self.clock.now()
        while window and window[0] <= now - MINUTE:
            window.popleft()
        if len(window) >= SIZE:
            self.fates[self._status] += 1
            await asyncio.sleep(0.05)
            return self._refusal(window[0] + MINUTE - now)
        window.append(now)
        self.fates[200] += 1
        await asyncio.sleep(0.5)
        if json.loads(request.content).get("stream"):
            return httpx.Response(200, text=EVENTS, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=WHOLE)

    def _refusal(self, wait: float) -> httpx.Response:
        if self._form == HEADER:
            seconds = str(math.ceil(wait))
            return httpx.Response(self._status, headers={"retry-after": seconds})
        words = "Rate limit exceeded. Please try again in {wait:.1f}s"
        message = (NAMES_MODEL if self._form == NAMES_MODEL else words).format(wait=wait)
        return httpx.Response(self._status, json={"error": {"message": message}})


async def gathered(
    router: Router, calls: int, *, stream: bool = False
) -> list[errors.FreeRouterError]:
    """Ask at once; returns the errors."""

    async def one(number: int) -> None:
        if stream:
            assert [delta.text async for delta in router.astream(f"Question {number}")]
        else:
            await router.achat(f"Question {number}")

    results = await asyncio.gather(*(one(n) for n in range(calls)), return_exceptions=True)
    return [result for result in results if isinstance(result, errors.FreeRouterError)]


def ask(router: Router, calls: int, *, stream: bool = False) -> list[errors.FreeRouterError]:
    """The same on the runtime's own loop, so that its clock stands while they begin."""
    assert router.runtime is not None
    return router.runtime.call(lambda: gathered(router, calls, stream=stream))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", [HEADER, BODY, NAMES_MODEL])
@pytest.mark.parametrize(("models", "servers"), [(1, 1), (5, 1), (1, 3), (5, 3)])
def test_sixty_callers_of_twenty_a_minute_are_all_answered(
    models: int, servers: int, form: str, stream: bool
) -> None:
    """Forty of sixty got `Exhausted` within a second."""
    server = Server(form, models=models, servers=servers)

    assert not ask(server.router(), 60, stream=stream)
    assert server.elapsed < (125.0 if servers == 1 else 65.0)


def test_who_waits_goes_as_many_at_once_as_the_limit_is_known_to_take() -> None:
    """Each of forty refusals named the limit. A minute later twenty go, and twenty wait on."""
    server = Server(NAMES_MODEL)
    ask(server.router(), 60)

    assert server.fates == {200: 60, 429: 40}


@pytest.mark.parametrize(
    ("form", "reasons"),
    [
        (BODY, {"p0:m0 waits: ambiguous-429"}),
        (
            NAMES_MODEL,
            {
                "p0:m0 waits: model-minute",
                "p0 seems to allow about 20 requests a minute, and they are used",
            },
        ),
    ],
)
def test_who_waits_is_told_for_what_and_a_guess_is_called_one(form: str, reasons: set[str]) -> None:
    server = Server(form)
    seen: set[str] = set()
    router = server.router()
    router.subscribe(
        lambda event: seen.add(event.reason) if isinstance(event, events.Waiting) else None
    )
    ask(router, 60)
    server.runtime.flush()

    assert seen == reasons


def test_where_nobody_tells_the_limit_a_round_of_refusals_a_minute_is_all_it_costs() -> None:
    server = Server(BODY)
    ask(server.router(), 60)

    assert server.fates[429] <= 40 + 20


def test_short_waits_of_many_callers_cause_no_storm() -> None:
    """A bucket that is filled by one each three seconds tells all who wait the same three."""

    class Bucket(Server):
        level, at = 20.0, 0.0

        async def _serve(self, request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return await super()._serve(request)
            now = self.clock.now()
            self.level, self.at = min(20.0, self.level + (now - self.at) / 3.0), now
            self.fates[200 if self.level >= 1.0 else 429] += 1
            if self.level < 1.0:
                return self._refusal(3.0 * (1.0 - self.level))
            self.level -= 1.0
            return httpx.Response(200, json=WHOLE)

    server = Bucket(BODY)

    assert not ask(server.router(), 60)
    assert server.elapsed < 180.0
    assert server.fates[429] < 300


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("form", [HEADER, BODY, NAMES_MODEL])
@pytest.mark.parametrize("bound", [{"timeout": 30.0}, {"max_wait": 30.0}])
def test_who_cannot_wait_so_long_is_told_at_once(
    bound: dict[str, float], form: str, models: int
) -> None:
    server = Server(form, models=models)
    told = ask(server.router(**bound), 60)

    assert len(told) == 40
    assert server.elapsed < 5.0
    assert all(isinstance(error, errors.Exhausted) and error.rate_limited for error in told)
    assert all(55.0 < (getattr(error, "retry_after", 0.0) or 0.0) <= MINUTE for error in told)


def test_a_timeout_that_is_long_enough_is_used() -> None:
    server = Server()

    assert not ask(server.router(timeout=150.0), 60)


def test_who_comes_later_waits_for_the_rest_of_what_others_were_told() -> None:
    server = Server()
    router = server.router()

    async def both() -> None:
        early = asyncio.create_task(gathered(router, 21))
        await asyncio.sleep(10.0)
        await router.achat("later")
        assert not await early

    server.runtime.call(both)

    assert server.fates == {200: 22, 429: 1}
    assert server.elapsed < 65.0


def test_a_server_that_fails_is_no_limit_whatever_it_states() -> None:
    """Who must wait for others is told so before the timeout is over."""
    server = Server(status=503)
    told = ask(server.router(), 60)

    assert len(told) == 40
    assert server.elapsed < 2.0


def test_an_upstream_that_is_busy_for_everybody_is_no_limit_of_ones_own() -> None:
    class Upstream(Server):
        def _refusal(self, wait: float) -> httpx.Response:
            error = {"message": "Provider returned error", "metadata": {"provider_name": "X"}}
            headers = {"retry-after": str(math.ceil(wait))}
            return httpx.Response(429, json={"error": error}, headers=headers)

    server = Upstream()

    assert len(ask(server.router(), 60)) == 40


@pytest.mark.parametrize("framework", [ChatFreeRouter, FreeRouter])
def test_both_frameworks_wait(framework: type[ChatFreeRouter] | type[FreeRouter]) -> None:
    server = Server()
    llm = framework(router=server.router())

    async def both() -> list[Any]:
        one = llm.ainvoke if isinstance(llm, ChatFreeRouter) else llm.acomplete
        return await asyncio.gather(*(one(f"Question {n}") for n in range(30)))

    assert len(asyncio.run(both())) == 30
    assert 60.0 <= server.elapsed < 65.0
