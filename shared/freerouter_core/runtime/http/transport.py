"""Bytes out, bytes in. One of the two files that import httpx.

Plain `httpx.AsyncClient` spends milliseconds of CPU a call at 64 concurrent, because httpcore scans its whole pool for each.
So requests go through aiohttp where that is installed (`aiohttp_transport`), and else over connections kept here, in a free list of
one-connection transports per origin; what the client does above its transport (cookies, redirects, auth) is not wanted, and what it
does that is wanted (proxies, CA settings) is done as it would.

Redirects are never followed: a key goes to the address it belongs to and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from ..._version import __version__
from ...catalogue.providers import Account
from ...errors import BadSetting
from . import aiohttp_transport

HttpClient = httpx.AsyncClient | httpx.AsyncBaseTransport
"""What a user may hand in to send requests with."""

READ_TIMEOUT, CONNECT_TIMEOUT = 300.0, 10.0
"""Seconds. Reading is bounded by tokens, not bytes (keep-alive comments are bytes); this is for a dead network only."""
MAX_IDLE, IDLE_SECONDS = 64, 30.0


class TransportFailed(Exception):
    """No whole response. `name` is a row of `wire.judge.TRANSPORT`; `detail` holds no key and no request."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name, self.detail = name, detail


_NAMES: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ConnectTimeout, "connect-timeout"),
    (httpx.PoolTimeout, "connect-timeout"),
    (httpx.TimeoutException, "read-timeout"),
    (httpx.ConnectError, "connect"),
    (httpx.ProxyError, "connect"),
    (httpx.NetworkError, "cut"),
    (httpx.RemoteProtocolError, "cut"),
    (httpx.UnsupportedProtocol, "protocol"),
    (httpx.ProtocolError, "protocol"),
    (httpx.DecodingError, "protocol"),
    (TimeoutError, "read-timeout"),
    (ConnectionRefusedError, "connect"),
    (OSError, "cut"),
)


def name_of(error: Exception) -> str:
    """The row of `wire.judge.TRANSPORT` an exception belongs to."""
    return next((name for kind, name in _NAMES if isinstance(error, kind)), "other")


class _HttpxResponse:
    """A response of httpx's."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = {key.lower(): value for key, value in response.headers.items()}

    def chunks(self) -> AsyncIterator[bytes]:
        return self._response.aiter_bytes()

    async def close(self) -> None:
        await self._response.aclose()


class Response:
    """Status, headers (names in lower case) and the body, decoded, as it comes."""

    def __init__(self, response: _HttpxResponse | aiohttp_transport.AiohttpResponse) -> None:
        self._response = response
        self.status, self.headers = response.status, response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.chunks():
                yield chunk
        except Exception as error:
            raise _failed(error) from None

    async def read(self, limit: int = 32_000_000, *, whole: bool = True) -> bytes:
        """The body. Past `limit` bytes: `TransportFailed`, or not `whole`: what came so far."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size > limit and not whole:
                break
            if size > limit:
                raise TransportFailed("protocol", f"the response is larger than {limit:,} bytes")
        return b"".join(parts)


class Transport:
    """Sends requests for accounts over connections of its own, or over an httpx client or transport of the user's.

    Belongs to one event loop.
    """

    def __init__(self, client: Any = None) -> None:
        check_client(client)
        self._client = client
        self._idle: dict[str, list[tuple[float, httpx.AsyncHTTPTransport]]] = {}
        self._aiohttp: aiohttp_transport.AiohttpPool | None = None
        self._ssl: Any = None
        self._urls: dict[str, httpx.URL] = {}
        self._proxies: dict[str, httpx.Proxy | None] = {}

    @asynccontextmanager
    async def open(
        self, account: Account, method: str, path: str, content: bytes | None = None
    ) -> AsyncIterator[Response]:
        """Send, and yield the response once its headers are here. Raises `TransportFailed`."""
        url = self._url(path if "://" in path else account.base_url + path)
        headers = headers_of(account, content is not None)
        sender = self._sender(url)
        response: _HttpxResponse | aiohttp_transport.AiohttpResponse | None = None
        try:
            try:
                if isinstance(sender, aiohttp_transport.AiohttpPool):
                    response = await sender.send(method, str(url), headers, content, self._tls(url))
                else:
                    extensions = {"timeout": _TIMEOUT}
                    request = httpx.Request(
                        method, url, headers=headers, content=content, extensions=extensions
                    )
                    if isinstance(sender, httpx.AsyncClient):
                        sent = await sender.send(request, stream=True, follow_redirects=False)
                    else:
                        sent = await sender.handle_async_request(request)
                    response = _HttpxResponse(sent)
            except Exception as error:
                raise _failed(error) from None
            yield Response(response)
        finally:
            if response is not None:
                await _quietly(response.close())
            await self._release(url, sender)

    def _tls(self, url: httpx.URL) -> Any:
        """The TLS context, with the CA settings that httpx takes from the environment."""
        if url.scheme != "https":
            return False
        if self._ssl is None:
            self._ssl = httpx.create_ssl_context()  # 15 ms: once, and only where there is TLS
        return self._ssl

    def _sender(
        self, url: httpx.URL
    ) -> httpx.AsyncBaseTransport | httpx.AsyncClient | aiohttp_transport.AiohttpPool:
        if self._client is not None:
            return self._client  # type: ignore[no-any-return]  # checked at construction
        origin = _origin(url)
        if origin not in self._proxies:  # read once, as httpx does
            self._proxies[origin] = _proxy(url)
        proxy = self._proxies[origin]
        if proxy is None and not url.userinfo and aiohttp_transport.supported() and not _patched():
            if self._aiohttp is None and (module := aiohttp_transport.load()) is not None:
                self._aiohttp = aiohttp_transport.AiohttpPool(
                    module, connect=CONNECT_TIMEOUT, read=READ_TIMEOUT, idle=IDLE_SECONDS
                )
            if self._aiohttp is not None:
                return self._aiohttp
        idle = self._idle.get(origin)
        if idle:
            return idle.pop()[1]
        return httpx.AsyncHTTPTransport(
            verify=self._tls(url),
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS
            ),
            proxy=proxy,
        )

    async def _release(self, url: httpx.URL, sender: Any) -> None:
        if sender is self._client or not isinstance(sender, httpx.AsyncHTTPTransport):
            return
        now = time.monotonic()
        idle = self._idle.setdefault(_origin(url), [])
        idle.append((now, sender))
        while len(idle) > MAX_IDLE or (idle and idle[0][0] < now - IDLE_SECONDS):
            await _quietly(idle.pop(0)[1].aclose())

    def _url(self, url: str) -> httpx.URL:
        known = self._urls.get(url)
        if known is None:
            try:
                known = httpx.URL(url)
            except httpx.InvalidURL:
                raise TransportFailed("protocol", "base_url is no URL") from None
            self._urls[url] = known
        return known

    async def close(self) -> None:
        """Close idle connections; a client of the user's own stays open."""
        if self._aiohttp is not None:
            await _quietly(self._aiohttp.close())
        for idle in self._idle.values():
            for _, sender in idle:
                await _quietly(sender.aclose())
        self._idle.clear()


def headers_of(account: Account, with_body: bool) -> list[tuple[str, str]]:
    """The headers of a request to `account`. The user's own are last, and win."""
    headers = {
        "accept": "application/json, text/event-stream",
        "user-agent": f"freerouter/{__version__}",
    }
    if with_body:
        headers["content-type"] = "application/json"
    if account.key:
        headers["authorization"] = f"Bearer {account.key}"
    if account.dialect == "openrouter":
        headers["x-title"] = "FreeRouter"
    headers |= {name.lower(): value for name, value in account.headers}
    return list(headers.items())


def check_client(client: Any) -> None:
    """Raise `BadSetting` unless `client` is None or something asynchronous of httpx's."""
    if client is None or isinstance(client, (httpx.AsyncClient, httpx.AsyncBaseTransport)):
        return
    raise BadSetting(
        f"http_client must be an httpx.AsyncClient or an httpx.AsyncBaseTransport, not {type(client).__name__}",
        hint="one asynchronous client serves synchronous calls too",
    )


_TIMEOUT = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT).as_dict()


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The environment's proxy for this address (HTTPS_PROXY, ALL_PROXY, NO_PROXY), as httpx would use it."""
    proxies = getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if not address or proxy_bypass(url.host):
        return None
    return httpx.Proxy(address if "://" in address else f"http://{address}")


def _patched() -> bool:
    """Whether respx, pytest-httpx, vcrpy or the like have put themselves into httpx, and are to see what is sent."""
    homes = (
        httpx.AsyncHTTPTransport.handle_async_request,
        httpcore.AsyncConnectionPool.handle_async_request,
    )
    return not all(
        getattr(call, "__module__", "").startswith(("httpx.", "httpcore.")) for call in homes
    )


def _failed(error: Exception) -> TransportFailed:
    if isinstance(error, TransportFailed):
        return error
    aiohttp = aiohttp_transport.loaded()
    name = aiohttp_transport.failure_name(error, aiohttp) if aiohttp is not None else None
    if name is not None:
        return TransportFailed(name, f"{type(error).__name__}: {error}")
    # The text of a network error names hosts and causes, never headers; that of anything else is not ours to trust.
    known = isinstance(error, (httpx.TransportError, OSError))
    return TransportFailed(
        name_of(error), f"{type(error).__name__}: {error}" if known else type(error).__name__
    )


async def _quietly(closing: Any) -> None:
    try:
        await closing
    except Exception:  # a connection that fails to close is closed
        return
