"""Worlds in which several providers serve one space of vectors, on one clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from freerouter_core import Provider, Router
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.simulator.vectors import embed

DIMENSION = 48
NAMES = ("alpha", "beta", "gamma")
"""Providers of the user's own: their models are listed."""


class Hosts(httpx.AsyncBaseTransport):
    """A world for each host."""

    def __init__(self, worlds: dict[str, World]) -> None:
        self._transports = {f"{name}.test": world.transport() for name, world in worlds.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transports[request.url.host].handle_async_request(request)


def embedder(name: str = "acme/tiny-embed", **fields: Any) -> SimModel:
    """A small embedding model. Models of one name give equal vectors."""
    options = {"dimension": DIMENSION, "context": 2_048, "batch": 64, "first_token": 0.1}
    return SimModel(name, **{**options, **fields})


@dataclass
class Several:
    """Providers, each with a world of its own, and a runtime that reaches them."""

    worlds: dict[str, World]
    clock: VirtualClock
    runtime: Runtime

    def router(self, *names: str, **options: Any) -> Router:
        """A router over some of the providers, in that order; none named: over all."""
        providers = [
            Provider(name, f"https://{name}.test/v1", "k") for name in names or self.worlds
        ]
        return Router(providers=providers, runtime=self.runtime, **options)

    def texts_sent(self, name: str) -> list[str]:
        """The texts that a provider was sent, in order."""
        return [text for seen in self.worlds[name].requests for text in seen.body.get("input", ())]


@contextmanager
def several(
    models: Mapping[str, SimModel | Sequence[SimModel]],
    accounts: Mapping[str, SimAccount] | None = None,
    *,
    state: str = "memory",
    dialect: str = "mistral",
    seed: int = 1,
    start: float = 1_800_000_000.0,
) -> Iterator[Several]:
    """Providers by name, each with its models. `accounts`: keys with limits. `start`: the time."""
    clock = VirtualClock(start)
    worlds = {
        name: World(
            [served] if isinstance(served, SimModel) else served,
            [accounts[name]] if accounts and name in accounts else None,
            dialect=dialect,
            clock=clock,
        )
        for name, served in models.items()
    }
    runtime = Runtime(clock=clock, client=Hosts(worlds), cache=None, state=state, seed=seed)
    try:
        yield Several(worlds, clock, runtime)
    finally:
        runtime.close()


def of_space(
    vectors: Sequence[Sequence[float]],
    texts: Sequence[str],
    space: str = "tiny-embed",
    dimension: int = DIMENSION,
) -> bool:
    """Whether every vector is that of its text in the space, by content."""
    return len(vectors) == len(texts) and all(
        sum(a * b for a, b in zip(vector, embed(space, text, dimension), strict=True)) > 0.9999
        for vector, text in zip(vectors, texts, strict=True)
    )
