"""A world as an ASGI application, for a server on loopback. No framework: two paths do not need one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from .script import Accident, Wait

if TYPE_CHECKING:
    from .world import World

Message = MutableMapping[str, Any]


class Dropped(ConnectionError):
    """Raised to make the server drop a connection: how a cut looks from inside."""


class WorldApp:
    """`uvicorn`-ready. A refused connection cannot be played by a server that listens; it is dropped instead."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
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
        playing = asyncio.create_task(self._play(scope, headers, body, send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
        finally:
            playing.cancel()
            leaving.cancel()

    async def _play(
        self,
        scope: Message,
        headers: dict[str, str],
        body: bytes,
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        script = self.world.respond(scope["method"], scope["path"], headers, body)
        for step in script.lead:
            await _happen(step)
        raw = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in script.headers.items()
        ]
        await send({"type": "http.response.start", "status": script.status, "headers": raw})
        for piece in script.pieces():
            if isinstance(piece, bytes):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            else:
                await _happen(piece)
        await send({"type": "http.response.body", "body": b""})


async def _happen(step: Wait | Accident) -> None:
    if isinstance(step, Wait):
        await asyncio.sleep(step.seconds)
    elif step.kind == "hang":
        await asyncio.sleep(86_400.0)
    else:
        raise Dropped("the simulated server drops this connection")


async def _gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _lifespan(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
