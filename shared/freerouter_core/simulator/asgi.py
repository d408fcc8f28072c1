"""A world as an ASGI application for a server on loopback. Two paths need no framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from .response import ConnectionFailure, Delay

if TYPE_CHECKING:
    from .world import World

Message = MutableMapping[str, Any]
"""A scope or event, as ASGI defines them."""
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ConnectionDropped(ConnectionError):
    """Makes the server drop the connection. The client sees a cut."""


class WorldApp:
    """Serves a `World` under uvicorn or another ASGI server.

    A server that listens cannot refuse a connection, so it drops that connection instead.
    """

    def __init__(self, world: World[Any]) -> None:
        self.world = world

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        response = asyncio.create_task(self._respond(scope, headers, body, send))
        disconnect = asyncio.create_task(_until_disconnected(receive))
        try:
            await asyncio.wait({response, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if response.done():
                response.result()
        finally:
            response.cancel()
            disconnect.cancel()

    async def _respond(
        self, scope: Message, headers: dict[str, str], body: bytes, send: Send
    ) -> None:
        response = self.world.respond(scope["method"], scope["path"], headers, body)
        for step in response.prelude:
            await _wait_or_drop(step)
        raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.items()
        ]
        start = {"type": "http.response.start", "status": response.status, "headers": raw_headers}
        await send(start)
        for piece in response.body:
            if isinstance(piece, bytes):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            else:
                await _wait_or_drop(piece)
        await send({"type": "http.response.body", "body": b""})


async def _wait_or_drop(step: Delay | ConnectionFailure) -> None:
    if isinstance(step, Delay):
        await asyncio.sleep(step.seconds)
    elif step.kind == "hang":
        await asyncio.sleep(86_400.0)
    else:
        raise ConnectionDropped("the simulated server drops this connection")


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
