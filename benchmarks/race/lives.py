"""One life of a scene under a policy, on the virtual clock: the whole core runs, no time passes."""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from afternoon import afternoon_in
from bound import bound
from drawn_models import DrawnWorld
from scene import KEY, WISH, Call, Scene, Way
from table import Lap

from freerouter_core import ChatRequest, Provider, Router
from freerouter_core.catalogue.model import Model
from freerouter_core.errors import FreeRouterError
from freerouter_core.routing.availability import Availability
from freerouter_core.routing.health import Health
from freerouter_core.routing.ways import Way as WayRecord
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel
from freerouter_core.simulator.transport import WorldTransport

START = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 6 * 3_600
"""Unix seconds at which worlds begin: six in the morning, UTC."""
Ask = Callable[[Call], Awaitable[bool]]
"""Whether a call was answered."""
Policy = Callable[[Scene, Runtime, "Network"], Ask]


class Network(httpx.AsyncBaseTransport):
    """All servers of a scene behind one transport, by host."""

    def __init__(self, worlds: dict[str, DrawnWorld]) -> None:
        self.transports: dict[str, WorldTransport] = {
            name: world.transport() for name, world in worlds.items()
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        provider = request.url.host.split(".")[0]
        return await self.transports[provider].handle_async_request(request)


def address(provider: str) -> str:
    return f"https://{provider}.invalid/api/v1"


def providers(scene: Scene, where: Callable[[str], str] = address) -> tuple[Provider, ...]:
    """The scene's servers as a router takes them. `where`: the base URL of each."""
    return tuple(
        Provider(
            server.provider,
            where(server.provider),
            KEY,
            free="suffix" if server.provider == "openrouter" else "all",
            limits=server.limits(),
        )
        for server in scene.servers
    )


# -- policies -------------------------------------------------------------------------------------


def ours(*, streamed: bool = False, way: Way | None = None, **options: Any) -> Policy:
    """This package, with options of `Router`. `way`: how all calls ask, whatever their own way."""

    def enter(scene: Scene, runtime: Runtime, network: Network) -> Ask:
        router = Router(providers=providers(scene), runtime=runtime, **options)

        async def ask(call: Call) -> bool:
            if way is not None:
                call = replace(call, way=way)
            request = ChatRequest(
                call.messages,
                tools=call.tools,
                structured=WISH if call.way == "schema" else None,
                timeout=call.deadline,
            )
            try:
                if streamed:
                    async for _ in router.astream(request):
                        pass
                    return True
                return call.accepts((await router.achat(request)).answer)
            except FreeRouterError:
                return False

        return ask

    return enter


def afternoon(scene: Scene, runtime: Runtime, network: Network) -> Ask:
    """The sixty lines of good sense."""
    client = httpx.AsyncClient(transport=network, timeout=None)  # noqa: S113  # it has its own

    async def post(provider: str, model: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        url = address(provider) + "/chat/completions"
        response = await client.post(url, content=body, headers=headers)
        return response.status_code, dict(response.headers), response.content

    return afternoon_in(scene, post, runtime.clock.now).ask


def frontier(scene: Scene, runtime: Runtime, network: Network) -> Ask:
    """Ours, told all that can be learnt of every model and account, but not their present state."""
    honest = replace(scene, servers=[replace(s, stated=s.account) for s in scene.servers])
    for server, model in honest.models:
        name = model.id if server.provider == "openrouter" else f"{server.provider}:{model.id}"
        known = Model(name, server.provider, model.id, origin=address(server.provider))
        runtime.state.health.models[known.identity] = _known(model, scene.span)
    return ours()(honest, runtime, network)


def _known(model: SimModel, span: float) -> Health:
    """The record of a model that was seen for a very long time."""
    down = [p for p in model.phases if p.share >= 1.0 and p.start < span]
    seconds_down = sum(min(p.end, span) - max(0.0, p.start) for p in down)
    noise = max((p.share for p in model.phases if p.share < 1.0), default=0.0)
    many = 1_000.0
    availability = Availability(
        up_seconds=many * max(1.0, span - seconds_down),
        falls=many * len(down),
        down_seconds=many * seconds_down,
        rises=many * len(down),
        good=many * (1.0 - noise),
        slips=many * noise,
    )
    availability.conclude()
    can = WayRecord(good=many)
    cannot = WayRecord(bad=many, failed_at=math.inf)
    return Health(
        answers=100,
        first_token=model.first_token,
        speed=model.speed,
        availability=availability,
        ways={
            "tools": can if model.tools else cannot,
            "structured": can if model.structured else cannot,
        },
    )


POLICIES: dict[str, Policy] = {
    "ours": ours(),
    "ours, streamed": ours(streamed=True),
    "ours, structured": ours(way="schema"),
    "afternoon": afternoon,
    "frontier": frontier,
    "ours, no hedge": ours(hedge="off"),
    "round_robin": ours(strategy="round_robin"),
}


# -- lives ----------------------------------------------------------------------------------------


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
