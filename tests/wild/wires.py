"""`WildWire`: the accounts of a row behind an httpx transport, in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from freerouter_core import Provider, Router
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.json_values import Json

from .replies import Reply, Wire
from .row import Host, Script


class WildWire:
    """Replies as the row's hosts do, and keeps what was asked."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts = {f"{host.provider}.test": host for host in hosts}
        self.asked: list[tuple[str, str]] = []
        """(provider, model) of each chat request."""
        self.bodies: list[Json] = []
        self.strays: list[str] = []
        """Requests with another host's key, or to an unknown model."""
        self._notes: dict[str, str] = {}
        self._turns: dict[tuple[str, str], int] = {}
        self.clock = VirtualClock()
        self.runtime = self._runtime()

    def _runtime(self) -> Runtime:
        transport = httpx.MockTransport(self._reply)
        return Runtime(clock=self.clock, client=transport, cache=None, state="memory", seed=1)

    def restart(self) -> None:
        """Another process goes on with the notes that this one wrote. (A store takes real time.)"""
        sync, touched = self.runtime.state_sync, self.runtime.state.health.touched
        self._notes |= {key: note for key in touched if (note := sync._note_of(key)) is not None}
        self.runtime.close()
        self.runtime = self._runtime()
        for key, note in self._notes.items():
            self.runtime.state_sync._apply(key, note)

    def close(self) -> None:
        self.runtime.close()

    def router(self, **policy: Any) -> Router:
        """A router over all hosts that asks models in the order of the row."""
        providers = [
            Provider(
                host.provider,
                f"https://{name}/v1",
                _key(host) or None,
                free="all",
                limits=[],
            )
            for name, host in self.hosts.items()
        ]
        options = {"strategy": "context", "hedge": "off", **policy}
        return Router(providers=providers, runtime=self.runtime, **options)

    # -- the transport ----------------------------------------------------------------------------

    async def _reply(self, request: httpx.Request) -> httpx.Response:
        host = self.hosts[request.url.host]
        sent_key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if sent_key not in (_key(host), ""):
            self.strays.append(f"{host.provider} was sent {sent_key!r}")
        if request.method == "GET":
            return await self._list(host, request)
        body = json.loads(request.content)
        model = str(body["model"])
        if model not in host.models:
            self.strays.append(f"{host.provider} was asked for {model!r}")
            return httpx.Response(404, json={"error": {"message": "no such model"}})
        self.asked.append((host.provider, model))
        self.bodies.append(body)
        reply = self._next(host, model, host.models[model], body)
        return await _response(reply.streamed if body.get("stream") else reply.whole, request)

    def _next(self, host: Host, model: str, script: Script, body: Json) -> Reply:
        if isinstance(script, Reply):
            return script
        if callable(script):
            return script(body)
        turn = self._turns.get((host.provider, model), 0)
        self._turns[host.provider, model] = turn + 1
        return script[min(turn, len(script) - 1)]

    async def _list(self, host: Host, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/models"):
            return httpx.Response(404)
        if host.lists_after:
            await asyncio.sleep(host.lists_after)
        if host.lists is not None:
            return await _response(host.lists.whole, request)
        before = list(self.hosts.values()).index(host)
        rows = [
            {
                "id": model,
                "context_length": 900_000 - 50_000 * before - 1_000 * n,
                "pricing": {"prompt": "0", "completion": "0"},
                "architecture": {"input_modalities": ["text", "image", "file", "audio"]},
                **host.row.get(model, {}),
            }
            for n, model in enumerate(host.models)
        ]
        return httpx.Response(200, json={"data": rows})


def _key(host: Host) -> str:
    return f"key-of-{host.provider}" if host.key is None else host.key


async def _response(wire: Wire, request: httpx.Request) -> httpx.Response:
    if wire.fails == "connect":
        raise httpx.ConnectError("connection refused", request=request)
    pieces = list(wire.pieces)
    while pieces and isinstance(pieces[0], float):  # the head comes with the first bytes
        await asyncio.sleep(pieces.pop(0))  # type: ignore[arg-type]

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                await asyncio.sleep(piece)
        if wire.fails == "cut":
            raise httpx.ReadError("peer closed the connection", request=request)

    return httpx.Response(wire.status, content=body(), headers=dict(wire.headers))
