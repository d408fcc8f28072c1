"""Several processes over one account, and forks."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import Limit, Provider, Router, Runtime
from freerouter_core.routing.charges import Charge, Grant
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.sqlite import SqliteStore
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.simulator import SimAccount, SimModel, World

from .ledgers import MINUTE, SHARED, reserve


def worker(url: str, state: str, seconds: float) -> None:
    """Asks as fast as it may for a while."""
    runtime = Runtime(cache=None, state=state)
    limits = [Limit(requests=6, per=3.0)]
    router = Router(
        providers=(Provider("openrouter", url, "sk-shared", limits=limits),),
        runtime=runtime,
        timeout=30.0,
    )
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        router.chat("x")
    runtime.close()


class Strict(World):
    """Its account allows 6 requests in any 3 seconds."""

    refusals = 0
    under_way = threading.Event()

    def _limit_error(self, account: Any, context: Any) -> Any:
        now = self.clock.now()
        account.minute = [at for at in account.minute if at > now - 3.0]
        if len(account.minute) >= 6:
            type(self).refusals += 1
        account.minute.append(now)
        if len(self.requests) >= 8:
            self.under_way.set()
        return None


@pytest.mark.slow
@pytest.mark.timeout(240)  # four processes start and work for five seconds each
@pytest.mark.parametrize("killed", [False, True], ids=["all live", "one is killed"])
@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_four_processes_keep_to_the_limit_of_one_account(
    state: str, killed: bool, serve: Any
) -> None:
    """None is refused and little of the budget is left. See also `benchmarks/state.py --hammer`."""
    world = Strict(
        [SimModel("a/m:free", first_token=0.0, speed=1e6)], [SimAccount("sk-shared")], clock="real"
    )
    Strict.refusals = 0
    Strict.under_way.clear()
    url = serve(world)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=worker, args=(url, state, 5.0)) for _ in range(4)]
    for process in workers:
        process.start()
    if killed:
        assert world.under_way.wait(60.0)
        os.kill(workers[0].pid or 0, signal.SIGKILL)
    for process in workers:
        process.join(60)

    assert Strict.refusals == 0
    first, last = world.requests[0].at, world.requests[-1].at
    could = 6 * (1 + (last - first) // 3.5)
    assert len(world.requests) >= (0.6 if killed else 0.8) * could
    assert json.dumps([process.exitcode for process in workers[1:]]) == "[0, 0, 0]"


def test_forks_during_traffic_lose_no_request(tmp_path: Path) -> None:
    """No connection crosses a fork: neither in a transaction, nor to be closed by the child."""
    many = Charge("account", Limit(requests=10_000, per=600.0))
    path = tmp_path / "state.db"

    async def live(ledger: Ledger, times: int) -> None:
        for _ in range(times):
            assert isinstance(await reserve(ledger, many), Grant)
        await ledger.drain()

    def lost(event: Any) -> None:
        raise AssertionError(event)

    ledger = Ledger(RealClock(), SqliteStore(path), emit=lost)
    traffic = threading.Thread(target=lambda: asyncio.run(live(ledger, 300)))
    traffic.start()
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            asyncio.run(live(Ledger(RealClock(), SqliteStore(path), emit=lost), 10))
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    traffic.join(60)
    other = Ledger(RealClock(), SqliteStore(path))

    assert codes == [0] * 6
    assert asyncio.run(other.used(many)) == 360
    asyncio.run(other.drain())


def test_after_a_fork_the_child_has_its_own_connection(tmp_path: Path) -> None:
    async def live(store: SqliteStore) -> None:
        ledger = Ledger(RealClock(), store)
        assert isinstance(await reserve(ledger, MINUTE), Grant)

    store = SqliteStore(tmp_path / "state.db")
    asyncio.run(live(store))
    child = os.fork()
    if child == 0:
        store.forget()
        asyncio.run(live(store))
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(store.close())
