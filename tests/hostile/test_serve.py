"""The service among clients that are slow, deaf, many, or the pages of other sites."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from freerouter_core.apps import rest
from freerouter_core.apps.http import bounds, connections, route
from freerouter_core.apps.http.bounds import BoundsMiddleware
from freerouter_core.apps.http.connections import bounded_protocol, most_connections
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.simulator.server import listening
from freerouter_core.wire.json_values import Json

ASK = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
QUICK = SimModel("acme/a:free", first_token=0.0, speed=1e6)


@pytest.fixture
def world() -> Iterator[World[Clock]]:
    with World([QUICK], clock="real") as world:
        yield world


def connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=20.0)


def read_all(connection: socket.socket) -> bytes:
    """What the server sends until it closes the connection. Fails after 20 s."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def request_head(path: str, length: int = 0, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


# -- connections ---------------------------------------------------------------------------------


def test_connections_that_ask_nothing_stop_nobody(world: World[Clock]) -> None:
    with listening(rest.app(world.router()), http=bounded_protocol(most=16)) as address:
        idle = [connect(address) for _ in range(64)]
        with httpx.Client() as client:
            answer = client.post(f"{address}/v1/chat/completions", json=ASK, timeout=20.0)
            assert answer.status_code == 200
            for _ in range(5):  # a client that asks keeps its connection meanwhile
                assert client.get(f"{address}/health").status_code == 200
        closed = [read_all(connection) for connection in idle[:32]]
        assert closed == [b""] * 32
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
@pytest.mark.parametrize("after_a_response", [False, True])
def test_headers_that_never_end_end_the_connection(
    sent: bytes, after_a_response: bool, world: World[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.3)
    app = rest.app(world.router())
    options: dict[str, Any] = {"http": bounded_protocol(), "timeout_keep_alive": 60}
    with listening(app, **options) as address, connect(address) as connection:
        if after_a_response:
            connection.sendall(b"GET /docs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        connection.sendall(sent)
        received = read_all(connection)
    assert received.count(b"HTTP/1.1 200") == int(after_a_response)


def test_an_answer_may_take_longer_than_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.2)
    slow = SimModel("acme/a:free", first_token=0.8, speed=1e6)
    with (
        World([slow], clock="real") as world,
        listening(rest.app(world.router(hedge="off")), http=bounded_protocol()) as address,
    ):
        answer = httpx.post(f"{address}/v1/chat/completions", json=ASK, timeout=20.0)
    assert answer.status_code == 200


OFFERS = {
    "HTTP/2 by Java's client": (
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    ),
    "a web socket": "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "TLS": "Connection: keep-alive, upgrade\r\nUpgrade: TLS/1.3, HTTP/1.1\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_an_offer_to_upgrade_is_ignored(offer: str, world: World[Clock]) -> None:
    body = json.dumps(ASK).encode()
    head = request_head("/v1/chat/completions", len(body), offer)
    last = request_head("/v1/chat/completions", len(body), "Connection: close\r\n")
    app = rest.app(world.router())
    with listening(app, http=bounded_protocol()) as address, connect(address) as connection:
        for piece in (head[:90], head[90:], body, last + body):  # and the connection stays in use
            connection.sendall(piece)
        received = read_all(connection)
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.count(b"You said: hello") == 2


def test_a_client_of_http_1_0_gets_no_chunks(world: World[Clock]) -> None:
    body = json.dumps({**ASK, "stream": True}).encode()
    head = request_head("/v1/chat/completions", len(body)).replace(b"HTTP/1.1", b"HTTP/1.0")
    app = rest.app(world.router())
    with listening(app, http=bounded_protocol()) as address, connect(address) as connection:
        connection.sendall(head + body)
        received = read_all(connection)
    assert b"transfer-encoding" not in received.lower()
    assert received.partition(b"\r\n\r\n")[2].startswith(b"data: {")


def test_a_body_that_never_ends_is_given_up(
    world: World[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "BODY_TIMEOUT", 0.3)
    app = rest.app(world.router())
    with listening(app, http=bounded_protocol()) as address, connect(address) as connection:
        connection.sendall(request_head("/v1/chat/completions", 1_000) + b'{"model"')
        received = read_all(connection)
    assert b"HTTP/1.1 408" in received
    assert b"the body did not come within 0.3 s" in received
    assert b"x-request-id: req-" in received


def test_a_body_that_is_not_wanted_holds_no_connection(
    world: World[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is refused by its headers, whose body trickles in for ever."""
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.3)
    app = rest.app(world.router(), token="let-me-in")
    with listening(app, http=bounded_protocol()) as address, connect(address) as connection:
        connection.sendall(request_head("/v1/chat/completions", 1_000_000) + b"{")
        received = read_all(connection)
    assert b"HTTP/1.1 401" in received


async def test_a_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SEND_TIMEOUT", 0.05)
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            ended.append("the stream is closed")

    async def deaf(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError

    middleware = BoundsMiddleware(app)
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    async with asyncio.timeout(20):
        await middleware(scope, receive, deaf)
    assert ended
    assert middleware._running == 0


def test_a_process_keeps_files_for_its_models() -> None:
    assert 16 <= most_connections() <= connections.MOST_CONNECTIONS


# -- too many requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "wait"),
    [([], 60), ([0.0], 60), ([990.0], 10), ([998.0, 999.0, 999.5], 1), ([945.0, 990.0], 28)],
)
def test_the_next_place_is_told_by_how_often_requests_end(ended: list[float], wait: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    middleware = BoundsMiddleware(app, most=1)
    middleware._ended.extend(ended)

    assert middleware._next_place(1_000.0) == wait


def test_more_requests_than_are_served_are_told_when_to_come_back(world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(), most=1)) as client:
        assert client.post("/v1/chat/completions", json=ASK).status_code == 200
    with TestClient(rest.app(world.router(), most=0)) as client:
        refused = client.post("/v1/chat/completions", json=ASK)
        health = client.get("/health")

    assert (refused.status_code, health.status_code) == (429, 200)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["message"].startswith("at most 0 requests at once")
    assert refused.headers["x-request-id"].startswith("req-")


def test_a_line_that_is_too_long_is_told_with_a_wait_that_one_can_rely_on() -> None:
    world = World([SimModel("a/x:free")], [SimAccount("sk-simulated", per_minute=20)])
    with world, TestClient(rest.app(world.router(max_wait=10.0))) as client:
        answers = [client.post("/v1/chat/completions", json=ASK) for _ in range(21)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        wait = int(answers[-1].headers["retry-after"])
        assert wait > 10
        world.clock.advance(wait)
        assert client.post("/v1/chat/completions", json=ASK).status_code == 200


# -- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123", True), ("Root=1-5e/x:7.0", True), ("", False), ("a b", False), ("x" * 129, False),
     ("a\tb", False)],
)  # fmt: skip
def test_each_response_names_its_request(given: str, kept: bool, world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(), token="t"), raise_server_exceptions=False) as client:
        for path in ("/health", "/v1/models", "/nowhere"):
            ident = client.get(path, headers={"x-request-id": given}).headers["x-request-id"]
            assert ident == given if kept else re.fullmatch("req-[0-9a-f]{32}", ident)


# -- pages of other sites ------------------------------------------------------------------------

HOST = "localhost:8080"
SAME = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/health", {}, 200),
        ("GET", "/health", SAME, 200),
        ("GET", "/health", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ("GET", "/health", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ("GET", "/health", {"sec-fetch-site": "same-site"}, 403),
        ("GET", "/api/v1/explain", {"sec-fetch-site": "cross-site"}, 403),
        ("GET", "/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ("GET", "/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ("POST", "/api/v1/models/refresh", {"sec-fetch-site": "cross-site"}, 403),
        ("POST", "/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
        ("GET", "/health", {"origin": "http://evil.test"}, 403),
        ("GET", "/health", {"origin": "null"}, 403),
        ("GET", "/health", {"origin": "http://localhost:9090"}, 403),
        ("GET", "/health", {"origin": f"{HOST}.evil.test"}, 403),
        ("GET", "/health", {"host": "evil.test"}, 403),
        ("GET", "/health", {"host": "localhost.evil.test"}, 403),
        ("GET", "/health", {"host": "host.docker.internal:8080"}, 200),
        ("GET", "/health", {"host": "Host.Docker.Internal"}, 200),
        ("GET", "/health", {"origin": "app://obsidian.md"}, 200),
        ("GET", "/health", {"origin": "app://obsidian.md", "sec-fetch-site": "cross-site"}, 200),
        ("GET", "/health", {"origin": "app://obsidian.md.evil"}, 403),
    ],
)
def test_only_admitted_sites_and_names_are_answered(
    method: str, path: str, headers: dict[str, str], status: int, world: World[Clock]
) -> None:
    app = rest.app(
        world.router(),
        hosts=("localhost", "host.docker.internal"),
        origins=("app://obsidian.md",),
    )
    with TestClient(app, base_url=f"http://{HOST}") as client:
        response = client.request(method, path, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert "--allow-" in response.json()["error"]["message"]


def test_an_admitted_app_may_read_its_answers(world: World[Clock]) -> None:
    app = rest.app(world.router(), token="t", origins=("app://obsidian.md",))
    with TestClient(app, base_url=f"http://{HOST}") as client:
        for origin, allowed in (("app://obsidian.md", True), ("http://evil.test", False)):
            preflight = client.options(
                "/v1/chat/completions",
                headers={
                    "origin": origin,
                    "access-control-request-method": "POST",
                    "access-control-request-headers": "authorization,content-type",
                },
            )
            names = {"origin": origin, "authorization": "Bearer t"}
            answer = client.post("/v1/chat/completions", json=ASK, headers=names)
            assert (preflight.status_code == 200) is allowed
            assert (answer.status_code == 200) is allowed
            got = answer.headers.get("access-control-allow-origin")
            assert got == (origin if allowed else None)
    with TestClient(rest.app(world.router()), base_url=f"http://{HOST}") as client:
        answer = client.get("/health", headers=SAME)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer t0ken"}, 200),
        ({"x-api-key": "t0ken"}, 200),
        ({"x-api-key": "other"}, 401),
        ({"x-api-key": ""}, 401),
        ({"api-key": "t0ken"}, 200),
        ({"api-key": "other"}, 401),
        ({"x-goog-api-key": "t0ken"}, 200),
        ({"x-goog-api-key": "t0ken", "authorization": "Bearer other"}, 200),
        ({"authorization": "t0ken"}, 401),
        ({"authorization": "Basic t0ken"}, 401),
    ],
)
def test_a_token_comes_in_any_of_the_headers_that_clients_use(
    headers: dict[str, str], status: int, world: World[Clock]
) -> None:
    with TestClient(rest.app(world.router(), token="t0ken")) as client:
        assert client.get("/v1/models", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/v1/models", "/v1/messages", "/api/tags", "/nope"])
def test_a_wrong_token_is_told_from_none(path: str, world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(), token="t0ken")) as client:
        none = client.get(path)
        wrong = client.get(path, headers={"authorization": "Bearer secret-of-another"})

    assert none.status_code == wrong.status_code == 401
    assert "a token is needed" in none.text
    assert "not one of this service's" in wrong.text
    for answer in (none, wrong):
        assert "FREEROUTER_SERVE_TOKEN" in answer.text
        assert "secret-of-another" not in answer.text
        assert "t0ken" not in answer.text


@pytest.mark.parametrize("path", ["/", "/health", "/api/v1/health", "/v1/models", "/api/version"])
def test_head_is_get_without_a_body(path: str, world: World[Clock]) -> None:
    with listening(rest.app(world.router()), http=bounded_protocol()) as address:
        whole, head = httpx.get(f"{address}{path}"), httpx.head(f"{address}{path}")

    assert head.status_code == whole.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_head_needs_the_token_where_get_does(world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(), token="t0ken")) as client:
        statuses = [client.head(path).status_code for path in ("/", "/health", "/v1/models")]

    assert statuses == [200, 200, 401]


def test_no_page_of_the_service_loads_anything_from_elsewhere(world: World[Clock]) -> None:
    with TestClient(rest.app(world.router())) as client:
        pages = {path: client.get(path) for path in ("/", "/docs", "/redoc")}
    assert pages["/redoc"].status_code == 404
    assert "/v1/chat/completions" in pages["/docs"].text
    assert "<script" not in pages["/docs"].text
    for path in ("/", "/docs"):
        policy = pages[path].headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", pages[path].text)


# -- files of the machine ------------------------------------------------------------------------

FILE = "file:///etc/hostname"


def message(*parts: Any) -> Any:
    return [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, *parts]}]


def asked_of_a_server(path: str, body: Any) -> tuple[Any, list[Json]]:
    """(the response, the bodies that a model which sees was sent)."""
    sees = SimModel("acme/sees:free", inputs=("text", "image", "file"), first_token=0.0, speed=1e6)
    with (
        World([sees], clock="real") as world,
        TestClient(rest.app(world.router()), raise_server_exceptions=False) as client,
    ):
        response = client.post(path, json={"model": "auto", **body})
        return response, [seen.body for seen in world.requests if seen.body.get("messages")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions",
         {"messages": message({"type": "image_url", "image_url": {"url": FILE}})}),
        ("/v1/chat/completions",
         {"messages": message({"type": "file", "file": {"file_data": FILE}}), "stream": True}),
        ("/v1/chat/completions",
         {"messages": message({"type": "video_url", "video_url": {"url": FILE}})}),
    ],
)  # fmt: skip
def test_no_client_makes_a_local_server_read_a_file(path: str, body: Any) -> None:
    refused, asked = asked_of_a_server(path, body)

    assert refused.status_code == 400
    assert "neither data: nor http(s)" in refused.text
    assert not asked


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": message({"type": "input_image", "image_url": FILE})}),
        ("/v1/responses", {"input": message({"type": "input_file", "file_url": FILE})}),
        ("/v1/messages",
         {"max_tokens": 9,
          "messages": message({"type": "image", "source": {"type": "url", "url": FILE}})}),
        ("/v1/messages",
         {"max_tokens": 9,
          "messages": message({"type": "document", "source": {"type": "url", "url": FILE}})}),
        ("/api/chat",
         {"stream": False, "messages": [{"role": "user", "content": "x", "images": [FILE]}]}),
        ("/v1/responses", {"input": message({"type": "input_image", "image_url": {"url": FILE}})}),
    ],
)  # fmt: skip
def test_the_address_of_a_file_goes_to_no_server_but_in_words(path: str, body: Any) -> None:
    response, asked = asked_of_a_server(path, body)

    assert response.status_code == 200
    for sent in asked:
        assert isinstance(sent["messages"][-1]["content"], str)
        assert f"{FILE} was left out" in sent["messages"][-1]["content"]
    assert asked


# -- callers with tokens of their own ------------------------------------------------------------


def test_no_caller_changes_the_filter_of_others(world: World[Clock]) -> None:
    path, change = "/api/v1/models/openrouter/filter", {"min_context": 10_000_000}
    with TestClient(rest.app(world.router(), token=["ada", "bob"])) as client:
        client.headers["authorization"] = "Bearer ada"
        refused = client.post(path, json=change)
        client.headers["authorization"] = "Bearer bob"
        assert client.post("/v1/chat/completions", json=ASK).status_code == 200
    with TestClient(rest.app(world.router(), token="ada")) as client:
        client.headers["authorization"] = "Bearer ada"
        assert client.post(path, json=change).json()["models"] == []

    assert refused.status_code == 403
