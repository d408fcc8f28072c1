"""Days of a large job over five providers, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from freerouter_core import Limit, Provider, Router
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World

DAY = 86_400.0
PROVIDERS = {"one": (20, 50), "two": (30, 200), "three": (10, 250), "four": (30, 400)}
PROVIDERS |= {"five": (40, 500)}
"""Requests a minute and a day: 1,400 a day in all."""


class Worlds(httpx.AsyncBaseTransport):
    """Several worlds, by the host of a request."""

    def __init__(self, worlds: dict[str, World]) -> None:
        self._transports = {name: world.transport() for name, world in worlds.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transports[request.url.host.split(".")[0]].handle_async_request(request)


class Week:
    """Five providers whose limits are stated, on virtual time."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.worlds = {
            name: World(
                [SimModel(f"{name}/{n}:free") for n in range(2)],
                [SimAccount(f"k-{name}", per_minute=minute, per_day=day)],
                clock=self.clock,
            )
            for name, (minute, day) in PROVIDERS.items()
        }
        providers = [
            Provider(
                name,
                f"https://{name}.invalid/v1",
                f"k-{name}",
                free="suffix",
                limits=[Limit(minute), Limit(day, per=DAY, reset="utc-day")],
            )
            for name, (minute, day) in PROVIDERS.items()
        ]
        client = Worlds(self.worlds)
        self.runtime = Runtime(clock=self.clock, client=client, seed=1, cache=None, state="memory")
        self.router = Router(providers=tuple(providers), runtime=self.runtime)


def test_full_accounts_are_not_asked_for_room_by_each_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for the row itself, and now and then to look again."""
    week, asked = Week(), 0
    reserve = week.runtime.ledger.reserve

    def counted(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return reserve(*args)

    monkeypatch.setattr(week.runtime.ledger, "reserve", counted)
    job = week.router.bulk([f"Question {n}" for n in range(300)], tmp_path / "week.job")
    assert job.run().done == 300
    assert asked <= 2 * 300


@pytest.mark.parametrize(
    ("rows", "within"),
    [
        pytest.param(1_000, 0.1, marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
        pytest.param(10_000, 0.1, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_every_row_is_done_without_a_refusal_and_the_end_is_foretold(
    rows: int, within: float, tmp_path: Path
) -> None:
    week = Week()
    clock, worlds = week.clock, week.worlds
    job = week.router.bulk([f"Question {n}" for n in range(rows)], tmp_path / "week.job")
    foretold: list[tuple[float, float]] = []
    done = 0
    for result in job:
        done += result.ok
        if clock.elapsed >= 3_600.0 + 6 * 3_600.0 * len(foretold):
            ends = job.progress().ends
            assert ends is not None
            foretold.append((clock.elapsed, ends - clock.now() + clock.elapsed))

    assert done == rows
    assert {seen.fate for world in worlds.values() for seen in world.requests} == {"answer"}
    assert foretold
    missed = [(at, end) for at, end in foretold if abs(end / clock.elapsed - 1.0) > within]
    assert not missed, clock.elapsed
    for name, (_, allowed) in PROVIDERS.items():
        used = list((worlds[name].accounts or {})[f"k-{name}"].days.values())[:-1]
        assert all(day >= 0.95 * allowed for day in used)
