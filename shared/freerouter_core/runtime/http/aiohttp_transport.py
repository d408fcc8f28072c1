"""Requests through aiohttp where it is installed: a third of the CPU of httpx's async path.

`transport` decides when: never through a client of the user's own, a proxy, or an httpx that a
test has patched. Importing aiohttp takes a tenth of a second. So it happens on a thread, beside the
first requests, which go through httpx.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import ssl
import sys
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from ..loop.os_threads import gevent_patched, start_thread
from .headers import Headers

if TYPE_CHECKING:
    import aiohttp

MAX_HEADER_BYTES = 65_536
"""Bytes of one header, and of one header line."""
READ_BUFFER = 16_384
"""Bytes that wait to be read before the server must wait too; twice as many may."""
IDLE_CLOSE_WINDOW = 0.1
"""A reused connection that fails within this many seconds was closed by the server while idle: send
again. A later failure may have reached the model: do not."""
MAX_OPENING = 128
"""Connections to one origin that are opened at once. The time that opening may take is counted from
its turn: of two thousand at once each was too late, was given up, and was tried again."""
_importers: list[threading.Thread | None] = []


def supported() -> bool:
    """Whether aiohttp may be used. Not under gevent, where its name lookups would block."""
    return not gevent_patched()


def load() -> ModuleType | None:
    """The module aiohttp. None if it is not installed, or not loaded yet: this starts loading."""
    module = loaded()
    if module is None and not _importers and importlib.util.find_spec("aiohttp") is not None:
        _importers.append(start_thread(_import, "freerouter-aiohttp"))
    return module


def loaded() -> ModuleType | None:
    """The module aiohttp, if its import is complete."""
    module = sys.modules.get("aiohttp")
    return None if module is None or getattr(module.__spec__, "_initializing", False) else module


def _import() -> None:
    with contextlib.suppress(ImportError):  # a broken installation: httpx serves
        importlib.import_module("aiohttp")


def _before_fork() -> None:
    """Finish the import. A child forked during it would wait for a thread that it lacks."""
    for thread in _importers:
        if thread is not None:
            thread.join()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


class AiohttpResponse:
    """Status, headers with lower-case names, and the body as it comes. See `transport.Response`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        connection = response.connection
        if connection is not None and connection.transport is not None:
            # asyncio takes 256 kB at once, which a slow reader would make it keep.
            with contextlib.suppress(AttributeError):
                connection.transport.max_size = READ_BUFFER  # type: ignore[attr-defined]
        self.status = response.status
        self.headers = {key.lower(): value for key, value in response.headers.items()}

    def chunks(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any().__aiter__()

    async def close(self) -> None:
        self._response.release()


class AiohttpPool:
    """A pool of connections for one event loop. `connect`, `read` and `idle` are seconds."""

    def __init__(self, module: ModuleType, *, connect: float, read: float, idle: float) -> None:
        self._module = module
        self._connect, self._read, self._idle = connect, read, idle
        self._session: aiohttp.ClientSession | None = None
        self._single_use: aiohttp.ClientSession | None = None
        """Its connections are used once."""
        self._answered: set[str] = set()
        """URLs that have answered, so a connection to them may have been kept."""

    async def send(
        self,
        method: str,
        url: str,
        headers: Headers,
        content: bytes | None,
        tls: ssl.SSLContext | Literal[False],
    ) -> AiohttpResponse:
        """The response once its headers are here. Redirects are not followed.

        Raises aiohttp's errors. A kept connection that its server was just closing is no error:
        the request is sent once more, over a new connection.
        """
        began = time.monotonic()
        if self._session is None:
            self._session = self._new_session(keepalive_timeout=self._idle)
        try:
            response = await self._request(self._session, method, url, headers, content, tls)
        except (self._module.ServerDisconnectedError, self._module.ClientOSError):
            if url not in self._answered or time.monotonic() - began > IDLE_CLOSE_WINDOW:
                raise
        else:
            self._answered.add(url)
            return response
        if self._single_use is None:
            self._single_use = self._new_session(force_close=True)
        return await self._request(self._single_use, method, url, headers, content, tls)

    @staticmethod
    async def _request(
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        headers: Headers,
        content: bytes | None,
        tls: ssl.SSLContext | Literal[False],
    ) -> AiohttpResponse:
        return AiohttpResponse(
            await session.request(
                method, url, headers=headers, data=content, allow_redirects=False, ssl=tls
            )
        )

    def _new_session(self, **options: Any) -> aiohttp.ClientSession:
        aio = self._module
        connector = aio.TCPConnector(limit=0, **options)
        _open_few_at_once(connector)
        return aio.ClientSession(  # type: ignore[no-any-return]  # the module is loaded lazily
            connector=connector,
            cookie_jar=aio.DummyCookieJar(),
            timeout=aio.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._read),
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._session, self._single_use):
            if session is not None:
                await session.close()
        await asyncio.sleep(0)


def failure_name(error: Exception, module: ModuleType) -> str | None:
    """The row of `wire.judge.TRANSPORT` for an error of aiohttp's. None for any other error."""
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


def _open_few_at_once(connector: Any) -> None:
    """aiohttp limits connections, not how many are being opened."""
    opens = connector._create_connection  # noqa: SLF001  # no public way holds an opening
    turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MAX_OPENING))

    async def open_in_turn(request: aiohttp.ClientRequest, *more: Any) -> Any:
        async with turns[str(request.url.origin())]:
            return await opens(request, *more)

    connector._create_connection = open_in_turn  # noqa: SLF001  # as above
