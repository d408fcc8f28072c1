"""Processes that share a state get equal shares of a limit that all of them want."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit, Provider, Router
from freerouter_core.routing.charges import Charge, Grant
from freerouter_core.routing.lanes import Place
from freerouter_core.runtime.ledger import Ledger, MemoryStore
from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel, World


class SharedMemory(MemoryStore):
    """One memory that several ledgers of a process share, as processes share a file."""

    shared = True


def jain(counts: Sequence[int]) -> float:
    """1: all have the same; 1/n: one of n has everything."""
    return sum(counts) ** 2 / (len(counts) * sum(count**2 for count in counts))


class Group:
    """Processes over one limit. Process n reacts `lag[n]` seconds late to every timer."""

    def __init__(self, limit: Limit, background: bool, lags: Sequence[float]) -> None:
        self.charge, self.background, self.lags = Charge("account", limit), background, lags
        self.runtime = Runtime(clock=VirtualClock(), cache=None)
        self.store, self.taken = SharedMemory(), [0] * len(lags)
        self.ledgers = [Ledger(self.runtime.clock, self.store) for _ in lags]
        self.random = Random(7)

    def run(self, seconds: float, *, at_once: Sequence[int], holds: float = 0.0) -> list[int]:
        """What each process got meanwhile, when so many requests of each always wait."""

        async def request(process: int, numbers: Iterator[int], ends: float) -> None:
            ledger, clock = self.ledgers[process], self.runtime.clock
            while clock.now() < ends:
                place = Place(self.background, next(numbers))
                while True:
                    result = await ledger.reserve(place, (self.charge,), 0, 0.0)
                    if isinstance(result, Grant):
                        break
                    late = self.lags[process] * self.random.random()
                    await ledger.wait(place, result.scope, result.until + late)
                if clock.now() < ends:
                    self.taken[process] += 1
                await asyncio.sleep(holds)
                ledger.settle(result, sent=True)

        async def all_of_them() -> None:
            ends = self.runtime.clock.now() + seconds
            async with asyncio.TaskGroup() as group:
                for process, many in enumerate(at_once):
                    numbers = iter(range(1_000_000))
                    for _ in range(many):
                        group.create_task(request(process, numbers, ends))

        self.runtime.call(all_of_them)
        return self.taken


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("many", [1, 2, 8], ids="{}-in-line".format)
@pytest.mark.parametrize(
    ("limit", "holds", "seconds"),
    [
        (Limit(requests=20, per=4.0), 0.0, 120.0),
        (Limit(requests=20, per=60.0), 0.0, 600.0),
        (Limit(requests=3, per=4.0), 0.0, 200.0),
        (Limit(requests=20, per=4.0, reset="fixed"), 0.0, 120.0),
        (Limit(requests=20, per=4.0, reset="bucket"), 0.0, 60.0),
        (Limit(concurrent=8), 1.0, 60.0),
    ],
    ids=["rolling", "minute", "small", "fixed", "bucket", "leases"],
)
def test_four_that_always_want_more_get_the_same(
    limit: Limit, holds: float, seconds: float, many: int, background: bool
) -> None:
    """However late their timers are. Hardly less is done than by one that has all for itself."""
    alone = Group(limit, background, [0.0]).run(seconds, at_once=[4 * many], holds=holds)
    taken = Group(limit, background, [0.0, 0.01, 0.03, 0.1]).run(
        seconds, at_once=[many] * 4, holds=holds
    )
    assert jain(taken) >= 0.95, taken
    assert sum(taken) >= 0.8 * alone[0], (taken, alone)


def test_a_process_that_comes_later_or_dies_costs_the_others_nothing() -> None:
    limit = Limit(requests=20, per=4.0)
    group = Group(limit, False, [0.0, 0.01, 0.02, 0.03])
    group.run(60.0, at_once=[32, 0, 0, 0])
    before = group.taken[0]
    group.run(60.0, at_once=[8] * 4)
    assert jain([group.taken[0] - before, *group.taken[1:]]) >= 0.85
    group.taken = [0] * 4
    assert group.run(60.0, at_once=[32, 0, 0, 0])[0] >= 0.9 * before


# -- real processes ------------------------------------------------------------------------------


def worker(state: str, started: Any, seconds: float, counts: Any) -> None:
    """Always wants another answer, for so long."""
    with World([SimModel("a/m:free", first_token=0.0, speed=1e6)], clock="real") as world:
        runtime = Runtime(clock=RealClock(), client=world.transport(), cache=None, state=state)
        limits = [Limit(12, per=3.0)]
        provider = Provider("openrouter", "https://x.invalid/api/v1", "k", limits=limits)
        router = Router(providers=(provider,), runtime=runtime)
        router.quota()
        started.wait(60)
        ends, count = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            router.chat("x")
            count += 1
        counts.put(count)
        runtime.close()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_four_processes_of_a_machine_get_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    started, counts = context.Barrier(4), context.Queue()
    arguments = (f"sqlite:///{tmp_path}/state.db", started, 24.0, counts)
    processes = [context.Process(target=worker, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    taken = [counts.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    print("TAKEN", taken, jain(taken))
    assert sum(taken) >= 70  # of 96
    assert jain(taken) >= 0.95, taken
