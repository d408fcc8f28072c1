"""Drawn worlds in real time, over loopback, through both frameworks.

    python benchmarks/race/real_draws.py [--draws 4] [--longest 240] [--seeds 19 29 …]

Ours as a LangChain model, ours as a LlamaIndex model, and `afternoon` live through the same draws
at the same time. Each has its own process and its own servers. Takes the first held-out draws that
last no longer than `--longest` seconds. Prints each one's mean cost (a call without an answer costs
its deadline), its 95th percentile and its answers.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection

import httpx
from afternoon import afternoon_in
from bound import bound
from drawn_models import RealDrawnWorld
from draws import draw, held_out
from policies import providers
from scene import KEY, PICTURE, TOOL, WISH, Call, Scene
from table import geometric_mean, quantile

from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.simulator.server import served

Ask = Callable[[Call], Awaitable[bool]]
Costs = list[tuple[float, bool]]
"""Seconds of each call (its deadline, if it was not answered), and whether it was answered."""
READY = 4.0
"""Seconds for each process to import and warm up before the first caller comes."""
SCHEMA = {"title": "Answer", **(WISH.schema or {})}


def short(longest: float) -> Iterator[int]:
    """Held-out seeds of worlds that last no longer than so many seconds."""
    return (seed for seed in itertools.count() if held_out(seed) and draw(seed).span <= longest)


# -- who asks -------------------------------------------------------------------------------------


def langchain(scene: Scene, urls: dict[str, str]) -> Ask:
    from langchain_freerouter import ChatFreeRouter

    llm = ChatFreeRouter(providers=providers(scene, urls.__getitem__))

    async def ask(call: Call) -> bool:
        timed = llm.model_copy(update={"timeout": call.deadline})
        if call.way == "schema":
            answer = await timed.with_structured_output(SCHEMA).ainvoke(call.text)
            return isinstance(answer, dict) and isinstance(answer.get("sea"), str)
        if call.way == "tools":
            message = await timed.bind_tools([TOOL]).ainvoke(call.text)
            return any(c["name"] == TOOL["function"]["name"] for c in message.tool_calls)
        return bool((await timed.ainvoke(call.messages)).text.strip())

    return ask


def llamaindex(scene: Scene, urls: dict[str, str]) -> Ask:
    from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
    from llama_index.core.tools import FunctionTool
    from pydantic import BaseModel

    from llamaindex_freerouter import FreeRouter

    class Answer(BaseModel):
        sea: str

    def get_weather(city: str) -> str:
        """The weather in a city."""
        return city

    tool = FunctionTool.from_defaults(get_weather)
    pool = tuple(providers(scene, urls.__getitem__))

    async def ask(call: Call) -> bool:
        llm = FreeRouter(providers=pool, timeout=call.deadline)
        message = ChatMessage(role="user", content=call.text)
        if call.way == "schema":
            raw = (await llm.as_structured_llm(Answer).achat([message])).raw
            return isinstance(raw, Answer)
        if call.way == "tools":
            response = await llm.achat_with_tools([tool], user_msg=call.text)
            calls = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
            return any(c.tool_name == "get_weather" for c in calls)
        if call.way == "picture":
            url = PICTURE["image_url"]["url"]
            message = ChatMessage(
                role="user", blocks=[TextBlock(text=call.text), ImageBlock(url=url)]
            )
        return bool(((await llm.achat([message])).message.content or "").strip())

    return ask


def afternoon(scene: Scene, urls: dict[str, str]) -> Ask:
    client = httpx.AsyncClient(timeout=None, headers={"authorization": f"Bearer {KEY}"})  # noqa: S113

    async def post(provider: str, model: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        response = await client.post(urls[provider] + "/chat/completions", content=body)
        return response.status_code, dict(response.headers), response.content

    return afternoon_in(scene, post, time.time).ask


RIVALS: dict[str, Callable[[Scene, dict[str, str]], Ask]] = {
    "ours, LangChain": langchain,
    "ours, LlamaIndex": llamaindex,
    "afternoon": afternoon,
}


# -- one life -------------------------------------------------------------------------------------


def serve(seed: int, begins: float, pipe: Connection) -> None:
    """Serve a draw's worlds until the pipe says stop. Sends their base URLs."""
    scene, clock = draw(seed), RealClock()
    with ExitStack() as stack:
        urls = {}
        for server in scene.servers:
            world = RealDrawnWorld(
                server.models,
                [server.account],
                dialect=server.provider,
                seed=seed,
                endpoints=server.endpoints,
                clock=clock,
            )
            world.start = begins  # phases count from the first caller on
            urls[server.provider] = stack.enter_context(served(world))
        pipe.send(urls)
        pipe.recv()


def live(rival: str, seed: int, begins: float) -> Costs:
    """What each call cost."""
    logging.disable(logging.CRITICAL)
    os.environ["FREEROUTER_STATE"] = "memory"
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    pipe, far = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(
        target=serve, args=(seed, begins, far), daemon=True
    ).start()
    scene, urls = draw(seed), pipe.recv()
    costs: Costs = []

    async def one(ask: Ask, call: Call) -> None:
        await asyncio.sleep(max(0.0, begins + call.at - time.time()))
        began, answered = time.time(), False
        try:
            async with asyncio.timeout(call.deadline):
                answered = await ask(call)
        except Exception:  # noqa: S110  # whatever it was, it was no answer
            pass
        costs.append((time.time() - began if answered else call.deadline, answered))

    async def race() -> None:
        ask = RIVALS[rival](scene, urls)
        await asyncio.gather(*(one(ask, call) for call in scene.calls))

    asyncio.run(race())
    pipe.send("stop")
    return costs


# -- all of them ----------------------------------------------------------------------------------


def heat(seed: int) -> dict[str, Costs]:
    """All rivals in one draw at the same time."""
    begins = time.time() + READY * len(RIVALS)
    children = {
        rival: subprocess.Popen(
            [sys.executable, __file__, "--live", json.dumps([rival, seed, begins])],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rival in RIVALS
    }
    costs = {}
    for rival, child in children.items():
        out, _ = child.communicate()
        costs[rival] = json.loads(out.splitlines()[-1])
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--longest", type=float, default=240.0, help="seconds that a draw may last")
    parser.add_argument("--seeds", type=int, nargs="*", help="these draws instead")
    parser.add_argument("--live", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.live:
        print(json.dumps(live(*json.loads(options.live))), flush=True)
        os._exit(0)
    ratios: dict[str, list[tuple[float, float]]] = {rival: [] for rival in RIVALS}
    print("| draw | who | cost, s | by afternoon's | p95, s | answered | of the bound |")
    print("|---|---|---|---|---|---|---|")
    for seed in options.seeds or itertools.islice(short(options.longest), options.draws):
        possible = len(bound(draw(seed), time.time()))
        lives = heat(seed)
        theirs = [cost for cost, _ in lives["afternoon"]]
        for rival, calls in lives.items():
            mine, answered = [cost for cost, _ in calls], sum(done for _, done in calls)
            mean, tail = statistics.fmean(mine), quantile(mine, 0.95)
            by = mean / statistics.fmean(theirs), tail / quantile(theirs, 0.95)
            ratios[rival].append(by)
            print(
                f"| {seed} | {rival} | {mean:.2f} | {by[0]:.2f} | {tail:.2f} "
                f"| {answered} of {len(mine)} | {possible} |",
                flush=True,
            )
    print()
    for rival, pairs in ratios.items():
        cost, tail = (geometric_mean(pair[n] for pair in pairs) for n in (0, 1))
        print(f"{rival}: cost {cost:.2f} x, p95 {tail:.2f} x of afternoon's, {len(pairs)} draws")


if __name__ == "__main__":
    main()
