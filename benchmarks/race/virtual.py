"""The race on the virtual clock: hundreds of seeds of each world in minutes, ours through the whole of the core.

    python benchmarks/race/virtual.py [--seeds 30] [--worlds calm storm …] [--policies ours afternoon …]

Prints a table of Markdown: of what a clairvoyant could answer the share that was answered, seconds (mean, p95), attempts an
answer, requests that an account refused. One line a world and policy. `--sweep` tries the constants of the core instead.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from afternoon import afternoon_in
from bound import bound
from table import Lap, Results, compare, header, line, plot, ratios
from worlds import DEADLINE, SCENES, Scene, scene

from freerouter_core import ChatRequest, Limit, Provider, Router, Structured
from freerouter_core.errors import FreeRouterError
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World
from freerouter_core.simulator.dialects import DIALECTS

START = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 6 * 3_600
PROMPT = "Tell me of the sea."
MESSAGES = [{"role": "user", "content": PROMPT}]


class Net(httpx.AsyncBaseTransport):
    """All servers of a scene behind one transport, by their host."""

    def __init__(self, worlds: dict[str, World]) -> None:
        self.faces = {name: world.transport() for name, world in worlds.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self.faces[
            request.url.host.split(".")[0]
        ].handle_async_request(request)
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
        "model"
        if DIALECTS[server.dialect].by_model and server.provider != "openrouter"
        else "account"
    )
    limits = [Limit(requests=account.per_minute, scope=scope)]
    if account.per_day is not None:
        limits.append(Limit(requests=account.per_day, per=86_400.0, reset="utc-day"))
    return limits


Ask = Callable[[], Awaitable[bool]]


WISH = Structured(
    {"type": "object", "properties": {"sea": {"type": "string"}}, "required": ["sea"]}
)


def ours(
    options: dict[str, Any], streamed: bool = False, request: Any = PROMPT
) -> Callable[[Scene, Runtime, Net], Ask]:
    def enter(found: Scene, runtime: Runtime, net: Net) -> Ask:
        router = Router(providers=providers(found), runtime=runtime, timeout=DEADLINE, **options)

        async def ask() -> bool:
            try:
                if streamed:
                    async for _ in router.astream(request):
                        pass
                    return True
                return bool((await router.achat(request)).text)
            except FreeRouterError:
                return False

        return ask

    return enter


def afternoon(found: Scene, runtime: Runtime, net: Net) -> Ask:
    client = httpx.AsyncClient(transport=net, timeout=DEADLINE)

    async def post(provider: str, model: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {"authorization": "Bearer sk-race", "content-type": "application/json"}
        response = await client.post(
            address(provider) + "/chat/completions", content=body, headers=headers
        )
        return response.status_code, dict(response.headers), response.content

    rival = afternoon_in(found, post, runtime.clock.now)

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
            cost[name] = (model.first_token + 150 / model.speed + 1.0) / max(
                0.001, 1.0 - min(1.0, down)
            )
    return ours(
        {"strategy": lambda need, models: sorted(models, key=lambda m: cost.get(m.id, 99.0))}
    )(found, runtime, net)


POLICIES: dict[str, Callable[[Scene, Runtime, Net], Ask]] = {
    "ours": ours({}),
    "ours, streamed": ours({}, streamed=True),
    "ours, structured": ours({}, request=ChatRequest(MESSAGES, structured=WISH)),
    "afternoon": afternoon,
    "ours, rates known": informed,
    "ours, no hedge": ours({"hedge": "off"}),
    "round_robin": ours({"strategy": "round_robin"}),
}


def tune(settings: list[str]) -> None:
    """Set constants of the core for this process: `routing.rank.UNCERTAINTY=0.3`."""
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


def run(
    pool: ProcessPoolExecutor, world: str, policy: str, seeds: range, settings: list[str]
) -> Lap:
    """All seeds of a world under a policy."""
    many = len(seeds)
    if policy == "bound":
        return Lap.sum(pool.map(ideal, [world] * many, seeds))
    return Lap.sum(
        pool.map(live, [world] * many, seeds, [policy] * many, [settings] * many, chunksize=4)
    )


SWEPT = {
    "routing.rank.REQUEST_COST": (0.1, 2.0),
    "routing.rank.UNCERTAINTY": (0.2, 1.2),
    "routing.rank.OPTIMISM": (0.0, 1.0),
    "routing.rank.HALF_EXPLORATION": (0.5, 8.0),
    "routing.health.HALF_LIFE": (900.0, 14_400.0),
    "routing.health.OUTCOME_HALF_LIFE": (30.0, 360.0),
    "routing.health.SUCCESS_WEIGHT": (0.3, 0.95),
    "routing.health.CHANCE_FAILURE": (0.05, 0.4),
    "routing.timings.POOL_WEIGHT": (0.03, 0.3),
    "routing.timeouts.LATE_DEVIATIONS": (2.0, 6.0),
    "routing.timeouts.MIN_SOFT": (2.5, 10.0),
    "routing.hedge.HEDGE_DEVIATIONS": (1.5, 4.0),
    "routing.hedge.HEDGE_SHARE": (0.0, 0.2),
    "routing.congestion.SCARCE_SECONDS": (100.0, 1_000.0),
    "routing.congestion.MAX_CONGESTION": (10.0, 100.0),
}
"""Constants of the core, and for each a value well below and well above its default."""


def sweep(worlds: list[str], seeds: range, jobs: int) -> None:
    """Every constant, lower and higher, beside the defaults: answered, mean and p95 over all worlds as ratios to the defaults'."""

    def laps(settings: list[str]) -> dict[str, Lap]:
        with ProcessPoolExecutor(jobs) as pool:  # anew: constants stay set in a process
            return {world: run(pool, world, "ours", seeds, settings) for world in worlds}

    base = laps([])
    answered = sum(lap.answered for lap in base.values())
    print(
        "| constant | default | tried | answered, % more or less | mean | p95 |\n|---|---|---|---|---|---|"
    )
    for name, values in SWEPT.items():
        module, _, constant = name.rpartition(".")
        default = getattr(importlib.import_module(f"freerouter_core.{module}"), constant)
        for value in values:
            found = laps([f"{name}={value}"])
            more = 100.0 * (sum(lap.answered for lap in found.values()) / answered - 1.0)
            both = {world: {"tried": found[world], "base": base[world]} for world in worlds}
            mean, _, tail, _ = compare(both, "tried", "base") or (1.0,) * 4
            print(
                f"| `{name}` | {default:g} | {value:g} | {more:+.2f} | {mean:.3f} | {tail:.3f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--worlds", nargs="*", default=list(SCENES))
    parser.add_argument(
        "--policies", nargs="*", default=["ours", "afternoon"], help=", ".join([*POLICIES, "bound"])
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="routing.rank.UNCERTAINTY=0.3",
        help="constants to try",
    )
    parser.add_argument(
        "--sweep", action="store_true", help="try every constant lower and higher instead"
    )
    parser.add_argument("--plot", metavar="FILE.svg")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    if options.sweep:
        sweep(options.worlds, seeds, options.jobs)
        return
    print(header())
    began = time.monotonic()
    results: Results = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for world in options.worlds:
            for policy in options.policies:
                lap = results.setdefault(world, {})[policy] = run(
                    pool, world, policy, seeds, options.set
                )
                print(line(world, policy, lap), flush=True)
    print(f"\n{options.seeds} seeds a world. {ratios(results, options.policies[0], 'afternoon')}")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.plot:
        Path(options.plot).write_text(
            plot(results, f"{options.seeds} seeds a world, virtual clock"), "utf-8"
        )


if __name__ == "__main__":
    main()
