"""A world as an httpx transport, in process. The other of the two files that import httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx

from .script import Accident, Script, Wait

if TYPE_CHECKING:
    from .world import World


class WorldTransport(httpx.AsyncBaseTransport):
    """Answers requests from a `World`; waits are the event loop's, so a virtual clock makes them free."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        script = self.world.respond(
            request.method, request.url.path, headers, await request.aread()
        )
        for step in script.lead:
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            else:
                await _happen(step)
        return httpx.Response(script.status, headers=script.headers, stream=_Body(script))


class _Body(httpx.AsyncByteStream):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._script.pieces():
            if isinstance(piece, Wait):
                await asyncio.sleep(piece.seconds)
            elif isinstance(piece, Accident):
                await _happen(piece)
            else:
                yield piece


async def _happen(accident: Accident) -> None:
    if accident.kind == "refuse":
        raise httpx.ConnectError("All connection attempts failed")
    if accident.kind == "timeout":
        raise httpx.ConnectTimeout("no connection in time")
    if accident.kind == "cut":
        raise httpx.RemoteProtocolError(
            "peer closed connection without sending complete message body"
        )
    await asyncio.sleep(86_400.0)
