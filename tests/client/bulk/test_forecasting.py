"""When a job will be done, where no limit is stated: what was measured says it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from freerouter_core.client.bulk.flow import Flow
from freerouter_core.simulator import SimAccount, SimModel, World


class Slots(httpx.AsyncBaseTransport):
    """A server that works on a few requests at once; others wait for it."""

    def __init__(self, world: World, slots: int) -> None:
        self._inner, self._slots = world.transport(), asyncio.Semaphore(slots)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return await self._inner.handle_async_request(request)
        async with self._slots:
            response = await self._inner.handle_async_request(request)
            await response.aread()
            return response


@pytest.mark.parametrize(("slots", "seconds"), [(4, 0.5), (16, 1.0)])
def test_the_end_is_foretold_from_what_the_server_does(
    tmp_path: Path, slots: int, seconds: float
) -> None:
    """It was foretold from what may be in flight: ten times too early."""
    rows, foretold = 600, list[tuple[float, float]]()
    with World([SimModel("a/x:free", first_token=seconds, speed=1e6)]) as w:
        router = w.router(http_client=Slots(w, slots), hedge="off", timeout=600.0)
        job = router.bulk([f"Question {n}" for n in range(rows)], tmp_path / "a.job")
        began, next_look = w.clock.now(), 0.3  # it begins with few at once
        for done, _ in enumerate(job, 1):
            if done >= next_look * rows:
                progress = job.progress()
                assert progress.ends is not None
                assert progress.seconds is not None
                foretold.append((progress.ends - progress.seconds, progress.ends))
                next_look += 0.2
        ended = w.clock.now()

    assert len(foretold) >= 3
    told = [(at - began, ends - at, ended - at) for at, ends in foretold]
    assert all(left / 2.0 - 2.0 <= said <= left * 2.0 + 2.0 for _, said, left in told), told


def test_nothing_is_foretold_before_anything_is_known(tmp_path: Path) -> None:
    with World([SimModel("a/x:free")]) as w:
        job = w.router().bulk([f"Question {n}" for n in range(30)], tmp_path / "a.job")
        job.load()
        assert job.progress().ends is None
        assert str(job.progress()) == "0 of 30 rows done"
    with World([SimModel("a/x:free")], [SimAccount("k", per_minute=20)]) as w:
        router = w.router()
        router.free_models()
        ends = router.bulk(None, tmp_path / "a.job").progress().seconds
        assert ends is not None
        assert ends == pytest.approx(90.0, abs=15.0)  # a limit says it


@pytest.mark.parametrize(
    ("held", "ended", "rate"),
    [
        (None, 0, None),  # nothing was tried
        (False, 0, None),  # nothing has ended
        (False, 20, 2.0),
        (True, 20, None),  # limits say it
    ],
)
def test_the_flow_is_what_no_limit_holds_back(
    held: bool | None, ended: int, rate: float | None
) -> None:
    flow = Flow(100.0)
    flow.look(100.0, held=held)
    for n in range(ended):
        flow.ended(100.5 + n / 2.0)
    found = flow.rate(110.0)
    assert found == (None if rate is None else pytest.approx(rate, rel=0.05))


def test_a_server_that_answers_no_more_slows_the_flow() -> None:
    flow = Flow(0.0)
    flow.look(0.0, held=False)
    for n in range(10):
        flow.ended(n + 1.0)
    assert flow.rate(100.0) == pytest.approx(0.1, rel=0.05)
    flow.look(100.0, held=None)
    assert flow.rate(10_000.0) == pytest.approx(0.1, rel=0.05)  # nothing is tried meanwhile
