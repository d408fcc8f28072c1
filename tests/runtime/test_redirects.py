"""Law 9: what is sent to a provider reaches no other host, whatever the provider answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from freerouter_core.catalogue.providers import Account
from freerouter_core.runtime.http import aiohttp_transport
from freerouter_core.runtime.http.transport import HttpClient, Transport


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on loopback that gives every request this answer: its port, and what it was sent."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heads.append(head)
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()


@pytest.fixture(params=["aiohttp", "httpx", "the user's client", "the user's transport"])
async def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[HttpClient | None]:
    """What sends the requests. The user's own client would follow redirects by itself."""
    import aiohttp  # noqa: F401  # loaded already, so that the first request goes through it

    client: HttpClient | None = None
    if request.param == "httpx":
        monkeypatch.setattr(aiohttp_transport, "supported", lambda: False)
    elif request.param == "the user's client":
        client = httpx.AsyncClient(follow_redirects=True)
    elif request.param == "the user's transport":
        client = httpx.AsyncHTTPTransport()
    yield client
    if client is not None:
        await client.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_an_answer_and_no_second_request(
    status: int, client: HttpClient | None
) -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (elsewhere, stolen):
        location = f"http://localhost:{elsewhere}/v1/chat/completions"
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        async with server(moved.encode()) as (port, requests):
            account = Account("openrouter", f"http://127.0.0.1:{port}/v1", "sk-mine")
            transport = Transport(client)
            async with transport.open(account, "POST", "/chat/completions", b"{}") as response:
                assert response.status == status
            await transport.close()

    assert len(requests) == 1
    assert b"sk-mine" in requests[0]
    assert stolen == []
