"""Rows that make a server fail hold no other row back, and end soon themselves."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from freerouter_core import Limit, Provider, Router
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World

ROWS = 120
PAUSES = 5.0 + 30.0 + 180.0 + 1_080.0
"""Seconds between the five tries of a row."""


class Failing(httpx.AsyncBaseTransport):
    """A server that fails at some requests, and answers the others."""

    def __init__(self, world: World, answer: httpx.Response) -> None:
        self._real, self._answer = world.transport(), answer
        self.failed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if b"BAD" not in request.content:
            return await self._real.handle_async_request(request)
        self.failed += 1
        return httpx.Response(self._answer.status_code, content=self._answer.content)


def said(status: int, **body: object) -> httpx.Response:
    return httpx.Response(status, json=body)


EMPTY = said(200, choices=[{"message": {"content": ""}, "finish_reason": "stop"}])


@pytest.mark.parametrize("first", [0, 7], ids=["from the first row on", "later"])
@pytest.mark.parametrize("every", [30, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize(
    "minute",
    [pytest.param(None, id="no limit"), pytest.param(30, id="30 a minute", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(said(500, error={"message": "Internal server error"}), id="500"),
        pytest.param(said(502), id="bare 502", marks=pytest.mark.slow),
        pytest.param(EMPTY, id="nothing"),
    ],
)
def test_the_others_are_answered_meanwhile(
    tmp_path: Path, answer: httpx.Response, minute: int | None, models: int, every: int, first: int
) -> None:
    clock = VirtualClock()
    world = World(
        [SimModel(f"m/{n}:free") for n in range(models)],
        [SimAccount("k-one", per_minute=minute)],
        clock=clock,
    )
    server = Failing(world, answer)
    limits = [Limit(minute)] if minute else []
    provider = Provider("one", "https://one.invalid/v1", "k-one", free="suffix", limits=limits)
    runtime = Runtime(clock=clock, client=server, seed=1, cache=None, state="memory")
    router = Router(providers=(provider,), runtime=runtime)

    rows = [f"{'BAD' if n % every == first % every else 'Row'} {n}" for n in range(ROWS)]
    last, failed = 0.0, 0
    for result in router.bulk(rows, tmp_path / "bad.job"):
        failed += not result.ok
        last = clock.elapsed if result.ok else last

    bad = sum(row.startswith("BAD") for row in rows)
    needed = 60.0 * ROWS / minute if minute else 0.0
    assert failed == bad
    assert last <= 6.0 * needed + 10.0 * bad + 60.0
    assert clock.elapsed <= 2.0 * PAUSES + 10.0 * needed + 30.0 * bad
    assert server.failed <= 8 * bad * models
