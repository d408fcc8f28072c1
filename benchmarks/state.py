"""What shared state costs a call, and how well several processes share one account.

    python benchmarks/state.py             each store, alone and beside three other processes
    python benchmarks/state.py --hammer    also share an account, for three minutes

The hammer lets four processes share an account of 20 requests a minute. It tries SQLite, and Redis
if a redis-server is installed. Each is tried twice at once: undisturbed, and with workers that are
killed and replaced at random moments. It prints how many requests the account refused and how much
of its budget stayed unused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

from freerouter_core import Provider, Router
from freerouter_core.catalogue.providers import Limit
from freerouter_core.routing.charges import Charge
from freerouter_core.routing.lanes import Place
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.open_store import open_store
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.simulator.server import served

CALLS, SECONDS, WORKERS = 400, 190.0, 4
WIDE = (
    Charge("bench", Limit(requests=10**6, per=0.01)),
    Charge("bench|m", Limit(tokens=10**9, per=0.01)),
)
"""Windows of half a second with their margin. They hold a few hundred calls, as free tiers do."""


async def _timed(state: str, calls: int) -> float:
    ledger = Ledger(RealClock(), open_store(state))
    times = []
    for n in range(calls):
        began = time.perf_counter()
        grant = await ledger.reserve(Place(False, n), WIDE, 100, 0.0)
        ledger.settle(grant, sent=True, tokens=100)  # type: ignore[arg-type]  # no limit refuses
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    await ledger.drain()
    return statistics.median(times) * 1e6


def cost(state: str, calls: int = CALLS) -> float:
    """Median microseconds of one reserve and settle in a store."""
    return asyncio.run(_timed(state, calls))


def worker(url: str, state: str, seconds: float) -> None:
    """Asks one request after another until the time is over."""
    runtime = Runtime(cache=None, state=state)
    router = Router(
        providers=(Provider("openrouter", url, "sk-shared"),), runtime=runtime, timeout=120.0
    )
    until = time.monotonic() + seconds
    with contextlib.suppress(Exception):
        while time.monotonic() < until:
            router.chat("x")


@contextlib.contextmanager
def redis_server() -> Iterator[str | None]:
    """A Redis server on a free port; yields its URL, or None if none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"--port {port} --bind 127.0.0.1 --appendonly no".split()
    command = [program, *options, "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


class Trial:
    """One account, one store, four workers."""

    def __init__(
        self, *, name: str, state: str, url: str, world: World[RealClock], killing: bool
    ) -> None:
        self.name, self.state, self.url, self.world, self.killing = name, state, url, world, killing
        self.context = multiprocessing.get_context("spawn")
        self.until = time.monotonic() + SECONDS
        self.workers = [self._start() for _ in range(WORKERS)]
        self.next_kill = time.monotonic() + random.uniform(5, 30)
        self.killed = 0

    def _start(self) -> SpawnProcess:
        process = self.context.Process(
            target=worker, args=(self.url, self.state, self.until - time.monotonic())
        )
        process.start()
        return process

    def kill_one(self) -> None:
        """Kill and replace a worker, if it is time."""
        if self.killing and time.monotonic() > self.next_kill:
            n = random.randrange(WORKERS)
            self.workers[n].kill()
            self.workers[n] = self._start()
            self.killed += 1
            self.next_kill = time.monotonic() + random.uniform(5, 30)

    def end(self) -> str:
        """Stop the workers. The line of the report."""
        for process in self.workers:
            process.kill()
        requests = self.world.requests
        refused = sum(seen.fate == "account-minute" for seen in requests)
        minutes = (requests[-1].at - requests[0].at) // 60.0
        unused = 100 * (1 - len(requests) / (20 * (1 + int(minutes))))
        return (
            f"{self.name:28}{len(requests):6} sent{refused:6} refused"
            f"{unused:8.1f} % unused{self.killed:4} killed"
        )


def hammer(redis_url: str | None) -> None:
    """Every trial at once, for `SECONDS`."""
    stores = {"sqlite": "sqlite", "redis": redis_url}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        trials = []
        for name, url in stores.items():
            for killing in (False, True):
                if url is None:
                    continue
                world = World(
                    [SimModel("a/m:free", first_token=0.05)],
                    [SimAccount("sk-shared", 20)],
                    clock="real",
                )
                base = stack.enter_context(served(world))
                state = (
                    f"sqlite:///{Path(folder)}/{killing}.db"
                    if name == "sqlite"
                    else f"{url[:-1]}{int(killing)}"
                )
                label = f"{name}, workers killed" if killing else name
                trials.append(
                    Trial(name=label, state=state, url=base, world=world, killing=killing)
                )
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for trial in trials:
                trial.kill_one()
            time.sleep(0.2)
        for trial in trials:
            print(trial.end())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hammer", action="store_true")
    options = parser.parse_args()
    with redis_server() as redis_url, tempfile.TemporaryDirectory() as folder:
        states = {"memory": "memory", "sqlite": f"sqlite:///{folder}/state.db", "redis": redis_url}
        base = cost("memory")
        title = "reserve and settle, two limits"
        print(f"{title:34}{'alone':>10}{'of four':>10}   microseconds, median")
        for name, state in states.items():
            if state is None:
                print(f"{name:34}{'no redis-server here':>20}")
                continue
            alone = cost(state)
            if name == "memory":
                beside = alone
            else:
                with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
                    beside = statistics.median(pool.map(cost, [state] * WORKERS))
            print(f"{name:34}{alone:10.0f}{beside:10.0f}   {alone - base:+.0f}")
        if options.hammer:
            hammer(redis_url)


if __name__ == "__main__":
    main()
