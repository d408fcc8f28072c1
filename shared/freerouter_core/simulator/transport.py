"""A world as an httpx transport in this process. The second of the two files that import httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx

from .response import ConnectionFailure, Delay, TimedResponse

if TYPE_CHECKING:
    from .world import World


class WorldTransport(httpx.AsyncBaseTransport):
    """Answers requests from a `World`. Delays are the loop's, so a virtual clock skips them."""

    def __init__(self, world: World[Any]) -> None:
        self.world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = self.world.respond(
            request.method, request.url.path, request.headers, await request.aread()
        )
        for step in response.prelude:
            await _wait_or_fail(step)
        return httpx.Response(
            response.status, headers=response.headers, stream=_BodyStream(response)
        )


class _BodyStream(httpx.AsyncByteStream):
    def __init__(self, response: TimedResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._response.body:
            if isinstance(piece, bytes):
                yield piece
            else:
                await _wait_or_fail(piece)


async def _wait_or_fail(step: Delay | ConnectionFailure) -> None:
    if isinstance(step, Delay):
        await asyncio.sleep(step.seconds)
    elif step.kind == "refuse":
        raise httpx.ConnectError("All connection attempts failed")
    elif step.kind == "timeout":
        raise httpx.ConnectTimeout("no connection in time")
    elif step.kind == "cut":
        raise httpx.RemoteProtocolError(
            "peer closed connection without sending complete message body"
        )
    else:
        await asyncio.sleep(86_400.0)
