"""The race in real time, over loopback: every rival in its own process, against its own servers.

    pip install -e '.[dev]' langchain-openai litellm langchain-litellm freelm llm-rotator \\
        freellmpool
    python benchmarks/race [--worlds calm storm …] [--rivals …] [--minutes 6] [--seed 7]

All rivals meet the same callers. A rival whose package is not installed is left out, with a note.
Prints a table of Markdown like `virtual.py`'s. `--plot FILE.svg` draws it.
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
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bound import bound
from policies import providers
from rivals import RIVALS, Ask
from scene import DEADLINE, KEY, Call, Scene, hurried
from table import Lap, Results, header, line, plot, ratios
from worlds import SCENES, scene

HURRY = {"daily": 60.0}
"""Worlds whose hours pass as minutes."""
READY = 2.7
"""Seconds for each rival in each world to import and warm up, before the first caller comes."""


def scene_of(name: str, seed: int, minutes: float) -> Scene:
    """A named world, with the callers of its first minutes."""
    whole = hurried(scene(name, seed), HURRY.get(name, 1.0))
    return replace(whole, calls=[call for call in whole.calls if call.at <= minutes * 60.0])


# -- the servers ----------------------------------------------------------------------------------


def serve(scene: Scene, begins: float, pipe: Connection) -> None:
    """Serve a scene's worlds until the pipe says stop.

    Sends their base URLs, and at the end the number of requests and of refusals by an account.
    """
    from freerouter_core.runtime.loop.clock import RealClock
    from freerouter_core.simulator import World
    from freerouter_core.simulator.server import served

    clock = RealClock()
    with ExitStack() as stack:
        worlds, urls = [], {}
        for server in scene.servers:
            world = World(
                server.models,
                [server.account],
                dialect=server.provider,
                seed=scene.seed,
                clock=clock,
            )
            world.start = begins  # phases count from the first caller on
            worlds.append(world)
            urls[server.provider] = stack.enter_context(served(world))
        pipe.send(urls)
        pipe.recv()
        fates = [seen.fate for world in worlds for seen in world.requests]
    pipe.send((len(fates), sum(fate.startswith("account-") for fate in fates)))


# -- who races ------------------------------------------------------------------------------------


def ours(
    scene: Scene, urls: dict[str, str], *, llamaindex: bool = False, streamed: bool = False
) -> Ask:
    options: dict[str, Any] = {
        "providers": providers(scene, urls.__getitem__),
        "timeout": DEADLINE,
    }
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


def afternoon(scene: Scene, urls: dict[str, str]) -> Ask:
    import httpx
    from afternoon import afternoon_in

    client = httpx.AsyncClient(timeout=DEADLINE, headers={"authorization": f"Bearer {KEY}"})

    async def post(provider: str, model: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        response = await client.post(urls[provider] + "/chat/completions", content=body)
        return response.status_code, dict(response.headers), response.content

    rival = afternoon_in(scene, post, time.time)

    async def ask(prompt: str) -> str | None:
        return "answered" if await rival.ask(Call(0.0)) else None

    return ask


OURS: dict[str, dict[str, bool]] = {
    "ours, LangChain": {},
    "ours, LlamaIndex": {"llamaindex": True},
    "ours, streamed": {"streamed": True},
}


def enter(rival: str, scene: Scene, urls: dict[str, str]) -> Ask:
    if rival in OURS:
        return ours(scene, urls, **OURS[rival])
    if rival == "afternoon":
        return afternoon(scene, urls)
    models = {server.provider: [model.id for model in server.models] for server in scene.servers}
    if rival == "openrouter/free":
        models = {"openrouter": ["openrouter/free"]}
    return RIVALS["ChatOpenAI" if rival == "openrouter/free" else rival](urls, models, KEY)


def live(rival: str, name: str, seed: int, minutes: float, begins: float) -> dict[str, Any]:
    """One rival's life in one world. The first caller comes at `begins` (unix seconds)."""
    logging.disable(logging.CRITICAL)
    os.environ["FREEROUTER_STATE"] = "memory"
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    world = scene_of(name, seed, minutes)
    pipe, far = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(world, begins, far), daemon=True
    )
    server.start()
    urls: dict[str, str] = pipe.recv()
    times: list[float] = []

    async def race() -> None:
        ask = enter(rival, world, urls)

        async def one(call: Call) -> None:
            await asyncio.sleep(max(0.0, begins + call.at - time.time()))
            began = time.time()
            try:
                async with asyncio.timeout(call.deadline):
                    text = await ask(call.text)
            except Exception:
                return
            if text and text.strip():
                times.append(time.time() - began)

        await asyncio.gather(*(one(call) for call in world.calls))

    asyncio.run(race())
    pipe.send("stop")
    attempts, refusals = pipe.recv()
    return {"times": times, "attempts": attempts, "refusals": refusals}


# -- the heats ------------------------------------------------------------------------------------


def heat(worlds: list[str], rivals: list[str], seed: int, minutes: float) -> Results:
    """All rivals in all these worlds at the same time, each in its own process."""
    begins = time.time() + READY * len(worlds) * len(rivals)
    children = {}
    for world in worlds:
        for rival in rivals:
            life = json.dumps([rival, world, seed, minutes, begins])
            children[world, rival] = subprocess.Popen(
                [sys.executable, __file__, "--live", life],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
    bounds = {world: bound(scene_of(world, seed, minutes), begins) for world in worlds}
    results: Results = {}
    for (world, rival), child in children.items():
        out, err = child.communicate()
        result = next((row for row in reversed(out.splitlines()) if row.startswith("{")), "")
        if not result:
            reason = (err.strip().splitlines() or ["?"])[-1]
            print(f"{rival} did not race in {world}: {reason}", file=sys.stderr)
            continue
        life = json.loads(result)
        lap = Lap(answered=len(life["times"]), possible=len(bounds[world]), **life)
        results.setdefault(world, {})[rival] = Lap.sum([lap])
    for world, laps in results.items():
        laps["bound"] = Lap.bound(bounds[world])
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
        os._exit(0)  # a rival may have left threads behind
    results: Results = {}
    print(header())
    for n in range(0, len(options.worlds), options.at_once):
        worlds = options.worlds[n : n + options.at_once]
        heats = heat(worlds, options.rivals, options.seed, options.minutes)
        results |= heats
        for world, laps in heats.items():
            for rival, lap in laps.items():
                print(line(world, rival, lap), flush=True)
    for mine in OURS:
        print(f"\n{ratios(results, mine, 'afternoon')}")
    if options.plot:
        title = f"{options.minutes:g} minutes in real time"
        Path(options.plot).write_text(plot(results, title), "utf-8")


if __name__ == "__main__":
    main()
