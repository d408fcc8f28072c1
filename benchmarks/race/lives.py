"""One life of a scene under a policy, on the virtual clock: the whole core runs, no time passes."""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bound import bound
from drawn_models import DrawnWorld
from policies import POLICIES, Network
from scene import Call, Scene
from table import Lap

from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime

START = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 6 * 3_600
"""Unix seconds at which worlds begin: six in the morning, UTC."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a call."""

    call: Call
    answered: bool
    seconds: float
    """Until the answer; the deadline, if there was none."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as a server saw it."""

    at: float
    provider: str
    model: str
    fate: str
    number: int
    """Of the call it was for."""


@dataclass
class Life:
    """One life of a scene: what became of its calls, and all requests that were sent for them."""

    possible: int
    """Calls that the bound answers."""
    results: list[Result] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def lap(self) -> Lap:
        return Lap(
            answered=sum(result.answered for result in self.results),
            possible=self.possible,
            times=[result.seconds for result in self.results if result.answered],
            costs=[result.seconds for result in self.results],
            attempts=len(self.sent),
            refusals=sum(sent.fate.startswith("account-") for sent in self.sent),
        )


def tune(settings: Sequence[str]) -> None:
    """Set constants of the core in this process, such as `routing.rank.UNCERTAINTY=0.3`."""
    for setting in settings:
        target, _, value = setting.partition("=")
        module_name, _, constant = target.rpartition(".")
        module = importlib.import_module(f"freerouter_core.{module_name}")
        if not hasattr(module, constant):
            raise SystemExit(f"{module_name} has no {constant}")
        setattr(module, constant, float(value))


def live(scene: Scene, policy: str) -> Life:
    """One life of a scene, which a policy uses up."""
    logging.getLogger("freerouter").setLevel(logging.CRITICAL)
    clock = VirtualClock(START)
    worlds = {
        server.provider: DrawnWorld(
            server.models,
            [server.account],
            dialect=server.provider,
            seed=scene.seed,
            endpoints=server.endpoints,
            clock=clock,
        )
        for server in scene.servers
    }
    network = Network(worlds)
    runtime = Runtime(clock=clock, client=network, seed=scene.seed, cache=None, state="memory")
    ask = POLICIES[policy](scene, runtime, network)
    life = Life(possible=len(bound(scene, START)))

    async def one(call: Call) -> None:
        await asyncio.sleep(call.at)
        began = clock.now()
        answered = await ask(call)
        seconds = clock.now() - began
        answered = answered and seconds <= call.deadline + 0.01
        life.results.append(Result(call, answered, seconds if answered else call.deadline))

    async def everybody() -> None:
        await asyncio.gather(*(one(call) for call in scene.calls))

    runtime.call(everybody)
    runtime.close()
    for provider, world in worlds.items():
        for seen in world.requests:
            numbers = re.findall(r"#(\d+)", str(seen.body.get("messages")))
            number = int(numbers[-1]) if numbers else -1
            life.sent.append(Sent(seen.at, provider, seen.model, seen.fate, number))
    return life
