"""Bytes out, bytes in. One of the two files that import httpx.

`httpx.AsyncClient` spends milliseconds of CPU a call at 64 concurrent, because httpcore scans its
whole pool for each. So requests go through aiohttp where that is installed (`aiohttp_transport`).
Elsewhere they go through one-connection transports, kept here in a free list for each origin.

What a client does above its transport (cookies, redirects, auth) is not wanted. Proxies and CA
settings are, and they are read as httpx reads them. Redirects are never followed: a key goes to the
address it belongs to and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from ...catalogue.addresses import join_address, without_userinfo
from ...catalogue.providers import Account
from ...errors import BadSetting
from . import aiohttp_transport
from .aiohttp_transport import AiohttpPool, AiohttpResponse
from .decoding import PIECE, Decoder, Undecodable
from .headers import Headers, headers_of
from .sockets import is_out_of_sockets

HttpClient = httpx.AsyncClient | httpx.AsyncBaseTransport
"""What a user may hand in to send requests with."""

READ_TIMEOUT = 300.0
"""Seconds between bytes, against a dead network only: tokens are watched elsewhere."""
CONNECT_TIMEOUT = 10.0
"""Seconds."""
MAX_IDLE = 64
"""Idle connections kept for each origin."""
IDLE_TIMEOUT = 30.0
"""Seconds for which an idle connection is kept."""
MAX_BODY = 16_000_000
"""Bytes of a response that is read as a whole."""
MAX_STREAM = 256_000_000
"""Bytes of a response that is read piece by piece."""
_TIMEOUT = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT).as_dict()


class TransportFailed(Exception):
    """No complete response. `detail` quotes no key and no request.

    `name`: a row of `wire.judge.TRANSPORT`.
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name, self.detail = name, detail


_FAILURE_NAMES: tuple[tuple[type[Exception], str], ...] = (
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


def failure_name(error: Exception) -> str:
    """The row of `wire.judge.TRANSPORT` for an exception. "other" for one that is not listed."""
    return next((name for kind, name in _FAILURE_NAMES if isinstance(error, kind)), "other")


class _HttpxResponse:
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = dict(response.headers.items())  # names in lower case

    def chunks(self) -> AsyncIterator[bytes]:
        if self._response.is_stream_consumed:  # a transport of the user's has read and decoded it
            self.headers.pop("content-encoding", None)
            return self._response.aiter_bytes()
        stream = self._response.stream
        if isinstance(stream, httpx.AsyncByteStream):
            return aiter(stream)
        return self._response.aiter_raw()

    async def close(self) -> None:
        await self._response.aclose()


class Response:
    """Status, headers with lower-case names, and the decoded body as it comes."""

    def __init__(self, response: _HttpxResponse | AiohttpResponse) -> None:
        self._response = response
        self.status, self.headers = response.status, response.headers

    async def chunks(self, limit: int = MAX_STREAM) -> AsyncIterator[bytes]:
        """The body, in small pieces. Raises `TransportFailed`, also beyond `limit` bytes."""
        size, next_turn = 0, PIECE
        try:
            received = self._response.chunks()
            decoder = Decoder(self.headers.get("content-encoding", ""))
            async for chunk in received:
                for piece in decoder.pieces(chunk):
                    if size >= next_turn:  # what was received at once may be a lot
                        next_turn = size + PIECE
                        await asyncio.sleep(0)
                    size += len(piece)
                    if size > limit:
                        message = f"the response is larger than {limit:,} bytes"
                        raise TransportFailed("protocol", message)
                    yield piece
        except Exception as error:
            raise _failure(error) from None

    async def read(self, limit: int = MAX_BODY, *, whole: bool = True) -> bytes:
        """The body. Beyond `limit` bytes: raises `TransportFailed`, or without `whole` is cut."""
        body = bytearray()
        async for piece in self.chunks(limit if whole else MAX_STREAM):
            body += piece
            if len(body) > limit:
                break
        return bytes(body)


class Target(NamedTuple):
    """Where a request goes: its URL, parsed and as text, and the origin."""

    url: httpx.URL
    text: str
    origin: str


class Exchange:
    """One request and its response. `async with` sends it, and closes the response.

    A class, because every request makes one: a generator would cost four times as much.
    """

    def __init__(
        self, transport: Transport, account: Account, method: str, path: str, content: bytes | None
    ) -> None:
        self._transport, self._account, self._method = transport, account, method
        self._content = content
        self._target = transport.target(join_address(account.base_url, path))

    async def __aenter__(self) -> Response:
        transport, target = self._transport, self._target
        self._sender = transport.take_sender(target)
        try:
            headers = headers_of(self._account, with_body=self._content is not None)
            self._response = await transport.send(
                self._sender, self._method, target, headers, self._content
            )
        except BaseException as error:
            await transport.keep(target, self._sender)
            if isinstance(error, Exception):
                raise _failure(error) from None
            raise
        return Response(self._response)

    async def __aexit__(self, *raised: object) -> None:
        await _quietly(self._response.close())
        await self._transport.keep(self._target, self._sender)


class Transport:
    """Sends requests for accounts, for one event loop.

    `client`: the user's httpx client or transport. None: connections of its own.
    """

    def __init__(self, client: HttpClient | None = None) -> None:
        check_client(client)
        self._client = client
        self._idle: dict[str, list[tuple[float, httpx.AsyncHTTPTransport]]] = {}
        """By origin: when each became idle, the oldest first."""
        self._aiohttp: AiohttpPool | None = None
        self._ssl: ssl.SSLContext | None = None
        self._targets: dict[str, Target] = {}
        """By their addresses."""
        self._proxies: dict[str, httpx.Proxy | None] = {}

    def open(
        self, account: Account, method: str, path: str, content: bytes | None = None
    ) -> Exchange:
        """A request to be sent by `async with`, which gives its response.

        `path`: below the account's base URL, or a whole URL. Raises `TransportFailed`.
        """
        return Exchange(self, account, method, path, content)

    async def close(self) -> None:
        """Close idle connections. A client of the user's own stays open."""
        if self._aiohttp is not None:
            await _quietly(self._aiohttp.close())
        for idle in self._idle.values():
            for _, transport in idle:
                await _quietly(transport.aclose())
        self._idle.clear()

    async def send(
        self,
        sender: HttpClient | AiohttpPool,
        method: str,
        target: Target,
        headers: Headers,
        content: bytes | None,
    ) -> _HttpxResponse | AiohttpResponse:
        """The response of `sender`, once its headers are here."""
        if isinstance(sender, AiohttpPool):
            return await sender.send(method, target.text, headers, content, self._tls(target.url))
        return _HttpxResponse(await _send(sender, _request(method, target, headers, content)))

    def _tls(self, url: httpx.URL) -> ssl.SSLContext | Literal[False]:
        """The TLS context, with the CA settings that httpx takes from the environment."""
        if url.scheme != "https":
            return False
        if self._ssl is None:
            self._ssl = httpx.create_ssl_context()  # 15 ms: once, and only for TLS
        return self._ssl

    def take_sender(self, target: Target) -> HttpClient | AiohttpPool:
        """What sends a request there. `keep` gives it back."""
        if self._client is not None:
            return self._client
        url, origin = target.url, target.origin
        if origin not in self._proxies:  # read once, as httpx does
            self._proxies[origin] = _proxy(url)
        proxy = self._proxies[origin]
        if proxy is None and aiohttp_transport.supported() and not _patched():
            if self._aiohttp is None and (module := aiohttp_transport.load()) is not None:
                self._aiohttp = AiohttpPool(
                    module, connect=CONNECT_TIMEOUT, read=READ_TIMEOUT, idle=IDLE_TIMEOUT
                )
            if self._aiohttp is not None:
                return self._aiohttp
        idle = self._idle.get(origin)
        if idle:
            return idle.pop()[1]
        try:
            return httpx.AsyncHTTPTransport(
                verify=self._tls(url),
                limits=httpx.Limits(
                    max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_TIMEOUT
                ),
                proxy=proxy,
            )
        except ImportError:
            raise TransportFailed("connect", _NO_SOCKS) from None

    async def keep(self, target: Target, sender: HttpClient | AiohttpPool) -> None:
        """Keep a connection of our own for the next request; close those idle for too long."""
        if sender is self._client or not isinstance(sender, httpx.AsyncHTTPTransport):
            return
        now = time.monotonic()
        idle = self._idle.setdefault(target.origin, [])
        idle.append((now, sender))
        while len(idle) > MAX_IDLE or (idle and idle[0][0] < now - IDLE_TIMEOUT):
            await _quietly(idle.pop(0)[1].aclose())

    def target(self, address: str) -> Target:
        """The target of an address, which is parsed once. Raises `TransportFailed`."""
        target = self._targets.get(address)
        if target is None:
            try:
                url = httpx.URL(without_userinfo(address))
            except httpx.InvalidURL:
                raise TransportFailed("protocol", "base_url is not a URL") from None
            target = self._targets[address] = Target(url, str(url), _origin(url))
        return target


def check_client(client: object) -> None:
    """Raise `BadSetting` unless `client` is None or an asynchronous client or transport."""
    if client is None or isinstance(client, (httpx.AsyncClient, httpx.AsyncBaseTransport)):
        return
    kind = type(client).__name__
    raise BadSetting(
        f"http_client must be an httpx.AsyncClient or an httpx.AsyncBaseTransport, not {kind}",
        hint="one asynchronous client serves synchronous calls too",
    )


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The environment's proxy for a URL (HTTPS_PROXY, ALL_PROXY, NO_PROXY), as httpx reads it."""
    proxies = getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if not address or proxy_bypass(url.host):
        return None
    try:
        return httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL):  # its message would quote the address
        raise TransportFailed("connect", _NO_PROXY) from None


_NO_SOCKS = (
    "the proxy of the environment speaks SOCKS, which needs a package: "
    "pip install 'freerouter-llm[socks]'"
)
_NO_PROXY = "the proxy of the environment (ALL_PROXY, HTTPS_PROXY) is not an address of a proxy"


def _patched() -> bool:
    """Whether respx, pytest-httpx, vcrpy or the like have patched httpx. They must see requests."""
    methods = (
        httpx.AsyncHTTPTransport.handle_async_request,
        httpcore.AsyncConnectionPool.handle_async_request,
    )
    for method in methods:
        if not getattr(method, "__module__", "").startswith(("httpx.", "httpcore.")):
            return True
    return False


def _failure(error: Exception) -> TransportFailed:
    if isinstance(error, TransportFailed):
        return error
    if isinstance(error, Undecodable):
        return TransportFailed("protocol", str(error))
    if is_out_of_sockets(error):
        return TransportFailed("no-socket", type(error).__name__)
    aiohttp = aiohttp_transport.loaded()
    name = aiohttp_transport.failure_name(error, aiohttp) if aiohttp is not None else None
    kind = type(error).__name__
    # The message of a network error names hosts and causes, never headers. Others may quote a key.
    if name is not None or isinstance(error, (httpx.TransportError, OSError)):
        return TransportFailed(name or failure_name(error), f"{kind}: {error}")
    return TransportFailed(failure_name(error), kind)


def _request(method: str, target: Target, headers: Headers, content: bytes | None) -> httpx.Request:
    """The request that `httpx.Request(content=…)` makes, without reading the headers each time."""
    request = httpx.Request(
        method,
        target.url,
        headers=_with_host(headers, target.url.netloc),
        stream=httpx.ByteStream(content or b""),
        extensions={"timeout": _TIMEOUT},
    )
    if content or method == "POST":
        request.headers["Content-Length"] = str(len(content or b""))
    request.read()  # so that a transport of the user's finds its `content`
    return request


@lru_cache(maxsize=256)
def _with_host(headers: Headers, host: bytes) -> httpx.Headers:
    """The headers of a request, which copies them."""
    own = httpx.Headers(headers)
    return own if "host" in own else httpx.Headers([(b"Host", host), *own.raw])


async def _send(sender: HttpClient, request: httpx.Request) -> httpx.Response:
    if isinstance(sender, httpx.AsyncClient):
        return await sender.send(request, stream=True, follow_redirects=False)
    return await sender.handle_async_request(request)


async def _quietly(closing: Awaitable[None]) -> None:
    try:
        await closing
    except Exception:  # a connection that fails to close is closed
        return
