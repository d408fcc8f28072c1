"""`BoundsMiddleware`: how many requests are served at once, how long a client may be deaf, and what
each request is called."""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from collections import deque

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...catalogue.counts import count_words
from .errors import refusal
from .request_id import ANTHROPIC_ID, REQUEST_ID, request_id
from .shapes import OLLAMA_POSTS, shape_of

MOST_REQUESTS = 512
"""Requests to models that are served at once. More are answered 429."""
SEND_TIMEOUT = 60.0
"""Seconds in which a client must take something of its response."""
RECENT = 60.0
"""Seconds of requests that have ended by which the next free place is told."""
_PLAUSIBLE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


_ASK = ("/v1/", "/api/v1/", *OLLAMA_POSTS)
"""Paths by which models are asked."""


class BoundsMiddleware:
    """ASGI middleware. Gives each request an id, in `x-request-id`, and bounds their number.

    `most`: requests to models at once.
    """

    def __init__(self, app: ASGIApp, most: int = MOST_REQUESTS) -> None:
        self.app, self.most = app, most
        self._running = 0
        self._ended: deque[float] = deque(maxlen=256)
        """When the newest requests ended, seconds."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        ident = given if _PLAUSIBLE_ID.fullmatch(given) else f"req-{uuid.uuid4().hex}"
        request_id.set(ident)

        patience = _Patience(send)

        async def bounded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = ident
                if shape_of(scope["path"]) == "anthropic":
                    headers[ANTHROPIC_ID] = ident
            await patience.send(message)

        try:
            if scope["method"] == "POST" and scope["path"].startswith(_ASK):
                await self._ask(scope, receive, bounded)
            else:
                await self.app(scope, receive, bounded)
        except TimeoutError:
            return  # the client takes nothing: the server closes what is not complete
        finally:
            patience.end()

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._running >= self.most:
            wait = self._next_place(time.monotonic())
            headers = {"retry-after": str(wait)}
            message = f"at most {count_words(self.most, 'request')} at once: try again in {wait} s"
            refused = refusal(429, message, headers, path=scope["path"])
            await refused(scope, receive, send)
            return
        self._running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._running -= 1
            self._ended.append(time.monotonic())

    def _next_place(self, now: float) -> int:
        """Seconds until a place should be free, by how often requests ended lately."""
        recent = [at for at in self._ended if at > now - RECENT]
        if not recent:
            return math.ceil(RECENT)
        return max(1, math.ceil((now - recent[0]) / len(recent)))


class _Patience:
    """Sends a response, and raises `TimeoutError` if the client takes nothing for `SEND_TIMEOUT`.

    One lazy timer for each response, not one for each chunk, which cost a sixth of a stream.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._task: asyncio.Task[object] | None = None
        self._began: float | None = None
        """When the send under way began, by the loop's clock. None: there is none."""
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def send(self, message: Message) -> None:
        loop = asyncio.get_running_loop()
        self._task, self._began = asyncio.current_task(), loop.time()
        if self._timer is None:
            self._timer = loop.call_later(SEND_TIMEOUT, self._look)
        try:
            await self._send(message)
        except asyncio.CancelledError:
            if self._over and self._task is not None and not self._task.uncancel():
                raise TimeoutError from None
            raise
        finally:
            self._began = None

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._began is None:  # it waits for the model: the next send sets a timer again
            return
        loop = asyncio.get_running_loop()
        left = self._began + SEND_TIMEOUT - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._look)
        elif self._task is not None:
            self._over = True
            self._task.cancel()
