"""`Network`: one process's way to all servers. It delays, loses and cuts, and some servers lie."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from random import Random
from typing import Any

import httpx
from history import Arrival, History, Stated
from scene import Server, Span

from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import World
from freerouter_core.simulator.transport import WorldTransport

LONGEST_DELAY = 0.4
"""Seconds on the way to a server. Windows have a margin of half a second for it."""
CALL = re.compile(r"#(\d+)#")
"""The number of a call in its prompt."""
_JSON, _EVENTS = "application/json", "text/event-stream"
LIES: tuple[tuple[int, dict[str, str], bytes], ...] = (
    (200, {"content-type": _JSON}, b'{"choices":' + b"[" * 50_000),
    (200, {"content-type": _JSON}, b'{"choices":[{"message":{"content":' + b"9" * 6_000 + b"}}]}"),
    (200, {"content-type": _EVENTS}, b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n'),
    (200, {"content-type": _EVENTS}, b"data: [DONE]\n\n" * 500),
    (200, {"content-encoding": "gzip"}, b"no gzip at all"),
    (429, {"retry-after": "1e309"}, b'{"error":{"message":"wait"}}'),
    (429, {"retry-after": "-5"}, b'{"error":[[{"message":null}]]}'),
    (429, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, b"{}"),
    (503, {}, b'{"error":{"message":"who sent KEY?","metadata":{"raw":"Bearer KEY"}}}'),
    (500, {"x-request-id": "KEY"}, b'{"id":"KEY","error":"KEY","detail":["KEY"]}'),
    (299, {}, b"\x00" * 1_000),
)
"""What liars answer. KEY becomes the key that they were sent."""


class Network(httpx.AsyncBaseTransport):
    """The transport of the process `name`, until it is dead."""

    def __init__(
        self,
        name: str,
        clock: VirtualClock,
        rng: Random,
        history: History,
        servers: dict[str, tuple[Server, World[VirtualClock]]],
        cuts: list[Span],
        loss: float,
    ) -> None:
        self.name, self._clock, self._rng, self._history = name, clock, rng, history
        self._servers, self._cuts, self._loss = servers, cuts, loss
        self._transports = {name: WorldTransport(world) for name, (_, world) in servers.items()}
        self.alive = True

    def _is_cut(self) -> bool:
        return not self.alive or any(span.holds(self._clock.elapsed) for span in self._cuts)

    def _is_lost(self) -> bool:
        return self._rng.random() < self._loss / 3

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        rng, clock = self._rng, self._clock
        await asyncio.sleep(rng.uniform(0.0, LONGEST_DELAY))
        if self._is_cut() or self._is_lost():
            if rng.random() < 0.5:
                await asyncio.sleep(rng.uniform(1.0, 100.0))
                raise httpx.ConnectTimeout("no connection in time")
            raise httpx.ConnectError("no route to host")
        provider = request.url.host.split(".")[0]
        arrival = self._arrive(provider, request)
        try:
            if arrival is not None and self._is_lost():
                response = _lie(request, *rng.choice(LIES))
            else:
                response = await self._transports[provider].handle_async_request(request)
            if self._is_cut():
                raise httpx.ReadError("connection reset by peer")
        except BaseException:
            self._end(arrival)
            raise
        response.headers.setdefault("date", formatdate(clock.now(), usegmt=True))
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        whole = rng.randint(0, 30) if self._is_lost() else -2
        response.stream = _Body(stream, lambda: self._end(arrival), self._is_cut, whole)
        if request.url.path.endswith("/models") and whole < 0:
            self._history.lists.append((clock.elapsed, self.name, provider))
        reset = response.headers.get("x-ratelimit-reset", "")
        if arrival is not None and response.status_code == 429 and reset.isdigit() and whole < 0:
            until = int(reset) / 1e3 - clock.now() + clock.elapsed
            stated = Stated(clock.elapsed, self.name, provider, until)
            self._history.stated.append(stated)
        return response

    def _arrive(self, provider: str, request: httpx.Request) -> Arrival | None:
        """The server counts a request for a model."""
        if request.method != "POST":
            return None
        body: dict[str, Any] = json.loads(request.content)
        server, world = self._servers[provider]
        elapsed = self._clock.elapsed
        model = str(body.get("model"))
        known = world.models.get(model)
        cap = (body.get("provider") or {}).get("max_price", {})
        capped = str(cap.get("prompt")) == str(cap.get("completion")) == "0"
        costs = known is not None and known.prompt_price != "0"
        costs = costs and not (capped and model in server.paid_from)
        numbers = CALL.findall(json.dumps(body["messages"]))
        arrival = Arrival(
            at=elapsed,
            process=self.name,
            provider=provider,
            model=model,
            call=int(numbers[-1]) if numbers else 0,
            costs_since=server.paid_from.get(model, -math.inf) if costs else None,
        )
        self._history.arrivals.append(arrival)
        self._history.tell(elapsed, "arrival", self.name, provider, model, arrival.call)
        return arrival

    def _end(self, arrival: Arrival | None) -> None:
        if arrival is not None:
            arrival.ended = min(arrival.ended, self._clock.elapsed)


class _Body(httpx.AsyncByteStream):
    """A response's bytes. They are cut while `is_cut`, and after `whole` pieces (-2: never).

    `end` is told when nothing more comes.
    """

    def __init__(
        self,
        stream: httpx.AsyncByteStream,
        end: Callable[[], None],
        is_cut: Callable[[], bool],
        whole: int,
    ) -> None:
        self._stream, self._end, self._is_cut, self._whole = stream, end, is_cut, whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
                self._whole -= 1
                if self._whole == -1 or self._is_cut():
                    raise httpx.ReadError("connection reset by peer")
        finally:
            self._end()

    async def aclose(self) -> None:
        self._end()


def _lie(
    request: httpx.Request, status: int, headers: dict[str, str], body: bytes
) -> httpx.Response:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    told = {name: value.replace("KEY", key) for name, value in headers.items()}
    pieces = httpx.ByteStream(body.replace(b"KEY", key.encode()))
    return httpx.Response(status, headers=told, stream=pieces)
