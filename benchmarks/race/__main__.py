"""The race in real time, over loopback: every rival in a process of its own, against servers of its own, with the same callers.

    pip install -e '.[dev]' langchain-openai litellm langchain-litellm freelm llm-rotator freellmpool
    python benchmarks/race [--worlds calm storm …] [--rivals …] [--minutes 6] [--seed 7] [--plot FILE.svg]

A rival whose package is not installed is left out, and said so. Prints a table of Markdown like `virtual.py`'s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bound import bound
from rivals import RIVALS
from table import Lap, Results, header, line, plot, ratios
from virtual import PROMPT, providers
from worlds import DEADLINE, SCENES, Scene, hurried, scene

HURRY = {"daily": 60.0}
"""Worlds whose hours pass as minutes."""
READY = 2.7
"""Seconds that each rival in each world has to import and warm up, one after the other, before the first caller comes."""
Ask = Callable[[str], Awaitable[str | None]]


def scene_of(name: str, seed: int, minutes: float) -> Scene:
    found = hurried(scene(name, seed), HURRY.get(name, 1.0))
    return replace(found, arrivals=[at for at in found.arrivals if at <= minutes * 60.0])


# -- the servers ----------------------------------------------------------------------------------------------------------


def serve(found: Scene, begins: float, pipe: Connection) -> None:
    """Serve a scene's worlds until told to stop; then tell how many requests each saw, and how many an account refused."""
    from contextlib import ExitStack

    from freerouter_core.runtime.loop.clock import RealClock
    from freerouter_core.simulator import World
    from freerouter_core.simulator.server import served

    clock = RealClock()
    with ExitStack() as stack:
        worlds = {}
        for server in found.servers:
            world = World(
                server.models,
                [server.account] if server.account else None,
                dialect=server.dialect,
                seed=found.seed,
                clock=clock,
            )
            world.start = begins  # phases count from the first caller on
            worlds[server.provider] = (world, stack.enter_context(served(world)))
        pipe.send({name: url for name, (_, url) in worlds.items()})
        pipe.recv()
        seen = [seen for world, _ in worlds.values() for seen in world.requests]
    pipe.send((len(seen), sum(each.fate.startswith("account-") for each in seen)))


# -- who races ------------------------------------------------------------------------------------------------------------


def ours(
    found: Scene, urls: dict[str, str], *, llamaindex: bool = False, streamed: bool = False
) -> Ask:
    options: Any = {"providers": providers(found, urls.__getitem__), "timeout": DEADLINE}
    if llamaindex:
        from llamaindex_freerouter import FreeRouter

        index = FreeRouter(**options)

        async def complete(prompt: str) -> str | None:
            return (await index.acomplete(prompt)).text

        return complete
    from langchain_freerouter import ChatFreeRouter

    llm = ChatFreeRouter(**options)

    async def ask(prompt: str) -> str | None:
        if streamed:
            return "".join([str(chunk.content) async for chunk in llm.astream(prompt)])
        return str((await llm.ainvoke(prompt)).content)

    return ask


def afternoon(found: Scene, urls: dict[str, str]) -> Ask:
    import httpx
    from afternoon import afternoon_in

    client = httpx.AsyncClient(timeout=DEADLINE, headers={"authorization": "Bearer sk-race"})

    async def post(provider: str, model: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        response = await client.post(urls[provider] + "/chat/completions", content=body)
        return response.status_code, dict(response.headers), response.content

    rival = afternoon_in(found, post, time.time)

    async def ask(prompt: str) -> str | None:
        return await rival.ask([{"role": "user", "content": prompt}], DEADLINE)

    return ask


OURS: dict[str, dict[str, Any]] = {
    "ours, LangChain": {},
    "ours, LlamaIndex": {"llamaindex": True},
    "ours, streamed": {"streamed": True},
}


def enter(rival: str, found: Scene, urls: dict[str, str]) -> Ask:
    if rival in OURS:
        return ours(found, urls, **OURS[rival])
    if rival == "afternoon":
        return afternoon(found, urls)
    models = {server.provider: [model.id for model in server.models] for server in found.servers}
    if rival == "openrouter/free":
        models = {"openrouter": ["openrouter/free"]}
    return RIVALS["ChatOpenAI" if rival == "openrouter/free" else rival](urls, models, "sk-race")


def live(rival: str, name: str, seed: int, minutes: float, begins: float) -> dict[str, Any]:
    """One rival's life in one world; waits until `begins` (unix seconds) for the first caller."""
    logging.disable(logging.CRITICAL)
    os.environ["FREEROUTER_STATE"] = "memory"
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    found = scene_of(name, seed, minutes)
    pipe, far = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(found, begins, far), daemon=True
    )
    server.start()
    urls: dict[str, str] = pipe.recv()
    times: list[float] = []

    async def race() -> None:
        ask = enter(rival, found, urls)

        async def one(arrival: float) -> None:
            await asyncio.sleep(max(0.0, begins + arrival - time.time()))
            began = time.time()
            try:
                async with asyncio.timeout(DEADLINE):
                    text = await ask(PROMPT)
            except Exception:
                return
            if text and text.strip():
                times.append(time.time() - began)

        await asyncio.gather(*(one(arrival) for arrival in found.arrivals))

    asyncio.run(race())
    pipe.send("stop")
    attempts, refusals = pipe.recv()
    return {
        "times": times,
        "attempts": attempts,
        "refusals": refusals,
        "asked": len(found.arrivals),
    }


# -- the heats --------------------------------------------------------------------------------------------------------------


def heat(worlds: list[str], rivals: list[str], seed: int, minutes: float) -> Results:
    """All rivals in all these worlds at the same time, each in a process of its own."""
    begins = time.time() + READY * len(worlds) * len(rivals)
    children = {}
    for world in worlds:
        for rival in rivals:
            command = [
                sys.executable,
                __file__,
                "--live",
                json.dumps([rival, world, seed, minutes, begins]),
            ]
            children[world, rival] = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
    results: Results = {}
    for (world, rival), child in children.items():
        out, err = child.communicate()
        told = next((row for row in reversed(out.splitlines()) if row.startswith("{")), "")
        if not told:
            print(
                f"{rival} did not race in {world}: {(err.strip().splitlines() or ['?'])[-1]}",
                file=sys.stderr,
            )
            continue
        lap = json.loads(told)
        possible = len(bound(scene_of(world, seed, minutes), begins))
        done = Lap(len(lap["times"]), possible, lap["times"], lap["attempts"], lap["refusals"])
        results.setdefault(world, {})[rival] = Lap.sum([done])
    for world, found in results.items():
        times = bound(scene_of(world, seed, minutes), begins)
        found["bound"] = Lap.sum([Lap(len(times), len(times), times, len(times))])
    return results


def main() -> None:
    everybody = [*OURS, "afternoon", *RIVALS, "openrouter/free"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", nargs="*", default=list(SCENES))
    parser.add_argument("--rivals", nargs="*", default=everybody)
    parser.add_argument("--minutes", type=float, default=6.0, help="how long callers keep coming")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--at-once", type=int, default=4, help="worlds raced at the same time")
    parser.add_argument("--plot", metavar="FILE.svg")
    parser.add_argument("--live", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.live:
        print(json.dumps(live(*json.loads(options.live))), flush=True)
        os._exit(0)  # whatever threads a rival has left
    results: Results = {}
    print(header())
    for n in range(0, len(options.worlds), options.at_once):
        found = heat(
            options.worlds[n : n + options.at_once], options.rivals, options.seed, options.minutes
        )
        results |= found
        for world, laps in found.items():
            for rival, lap in laps.items():
                print(line(world, rival, lap), flush=True)
    for mine in OURS:
        print(f"\n{ratios(results, mine, 'afternoon')}")
    if options.plot:
        Path(options.plot).write_text(
            plot(results, f"{options.minutes:g} minutes in real time"), "utf-8"
        )


if __name__ == "__main__":
    main()
