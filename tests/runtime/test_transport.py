"""The transport: through aiohttp where it is installed, else through httpx, with equal results."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import respx

from freerouter_core import Provider, Router
from freerouter_core.catalogue.providers import Account
from freerouter_core.runtime.http import aiohttp_transport
from freerouter_core.runtime.http.headers import headers_of
from freerouter_core.runtime.http.transport import Transport, TransportFailed

from ..inspection import open_sockets

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["aiohttp", "httpx"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    import aiohttp  # noqa: F401  # loaded already, so that the first request goes through it

    if request.param == "httpx":
        monkeypatch.setattr(aiohttp_transport, "supported", lambda: False)
    return str(request.param)


@asynccontextmanager
async def server(reply: Reply) -> AsyncIterator[Account]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reply(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield Account("openrouter", f"http://127.0.0.1:{port}/v1", "sk-mine")
    finally:
        listening.close()


def always(text: bytes) -> Reply:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(text)
            await writer.drain()

    return reply


async def get(transport: Transport, account: Account) -> tuple[int, dict[str, str], bytes]:
    async with transport.open(account, "GET", "/x") as response:
        return response.status, response.headers, await response.read()


@asynccontextmanager
async def open_transport() -> AsyncIterator[Transport]:
    transport = Transport()
    try:
        yield transport
    finally:
        await transport.close()


async def test_a_compressed_response_with_long_headers_is_read(backend: str) -> None:
    packed = gzip.compress(b'{"a": 1}')
    fields = [
        "HTTP/1.1 200 OK",
        f"X-Long: {'y' * 20_000}",
        "Content-Encoding: gzip",
        f"Content-Length: {len(packed)}",
    ]
    head = "\r\n".join([*fields, "\r\n"])
    async with server(always(head.encode() + packed)) as account, open_transport() as transport:
        for _ in range(3):
            status, headers, body = await get(transport, account)

    assert (status, headers["x-long"][:1], json.loads(body)) == (200, "y", {"a": 1})
    assert (transport._aiohttp is not None) == (backend == "aiohttp")


async def test_a_redirect_is_not_followed(backend: str) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with server(always(moved)) as account, open_transport() as transport:
        assert (await get(transport, account))[0] == 302


async def test_headers_are_sent_and_no_cookies_are_kept(backend: str) -> None:
    seen: list[bytes] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            seen.append(head.lower())
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}")

    async with server(reply) as account, open_transport() as transport:
        await get(transport, account)
        await get(transport, account)

    assert b"authorization: bearer sk-mine" in seen[1]
    assert b"user-agent: freerouter/" in seen[1]
    assert b"cookie" not in seen[1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "cut"),
        (b"", "cut"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol or cut"),
    ],
)
async def test_a_failure_has_a_name_and_shows_no_key(backend: str, text: bytes, name: str) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()

    async with server(reply) as account, open_transport() as transport:
        with pytest.raises(TransportFailed) as caught:
            await get(transport, account)

    assert caught.value.name in name.split()
    assert "sk-mine" not in str(caught.value)


async def test_a_refused_connection_is_a_connect_failure(backend: str) -> None:
    async with server(always(b"")) as account:
        pass
    async with open_transport() as transport:
        with pytest.raises(TransportFailed) as caught:
            await get(transport, account)

    assert caught.value.name == "connect"


async def test_a_connection_that_was_closed_while_idle_is_replaced(backend: str) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with server(reply) as account, open_transport() as transport:
        for _ in range(5):
            assert (await get(transport, account))[0] == 200
            while not all(map(_idle, asyncio.all_tasks() - {asyncio.current_task()})):
                await asyncio.sleep(0)


def _idle(task: asyncio.Task[None]) -> bool:
    return task.done()


def test_respx_sees_the_requests(backend: str) -> None:
    answer = {
        "choices": [
            {"message": {"role": "assistant", "content": "patched"}, "finish_reason": "stop"}
        ]
    }
    with respx.mock(base_url="https://simulated.invalid/v1") as mocked:
        mocked.get("/models").respond(
            json={"data": [{"id": "a/b:free", "pricing": {"prompt": "0"}}]}
        )
        chat = mocked.post("/chat/completions").mock(return_value=httpx.Response(200, json=answer))
        provider = Provider("openrouter", "https://simulated.invalid/v1", "sk-x", limits=[])

        assert Router(providers=(provider,)).chat("x").text == "patched"
        assert chat.called


@pytest.mark.parametrize("headers", [(), (("host", "other.invalid"),)])
@pytest.mark.parametrize(("method", "content"), [("POST", b"{}"), ("POST", None), ("GET", None)])
async def test_a_transport_of_the_users_gets_what_httpx_would_make(
    method: str, content: bytes | None, headers: tuple[tuple[str, str], ...]
) -> None:
    seen: list[httpx.Request] = []

    class Seeing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert request.content == (content or b"")
            seen.append(request)
            return httpx.Response(200)

    account = Account("acme", "https://acme.invalid:8443/v1", "sk-1", headers=headers)
    transport = Transport(Seeing())
    for _ in range(2):
        async with transport.open(account, method, "/chat", content) as response:
            assert response.status == 200
    own = headers_of(account, with_body=content is not None)
    usual = httpx.Request(method, "https://acme.invalid:8443/v1/chat", headers=own, content=content)
    for request in seen:
        assert sorted(request.headers.raw) == sorted(usual.headers.raw)
        assert request.url == usual.url


async def test_a_kept_connection_that_is_closed_under_a_request_is_replaced() -> None:
    import aiohttp  # noqa: F401  # the lane that is meant

    served = 0

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n")
        served += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # the next request is read, and the connection closed

    async with server(reply) as account, open_transport() as transport:
        for _ in range(4):
            async with transport.open(account, "POST", "/x", b"{}") as response:
                assert await response.read() == b"{}"

    assert served == 4


async def test_a_new_connection_that_breaks_is_a_failure() -> None:
    import aiohttp  # noqa: F401

    tried = 0

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        tried += 1
        await reader.readuntil(b"\r\n\r\n")

    async with server(reply) as account, open_transport() as transport:
        with pytest.raises(TransportFailed):
            async with transport.open(account, "POST", "/x", b"{}") as response:
                await response.read()

    assert tried == 1


async def test_a_connection_that_breaks_later_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import aiohttp  # noqa: F401

    monkeypatch.setattr(
        aiohttp_transport, "IDLE_CLOSE_WINDOW", 0.0
    )  # any break is one amid the work
    posts = 0

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal posts
        while head := await reader.readuntil(b"\r\n\r\n"):
            posts += head.startswith(b"POST")
            if head.startswith(b"POST"):
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with server(reply) as account, open_transport() as transport:
        await asyncio.gather(*(get(transport, account) for _ in range(6)))
        with pytest.raises(TransportFailed):
            async with transport.open(account, "POST", "/x", b"{}") as response:
                await response.read()

    assert posts == 1


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://u:hunter2@127.0.0.1:9", r"pip install 'freerouter-llm\[socks\]'"),
        ("gopher://u:hunter2@127.0.0.1:9", "is not an address of a proxy"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_told_without_its_password(
    proxy: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    transport = Transport()

    with pytest.raises(TransportFailed, match=words) as raised:
        await get(transport, Account("p", "https://far.test/v1", "sk-mine"))

    assert "hunter2" not in str(raised.value)


async def test_few_connections_are_opened_at_once() -> None:
    """A server that takes nobody: of all that ask, few hold a socket. Two thousand that began at
    once were all too late, were tried again, and nobody was answered."""
    import aiohttp

    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
    pool = aiohttp_transport.AiohttpPool(aiohttp, connect=0.5, read=1.0, idle=1.0)
    before = open_sockets()
    asked = [
        asyncio.ensure_future(pool.send("GET", url, (), None, False))
        for _ in range(aiohttp_transport.MAX_OPENING + 50)
    ]
    try:
        while open_sockets() < before + aiohttp_transport.MAX_OPENING:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        # The backlog takes one or two, which make room for the next.
        assert open_sockets() <= before + aiohttp_transport.MAX_OPENING + 2
    finally:
        for request in asked:
            request.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await pool.close()
        full.close()
