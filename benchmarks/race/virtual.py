"""The race on the virtual clock: hundreds of seeds of each world in minutes, ours through the whole of the core.

    python benchmarks/race/virtual.py [--seeds 30] [--worlds calm storm …] [--policies ours afternoon …]

Prints a table of Markdown: of what a clairvoyant could answer the share that was answered, seconds (mean, p95), attempts an
answer, requests that an account refused. One line a world and policy.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from afternoon import Afternoon, Known
from bound import bound
from worlds import DEADLINE, SCENES, Scene, scene

from freerouter_core import Limit, Provider, Router
from freerouter_core.clock import VirtualClock
from freerouter_core.errors import FreeRouterError
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World
from freerouter_core.simulator.dialects import DIALECTS

START = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 6 * 3_600
PROMPT = "Tell me of the sea."
MESSAGES = [{"role": "user", "content": PROMPT}]


@dataclass
class Lap:
    """One life of one world."""

    answered: int = 0
    possible: int = 0
    times: list[float] = field(default_factory=list)
    attempts: int = 0
    refusals: int = 0

    def add(self, other: Lap) -> None:
        self.answered += other.answered
        self.possible += other.possible
        self.times += other.times
        self.attempts += other.attempts
        self.refusals += other.refusals

    def row(self) -> list[str]:
        times = sorted(self.times) or [float("nan")]
        return [
            f"{self.answered / max(1, self.possible):.3f}",
            f"{statistics.fmean(times):.2f}",
            f"{times[len(times) // 2]:.2f}",
            f"{times[min(len(times) - 1, int(len(times) * 0.95))]:.2f}",
            f"{self.attempts / max(1, self.answered):.2f}",
            f"{self.refusals}",
        ]


class Net(httpx.AsyncBaseTransport):
    """All servers of a scene behind one transport, by their host."""

    def __init__(self, worlds: dict[str, World]) -> None:
        self.faces = {name: world.transport() for name, world in worlds.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self.faces[request.url.host.split(".")[0]].handle_async_request(
            request
        )
        return response


def address(provider: str) -> str:
    return f"https://{provider}.invalid/api/v1"


def providers(found: Scene, where: Callable[[str], str] = address) -> tuple[Provider, ...]:
    """The scene's servers as a router is told of them."""
    return tuple(
        Provider(
            server.provider,
            where(server.provider),
            "sk-race",
            free="suffix" if server.provider == "openrouter" else "all",
            limits=_limits(server),
        )
        for server in found.servers
    )


def _limits(server: Any) -> list[Limit]:
    account = server.account
    if account is None:
        return []
    scope: Any = (
        "model" if DIALECTS[server.dialect].by_model and server.provider != "openrouter" else "account"
    )
    limits = [Limit(requests=account.per_minute, scope=scope)]
    if account.per_day is not None:
        limits.append(Limit(requests=account.per_day, per=86_400.0, reset="utc-day"))
    return limits


Ask = Callable[[], Awaitable[bool]]


def ours(options: dict[str, Any], streamed: bool = False) -> Callable[[Scene, Runtime, Net], Ask]:
    def enter(found: Scene, runtime: Runtime, net: Net) -> Ask:
        router = Router(providers=providers(found), runtime=runtime, timeout=DEADLINE, **options)

        async def ask() -> bool:
            try:
                if streamed:
                    async for _ in router.astream(PROMPT):
                        pass
                    return True
                return bool((await router.achat(PROMPT)).text)
            except FreeRouterError:
                return False

        return ask

    return enter


def afternoon(found: Scene, runtime: Runtime, net: Net) -> Ask:
    client = httpx.AsyncClient(transport=net, timeout=DEADLINE)

    async def post(provider: str, model: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {"authorization": "Bearer sk-race", "content-type": "application/json"}
        response = await client.post(address(provider) + "/chat/completions", content=body, headers=headers)
        return response.status_code, dict(response.headers), response.content

    rival = Afternoon(
        [Known(s.provider, m.id) for s in found.servers for m in s.models],
        {s.provider: (s.account.per_minute or 10**6) if s.account else 10**6 for s in found.servers},
        {s.provider for s in found.servers if s.dialect != "openrouter"},
        post,
        runtime.clock.now,
        Random(found.seed),
    )

    async def ask() -> bool:
        return await rival.ask(MESSAGES, DEADLINE) is not None

    return ask


def informed(found: Scene, runtime: Runtime, net: Net) -> Ask:
    """Ours, told each model's long-run rates and none of its present state: the frontier of what knowing that is worth."""
    cost = {}
    for server in found.servers:
        for model in server.models:
            down = sum(
                p.share * max(0.0, min(p.end, found.span) - max(0.0, p.start)) / found.span
                for p in model.phases
            )
            name = model.id if server.provider == "openrouter" else f"{server.provider}:{model.id}"
            cost[name] = (model.first_token + 150 / model.speed + 1.0) / max(0.001, 1.0 - min(1.0, down))
    return ours({"strategy": lambda need, models: sorted(models, key=lambda m: cost.get(m.id, 99.0))})(
        found, runtime, net
    )


POLICIES: dict[str, Callable[[Scene, Runtime, Net], Ask]] = {
    "ours": ours({}),
    "ours, streamed": ours({}, streamed=True),
    "afternoon": afternoon,
    "ours, rates known": informed,
    "ours, no hedge": ours({"hedge": "off"}),
    "round_robin": ours({"strategy": "round_robin"}),
}


def tune(settings: list[str]) -> None:
    """Set constants of the core for this process: `rank.UNSURE=0.3`."""
    for setting in settings:
        where, _, value = setting.partition("=")
        module, _, constant = where.rpartition(".")
        found = importlib.import_module(f"freerouter_core.{module}")
        if not hasattr(found, constant):
            raise SystemExit(f"{module} has no {constant}")
        setattr(found, constant, float(value))


def live(name: str, seed: int, policy: str, settings: list[str] | None = None) -> Lap:
    """One life of a world under a policy."""
    tune(settings or [])
    logging.getLogger("freerouter").setLevel(logging.CRITICAL)
    found = scene(name, seed)
    clock = VirtualClock(START)
    worlds = {
        s.provider: World(
            s.models, [s.account] if s.account else None, dialect=s.dialect, seed=seed, clock=clock
        )
        for s in found.servers
    }
    net = Net(worlds)
    runtime = Runtime(clock=clock, client=net, seed=seed, cache=None, state="memory")
    ask = POLICIES[policy](found, runtime, net)
    lap = Lap(possible=len(bound(found, START)))

    async def one(arrival: float) -> None:
        await asyncio.sleep(arrival)
        began = clock.now()
        if await ask():
            lap.answered += 1
            lap.times.append(clock.now() - began)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(arrival) for arrival in found.arrivals))

    runtime.call(all_of_them)
    runtime.close()
    for world in worlds.values():
        lap.attempts += len(world.requests)
        lap.refusals += sum(seen.fate.startswith("account-") for seen in world.requests)
    return lap


def ideal(name: str, seed: int) -> Lap:
    found = scene(name, seed)
    times = bound(found, START)
    return Lap(len(times), len(times), times, len(times))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--worlds", nargs="*", default=list(SCENES))
    parser.add_argument("--policies", nargs="*", default=["ours", "afternoon"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="routing.rank.UNSURE=0.3", help="constants to try"
    )
    options = parser.parse_args()
    print("| world | policy | of the bound | mean s | p50 s | p95 s | attempts an answer | refusals |")
    print("|---|---|---|---|---|---|---|---|")
    began = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        for world in options.worlds:
            for policy in [*options.policies, "bound"]:
                total = Lap()
                laps = (
                    pool.map(ideal, [world] * len(seeds), seeds)
                    if policy == "bound"
                    else pool.map(
                        live,
                        [world] * len(seeds),
                        seeds,
                        [policy] * len(seeds),
                        [options.set] * len(seeds),
                        chunksize=2,
                    )
                )
                for lap in laps:
                    total.add(lap)
                print(f"| {world} | {policy} | {' | '.join(total.row())} |", flush=True)
    print(f"\n{options.seeds} seeds a world, {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
