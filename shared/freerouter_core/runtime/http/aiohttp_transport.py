"""Requests through aiohttp, where it is installed: a third of the CPU of httpx's asynchronous path.

`transport` decides when: never through a client of the user's own, a proxy, or a patch that a test has put on httpx. Loading aiohttp
takes a tenth of a second, so it happens on a thread beside the first requests, which go through httpx.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from ..loop.os_threads import gevent_patched, start_thread

if TYPE_CHECKING:
    import aiohttp

MAX_HEADER_BYTES = 65_536
"""Bytes that a header or its line may have."""
IDLE_CLOSE_WINDOW = 0.1
"""Seconds within which a kept connection breaks that was just being closed; later a server broke it that had begun to work."""
_importers: list[threading.Thread | None] = []


def load() -> Any:
    """aiohttp, or None: it is not installed, or not loaded yet, which this call begins."""
    module = loaded()
    if module is None and not _importers and importlib.util.find_spec("aiohttp") is not None:
        _importers.append(start_thread(_import, "freerouter-aiohttp"))
    return module


def loaded() -> Any:
    """aiohttp, where it has been loaded to the end."""
    module = sys.modules.get("aiohttp")
    return None if module is None or getattr(module.__spec__, "_initializing", False) else module


def _import() -> None:
    with contextlib.suppress(ImportError):  # broken: httpx does
        importlib.import_module("aiohttp")


class AiohttpResponse:
    """As `transport.Response`: status, headers with names in lower case, and the body as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {key.lower(): value for key, value in response.headers.items()}

    def chunks(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any().__aiter__()

    async def close(self) -> None:
        self._response.release()


class AiohttpPool:
    """One pool of connections, for one event loop."""

    def __init__(self, module: Any, *, connect: float, read: float, idle: float) -> None:
        self._module = module
        self._connect, self._read, self._idle = connect, read, idle
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        """Whose connections are used once."""
        self._answered: set[str] = set()
        """Addresses that have answered, of which a connection may be kept."""

    async def send(
        self, method: str, url: str, headers: list[tuple[str, str]], content: bytes | None, tls: Any
    ) -> AiohttpResponse:
        """The response once its headers are here. Raises aiohttp's errors; redirects are not followed. A kept connection that its server
        was just closing is no answer: then the request goes out once more, on one that is new."""
        aio, began = self._module, time.monotonic()
        sent: dict[str, Any] = {
            "headers": headers,
            "data": content,
            "allow_redirects": False,
            "ssl": tls,
        }
        if self._session is None:
            self._session = self._new_session(
                aio.TCPConnector(limit=0, keepalive_timeout=self._idle)
            )
        try:
            response = AiohttpResponse(await self._session.request(method, url, **sent))
        except (aio.ServerDisconnectedError, aio.ClientOSError):
            if url not in self._answered or time.monotonic() - began > IDLE_CLOSE_WINDOW:
                raise
        else:
            self._answered.add(url)
            return response
        if self._fresh is None:
            self._fresh = self._new_session(aio.TCPConnector(limit=0, force_close=True))
        return AiohttpResponse(await self._fresh.request(method, url, **sent))

    def _new_session(self, connector: Any) -> Any:
        aio = self._module
        return aio.ClientSession(
            connector=connector,
            cookie_jar=aio.DummyCookieJar(),
            timeout=aio.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._read),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()
        await asyncio.sleep(0)


def failure_name(error: Exception, module: Any) -> str | None:
    """The row of `wire.judge.TRANSPORT` an error of aiohttp's belongs to; None: it is none of aiohttp's."""
    for kind, name in (
        (module.ConnectionTimeoutError, "connect-timeout"),
        (module.ServerTimeoutError, "read-timeout"),
        (module.ClientConnectorError, "connect"),
        (module.ClientPayloadError, "cut"),
        (module.ServerDisconnectedError, "cut"),
        (module.ClientOSError, "cut"),
        (module.InvalidURL, "protocol"),
        (module.ClientResponseError, "protocol"),
        (module.ClientError, "protocol"),
    ):
        if isinstance(error, kind):
            return name
    return None


def _before_fork() -> None:
    """A child of a fork amid an import would wait for ever for the thread that does it, which it does not have."""
    for thread in _importers:
        if thread is not None:
            thread.join()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def supported() -> bool:
    """Whether aiohttp may be used. Not under gevent, where its name lookups would block."""
    return not gevent_patched()
