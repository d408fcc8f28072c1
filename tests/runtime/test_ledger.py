"""The ledger's lines, and what processes tell each other through a store."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from freerouter_core import Limit
from freerouter_core.routing.failures import RoutingState
from freerouter_core.routing.limits import Charge, Grant, Refusal
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.open_store import open_store
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.fault import Cause, Fault, Kind

LANE = Charge("account", Limit(concurrent=1))
MODEL = ("openrouter", "https://openrouter.ai/api/v1", "acme/a:free")


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(clock=VirtualClock(), cache=None)


# -- the line ----------------------------------------------------------------------------------


def test_the_first_to_come_is_the_first_to_be_served(runtime: Runtime) -> None:
    """By the numbers of their requests, in whatever order they join the line."""
    served: list[int] = []

    async def request(number: int) -> None:
        ledger = runtime.ledger
        while not isinstance(grant := await ledger.reserve(number, (LANE,), 0, 0.0), Grant):
            await ledger.wait(number, grant.scope, grant.until)
        served.append(number)
        await asyncio.sleep(1.0)
        ledger.settle(grant, sent=True)

    async def all_of_them() -> None:
        first = asyncio.ensure_future(request(1))
        await asyncio.sleep(0.1)
        others = [asyncio.ensure_future(request(number)) for number in (5, 3, 4, 2)]
        await asyncio.gather(first, *others)

    runtime.call(all_of_them)

    assert served == [1, 2, 3, 4, 5]


def test_who_joins_the_line_waits_until_the_last_in_it_expects_room(runtime: Runtime) -> None:
    async def live() -> None:
        ledger, now = runtime.ledger, runtime.clock.now()
        waiting = [
            asyncio.ensure_future(ledger.wait(number, "account", now + seconds))
            for number, seconds in ((2, 40.0), (3, 50.0))
        ]
        await asyncio.sleep(0)
        refusal = await ledger.reserve(4, (LANE,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        assert refusal.until == now + 50.0
        earlier = await ledger.reserve(1, (LANE,), 0, 0.0)
        assert isinstance(earlier, Grant), "nobody who came before it waits"
        assert ledger._lines.length("account") == 2
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert ledger._lines.length("account") == 0

    runtime.call(live)


def test_only_the_head_is_woken_and_a_head_that_leaves_hands_its_turn_on(
    runtime: Runtime,
) -> None:
    turns: list[int] = []

    async def waiter(number: int, until: float) -> None:
        await runtime.ledger.wait(number, "account", until)
        turns.append(number)

    async def live() -> None:
        now = runtime.clock.now()
        tasks = [asyncio.ensure_future(waiter(n, now + 60.0 * n)) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        runtime.ledger._lines.wake({"account"})
        await asyncio.sleep(0.1)
        assert turns == [1]
        tasks[1].cancel()
        await asyncio.sleep(0.1)
        assert turns == [1, 3], "it may try at once: the turn was another's"
        await asyncio.gather(*tasks, return_exceptions=True)

    runtime.call(live)


# -- notes -------------------------------------------------------------------------------------


def stated(until: float) -> Fault:
    return Fault(kind=Kind.ACCOUNT, cause=Cause.ACCOUNT_DAY, status=429, until=until)


GUESSED = Fault(kind=Kind.ACCOUNT, cause=Cause.ACCOUNT_GUESSED, status=429)


class Process:
    """One process's knowledge, beside others that share its store."""

    def __init__(self, path: Path) -> None:
        clock = RealClock()
        self.state = RoutingState()
        self.sync = StateSync(self.state, Ledger(clock, open_store(f"sqlite:///{path}")), clock)

    def learns(self, fault: Fault) -> None:
        now = time.time()
        self.state.health.bench_account("scope", fault, now, Random(1))
        model = replace(fault, kind=Kind.BUSY, cause=Cause.MODEL_MINUTE)
        self.state.health.failed(MODEL, model, now, Random(1))

    def ends(self) -> tuple[float, float]:
        """Until when the account and the model are benched, unix seconds."""
        health = self.state.health
        return health.accounts["scope"].until, health.of(MODEL).bench

    async def exchanges(self) -> None:
        await self.sync._exchange()

    async def close(self) -> None:
        await self.sync._ledger.drain()


@pytest.mark.parametrize("ours", ["nothing", "guessed", "stated earlier"])
@pytest.mark.parametrize("ours_first", [True, False])
async def test_a_wait_that_another_process_was_told_is_never_shortened(
    ours: str, ours_first: bool, tmp_path: Path
) -> None:
    """Whoever writes first: all, and a process that starts later, keep to the later end."""
    now = time.time()
    us, they, late = (Process(tmp_path / "state.db") for _ in range(3))
    they.learns(stated(now + 3_600.0))
    if ours == "guessed":
        us.learns(GUESSED)
    elif ours == "stated earlier":
        us.learns(stated(now + 60.0))
    for process in (us, they, us, they) if ours_first else (they, us, they, us):
        await process.exchanges()
    await late.sync.pull()

    for process in (us, they, late):
        assert process.ends() == pytest.approx((now + 3_600.0, now + 3_600.0))
        await process.close()


async def test_an_own_stated_wait_is_not_shortened_by_another_process(tmp_path: Path) -> None:
    """It wrote without having read ours."""
    now = time.time()
    us, they, hasty = (Process(tmp_path / name) for name in ("one.db", "one.db", "two.db"))
    us.learns(stated(now + 3_600.0))
    await us.exchanges()
    hasty.learns(GUESSED)
    notes = {
        key: note
        for key in hasty.state.health.touched
        if (note := hasty.sync._note_of(key)) is not None
    }
    await they.sync._ledger.store.put_notes(notes, now)
    await us.exchanges()

    assert us.ends() == pytest.approx((now + 3_600.0, now + 3_600.0))
    for process in (us, they, hasty):
        await process.close()
