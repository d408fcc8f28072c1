"""Who plays the race on the virtual clock: ours, the rival, and ours with more knowledge.

`frontier` is ours, told all that can be learnt of every model and account, but not their present
state. `quick study` is told the same of a model once it was asked for the first time: nobody learns
more from one request. What lies between the two is the price of finding out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
from afternoon import afternoon_in
from drawn_models import DrawnWorld
from scene import KEY, WISH, Call, Scene, Way

from freerouter_core import ChatRequest, Provider, Router
from freerouter_core.catalogue.model import Model, ModelIdentity
from freerouter_core.errors import FreeRouterError
from freerouter_core.routing.availability import Availability
from freerouter_core.routing.health import Health
from freerouter_core.routing.ways import Way as WayRecord
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel
from freerouter_core.simulator.transport import WorldTransport

Ask = Callable[[Call], Awaitable[bool]]
"""Whether a call was answered."""
Policy = Callable[[Scene, Runtime, "Network"], Ask]


class Network(httpx.AsyncBaseTransport):
    """All servers of a scene behind one transport, by host."""

    def __init__(self, worlds: dict[str, DrawnWorld]) -> None:
        self.transports: dict[str, WorldTransport] = {
            name: world.transport() for name, world in worlds.items()
        }
        self.asked: Callable[[str, str], None] | None = None
        """Called with a provider and the name of its model, once an attempt at it has ended."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        provider = request.url.host.split(".")[0]
        try:
            return await self.transports[provider].handle_async_request(request)
        finally:
            if self.asked is not None and request.content:
                self.asked(provider, json.loads(request.content)["model"])


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
    """Ours, told all of every model and account from the beginning."""
    for _, identity, model in _identities(scene):
        runtime.state.health.models[identity] = _known(model, scene.span)
    return ours()(_honest(scene), runtime, network)


def quick_study(scene: Scene, runtime: Runtime, network: Network) -> Ask:
    """Ours, told all of every account, and of a model as soon as it was asked."""
    book = runtime.state.health
    unknown = {
        (provider, model.id): (identity, model) for provider, identity, model in _identities(scene)
    }

    def asked(provider: str, name: str) -> None:
        if (found := unknown.pop((provider, name), None)) is not None:
            identity, model = found
            known = _known(model, scene.span)
            record = book.models.setdefault(identity, book.blank())
            record.answers, record.availability, record.ways = (
                known.answers,
                known.availability,
                known.ways,
            )
            record.first_token, record.speed = known.first_token, known.speed

    network.asked = asked
    return ours()(_honest(scene), runtime, network)


def _honest(scene: Scene) -> Scene:
    """The scene with accounts that state their true limits."""
    return replace(scene, servers=[replace(s, stated=s.account) for s in scene.servers])


def _identities(scene: Scene) -> Iterator[tuple[str, ModelIdentity, SimModel]]:
    """(provider, identity, model) of each model."""
    for server, model in scene.models:
        provider = server.provider
        name = model.id if provider == "openrouter" else f"{provider}:{model.id}"
        listed = Model(name, provider, model.id, origin=address(provider))
        yield provider, listed.identity, model


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
    "quick study": quick_study,
    "ours, no hedge": ours(hedge="off"),
    "round_robin": ours(strategy="round_robin"),
}
