"""The service as its clients see it: OpenAI's SDK, LangChain's ChatOpenAI, and plain HTTP."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import fastapi
import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr
from starlette.testclient import TestClient

from freerouter_core import Router
from freerouter_core.apps import rest
from freerouter_core.apps.cli.server import listen
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import listening

from ..conftest import Serve

MODELS = [
    SimModel("acme/a:free", first_token=0.0, speed=1e6, script=["502"]),
    SimModel("acme/b:free", first_token=0.0, speed=1e6, context=8_192),
    SimModel("acme/paid", prompt_price="0.000001", completion_price="0.000002"),
]


@pytest.fixture
def world() -> Iterator[World[Clock]]:
    with World(MODELS, clock="real") as world:
        yield world


@pytest.fixture
def address(world: World[Clock]) -> Iterator[str]:
    with listening(rest.app(world.router(model="acme/a:free"))) as address:
        yield address


@pytest.fixture
def client(world: World[Clock]) -> Iterator[TestClient]:
    with TestClient(rest.app(world.router()), raise_server_exceptions=False) as client:
        yield client


class City(BaseModel):
    name: str
    inhabitants: int


def weather(city: str) -> str:
    """The weather in a city."""
    return "fine"


def test_the_openai_sdk_works(address: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as sdk:
        request: Any = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
        whole = sdk.chat.completions.create(**request)
        chunks = list(
            sdk.chat.completions.create(
                **request, stream=True, stream_options={"include_usage": True}
            )
        )
        models = [model.id for model in sdk.models.list()]

    assert whole.model == "acme/b:free"
    assert whole.choices[0].finish_reason == "stop"
    attempts = (whole.model_extra or {})["freerouter"]["attempts"]
    assert [attempt["fault"] for attempt in attempts] == ["busy", None]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.endswith("You said: hello")
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert models[0] == "auto"
    assert {"acme/a:free", "acme/b:free"} <= set(models)


def test_langchain_chat_openai_works(address: str) -> None:
    key = SecretStr("any")
    llm = ChatOpenAI(base_url=f"{address}/v1", api_key=key, model="auto", max_retries=0)

    assert llm.with_structured_output(City).invoke(
        "Tell me about Lisbon, with 545796 inhabitants"
    ) == City(name="Lisbon", inhabitants=545796)
    bound = llm.bind_tools([weather])
    assert bound.invoke("What is the weather in Lisbon?").tool_calls[0]["args"] == {
        "city": "Lisbon"
    }
    merged: Any = None
    for chunk in bound.stream("What is the weather in Lisbon?"):
        merged = chunk if merged is None else merged + chunk
    assert merged.tool_calls[0]["args"] == {"city": "Lisbon"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"messages": []}, 400),
        ({"messages": "hello"}, 400),
        ([], 400),
        ({"messages": [{"role": "user", "content": "x"}], "n": 0}, 400),
        ({"messages": [{"role": "user", "content": "x"}], "model": 7}, 400),
        ({"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "xml"}}, 400),
        ({"messages": [{"role": "user", "content": "x" * 2_000_000}]}, 400),
        ({"messages": [{"role": "user", "content": "x" * 11_000_000}]}, 413),
    ],
)
def test_a_wrong_request_is_an_error_in_openais_shape(
    client: TestClient, body: Any, status: int
) -> None:
    response = client.post("/v1/chat/completions", json=body)

    assert response.status_code == status, response.text[:300]
    assert set(response.json()["error"]) >= {"message", "type", "code"}


def test_other_content_types_paths_and_sizes_are_refused(client: TestClient) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]})

    assert (
        client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "text/plain"}
        ).status_code
        == 415
    )
    assert (
        client.post(
            "/v1/chat/completions", content="{", headers={"content-type": "application/json"}
        ).status_code
        == 400
    )
    assert client.get("/v1/nothing").json()["error"]["code"] == 404

    def endless() -> Iterator[bytes]:
        for _ in range(12):
            yield b"x" * 1_000_000

    headers = {"content-type": "application/json"}
    assert (
        client.post("/v1/chat/completions", content=endless(), headers=headers).status_code == 413
    )


HOST = "http://localhost:8080"


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("POST", "/chat/completions", f"must end in /v1: {HOST}/v1"),
        ("POST", "/embeddings", f"must end in /v1: {HOST}/v1"),
        ("GET", "/models", f"must end in /v1: {HOST}/v1"),
        ("POST", "/messages", f"Anthropic's path is /v1/messages: the base URL is {HOST}"),
        ("POST", "/v1/v1/messages", f"twice: the client adds it itself, so its base URL is {HOST}"),
        ("POST", "/v1/v1/chat/completions", "twice"),
        ("POST", "/v1/chat/completions/chat/completions", "a path of its own too many"),
        ("POST", "/v1/messages/v1/messages", "a path of its own too many"),
        ("POST", "/openai/deployments/gpt-5/chat/completions", "Azure's paths are not served"),
        ("POST", "/openai/v1/chat/completions", "Azure's paths are not served"),
        ("POST", "/v1beta/models/auto:generateContent", "Gemini's API is not served"),
        ("POST", "/v1/batches", "`freerouter bulk`"),
        ("POST", "/v1/files", "`freerouter bulk`"),
        ("POST", "/v1/messages/batches", "`freerouter bulk`"),
        ("POST", "/v1/images/generations", "text only"),
        ("POST", "/v1/audio/speech", "text only"),
        ("POST", "/v1/threads", "/v1/responses has conversations"),
        ("GET", "/v1", f"{HOST}/v1 for clients of OpenAI"),
        ("GET", "/nope", f"and {HOST} for those of Anthropic and Ollama"),
        ("POST", "/api/pull", "of Ollama's API there are /api/chat, /api/generate"),
        ("POST", "/api/v1/nope", f"{HOST}/api/v1 for those of OpenRouter"),
        ("GET", "/" + "x" * 5_000, "/xxx"),
    ],
)
def test_what_is_not_served_says_what_to_do(
    method: str, path: str, told: str, world: World[Clock]
) -> None:
    with TestClient(rest.app(world.router()), base_url=HOST) as client:
        response = client.request(method, path)

    assert response.status_code == 404
    assert told in response.text
    assert len(response.text) < 500


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/v1/chat/completions", "/v1/chat/completions takes POST, not GET"),
        ("PUT", "/v1/models", "/v1/models takes GET, not PUT"),
        ("GET", "/api/chat", "/api/chat takes POST, not GET"),
        ("GET", "/v1/messages", "/v1/messages takes POST, not GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    method: str, path: str, told: str, client: TestClient
) -> None:
    response = client.request(method, path)

    assert response.status_code == 405
    assert response.headers["allow"]
    assert told in response.text


JSON_TYPE, FORM = "application/json", "application/x-www-form-urlencoded"
PAGE, OWN_PAGE = {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-origin"}


@pytest.mark.parametrize(
    ("path", "content_type", "more", "status"),
    [
        ("/v1/chat/completions", JSON_TYPE, {}, 200),
        ("/v1/chat/completions", "APPLICATION/Json; Charset=utf-8", {}, 200),
        ("/v1/chat/completions", FORM, {}, 415),
        ("/v1/chat/completions", None, {}, 415),
        ("/v1/messages", FORM, {}, 415),
        ("/api/chat", JSON_TYPE, {}, 200),
        ("/api/chat", FORM, {}, 200),  # curl -d
        ("/api/chat", "text/plain", {}, 200),
        ("/api/chat", None, {}, 200),
        ("/api/chat", None, {"sec-fetch-site": "none"}, 200),
        ("/api/chat", FORM, OWN_PAGE, 415),
        ("/api/chat", JSON_TYPE, OWN_PAGE, 200),
        ("/api/chat", "text/plain", PAGE, 415),
        ("/api/chat", "text/plain", {"origin": "http://evil.test"}, 415),
        ("/api/chat", None, {"origin": "null"}, 415),
        ("/api/v1/chat/completions", FORM, {}, 415),
    ],
)
def test_a_body_of_another_type_is_read_for_ollamas_clients_only(
    path: str, content_type: str | None, more: dict[str, str], status: int, world: World[Clock]
) -> None:
    application = fastapi.FastAPI()  # one of the user's own, which refuses no page
    application.include_router(rest.api(lambda: world.router()))
    body = {"messages": [{"role": "user", "content": "x"}], "stream": False, "max_tokens": 9}
    headers = {"content-type": content_type} if content_type else {}
    with TestClient(application) as client:
        response = client.post(path, content=json.dumps(body).encode(), headers=headers | more)

    assert response.status_code == status, response.text


def test_a_body_that_is_compressed_is_refused_by_that_name(client: TestClient) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    for path in ("/v1/chat/completions", "/v1/embeddings", "/api/chat"):
        for encoding, content, status in (
            ("gzip", gzip.compress(body), 415),
            ("br", b"x", 415),
            ("identity", b"[]", 400),
        ):
            headers = {"content-type": "application/json", "content-encoding": encoding}
            response = client.post(path, content=content, headers=headers)
            assert response.status_code == status, response.text
            assert ("Content-Encoding" in response.text) is (status == 415)


@pytest.mark.parametrize(
    ("names", "allow_paid", "asked"),
    [
        ((), False, "acme/b:free"),
        (["claude-*=acme/a:free"], False, "acme/a:free"),
        (["claude-*=acme/c:free", "claude-haiku-*=acme/a:free"], False, "acme/c:free"),
        ((), True, "claude-haiku-4-5"),
    ],
)
def test_names_of_clients_are_mapped(names: list[str], allow_paid: bool, asked: str) -> None:
    models = [SimModel(f"acme/{name}:free", first_token=0.0) for name in "abc"]
    with World(models, clock="real") as world:
        router = world.router(model="acme/b:free", allow_paid=allow_paid)
        with TestClient(rest.app(router, names=names)) as client:
            body = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x"}]}
            client.post("/v1/chat/completions", json=body)

        assert world.asked[0] == asked


def test_a_failure_has_its_status_and_a_rate_limit_its_retry_after() -> None:
    limited = World([SimModel("a/x:free", script=["429-retry-after"] * 9)], clock="real")
    cases: list[tuple[World[Clock], dict[str, Any], int]] = [
        (limited, {"timeout": 2.0}, 429),
        (World([SimModel("a/x:free", script=["401"] * 9)], clock="real"), {}, 502),
        (World([SimModel("a/x:free", script=["hang"] * 9)], clock="real"), {"timeout": 0.3}, 504),
        (
            World([SimModel("a/x:free", tools=False)], clock="real"),
            {"capabilities": ("tools",)},
            503,
        ),
    ]
    for world, options, status in cases:
        with world, TestClient(rest.app(world.router(**options))) as client:
            for streamed in (False, True):
                body = {"messages": [{"role": "user", "content": "x"}], "stream": streamed}
                response = client.post("/v1/chat/completions", json=body)
                assert response.status_code == status, response.text
                assert "sk-simulated" not in response.text
            if status == 429:
                assert int(response.headers["retry-after"]) >= 1


def test_a_broken_stream_ends_with_an_error_event() -> None:
    with (
        World([SimModel("a/x:free", script=["mid-stream-error"])], clock="real") as world,
        TestClient(rest.app(world.router(fallback_models=(), model="a/x:free"))) as client,
    ):
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        lines = [
            line
            for line in client.post("/v1/chat/completions", json=body).text.split("\n\n")
            if line
        ]

    assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == "StreamBroken"
    assert lines[-1] == "data: [DONE]"


def test_a_client_that_disconnects_cancels_the_request(serve: Serve) -> None:
    slow = World(
        [SimModel("a/x:free", first_token=0.0, speed=30.0, says=lambda request: "word " * 3_000)],
        clock="real",
    )
    with slow, listening(rest.app(slow.router())) as address:
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        with httpx.stream("POST", f"{address}/v1/chat/completions", json=body) as response:
            next(response.iter_lines())
        in_flight = slow.runtime.state.health.in_flight
        other = httpx.Client(timeout=5.0)
        for _ in range(200):
            if not in_flight:
                break
            other.get(f"{address}/health")
        other.close()

        assert not in_flight


def test_every_path_but_health_needs_the_token(world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(), token="let-me-in")) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert (
            client.get("/v1/models", headers={"authorization": "Bearer let-me-in"}).status_code
            == 200
        )
        assert client.get("/health").status_code == 200


def test_the_paths_under_api_v1_answer(client: TestClient) -> None:
    free = client.get("/api/v1/models/free").json()
    cheap = client.get("/api/v1/models/affordable", params={"max_cost_per_token": 0.00001}).json()
    recommended = client.get("/api/v1/recommend", params={"text": "write code"}).json()[
        "recommendations"
    ]

    assert {row["id"] for row in free["models"]} == {"acme/a:free", "acme/b:free"}
    assert "acme/paid" in {row["id"] for row in cheap["models"]}
    assert (
        client.get("/api/v1/models/affordable", params={"max_cost_per_token": -1}).status_code
        == 422
    )
    assert len(recommended) == 2
    assert client.post("/api/v1/models/refresh").json()["listed"] == 3
    quota = client.get("/api/v1/quota").json()
    assert quota.pop("seen") > 0
    assert quota == {"lines": [], "waits": {}, "in_line": {}, "plans": []}
    assert client.get("/api/v1/performance").json()["hours"] == 24.0
    assert client.get("/api/v1/explain", params={"text": "x"}).json()["candidates"]
    assert client.get("/api/v1/stats").json()["free"] == 2
    assert client.get("/health").json()["usable"] == 2


def test_the_filter_changes_which_models_are_listed_and_asked(client: TestClient) -> None:
    path = "/api/v1/models/openrouter/filter"

    assert "acme/paid" in client.post(path, json={"show_free_only": False}).json()["models"]
    assert client.post(path, json={"show_free_only": True, "min_context": 100_000}).json()[
        "models"
    ] == ["acme/a:free"]
    assert client.post(path, json={"allow_paid": True}).status_code == 400, (
        "a filter cannot allow paying"
    )
    assert client.post(path, json={"min_context": "many"}).status_code == 400
    assert client.post(path, json=[1]).status_code == 400


def test_a_filter_changes_no_other_router(world: World[Clock]) -> None:
    router, other = world.router(), world.router()
    assert router == other
    current = router.set_filter(min_context=100_000)

    assert current["min_context"] == 100_000
    assert [model.id for model in router.explain().candidates] == ["acme/a:free"]
    assert len(other.explain().candidates) == 2
    assert Router() == Router()


def test_metrics_count_requests_in_prometheus_format(client: TestClient) -> None:
    client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]})
    client.post(
        "/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "x"}], "stream": True},
    )
    text = client.get("/metrics").text

    assert 'freerouter_requests_total{outcome="answered"} 2.0' in text
    assert "freerouter_first_token_seconds_count" in text
    assert "freerouter_usable_models 1.0" in text
    assert "freerouter_catalogue_age_seconds" in text


def test_the_paths_work_inside_another_application(
    world: World[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = fastapi.FastAPI()
    application.include_router(rest.router, prefix="/ai")
    monkeypatch.setenv("DEV_MODE", "true")
    rest._shared.clear()
    with TestClient(application) as client:
        response = client.post(
            "/ai/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]}
        )
    rest._shared.clear()

    assert "simulated" in response.json()["choices"][0]["message"]["content"]


def test_a_caller_cannot_choose_the_providers(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_somekeysomekey")
    path = "/api/v1/models/openrouter/filter"
    for changes in (
        {"providers": "all"},
        {"providers": ["groq"]},
        {"capabilities": ["nope"]},
        {"min_context": 10**26},
    ):
        assert client.post(path, json=changes).status_code == 400
    assert (
        client.post(
            path, content='{"min_quality": NaN}', headers={"content-type": "application/json"}
        ).status_code
        == 400
    )

    assert client.get("/health").json()["providers"] == ["openrouter"]
    assert (
        client.post(
            "/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]}
        ).status_code
        == 200
    )


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_disconnects_before_the_first_token_cancels_the_request(
    streamed: bool,
) -> None:
    silent = World([SimModel(f"m{n}/x:free", script=["hang"] * 9) for n in range(4)], clock="real")
    with silent, listening(rest.app(silent.router(timeout=60.0, hedge="off"))) as address:
        body = {"messages": [{"role": "user", "content": "x"}], "stream": streamed}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/chat/completions", json=body, timeout=0.5)
        with httpx.Client(timeout=5.0) as other:
            for _ in range(200):
                if not silent.runtime.state.health.in_flight:
                    break
                other.get(f"{address}/health")

        assert not silent.runtime.state.health.in_flight
        assert len(silent.requests) == 1


def test_pages_of_other_sites_are_refused(world: World[Clock]) -> None:
    with TestClient(
        rest.app(world.router(), hosts=("localhost", "::1")), base_url="http://localhost:8080"
    ) as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get("/v1/models", headers={"host": "[::1]:8080"}).status_code == 200
        assert client.get("/v1/models", headers={"host": "evil.example"}).status_code == 403
        assert (
            client.get("/v1/models", headers={"origin": "http://evil.example"}).status_code == 403
        )
        assert (
            client.get("/v1/models", headers={"origin": "http://localhost:8080"}).status_code == 200
        )


def test_the_token_protects_every_path_and_its_scheme_ignores_case(world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(), token="sécret")) as client:
        for path in ("/docs", "/openapi.json", "/redoc", "/v1/models"):
            assert client.get(path).status_code == 401, path
        for header, status in (
            ("bearer sécret", 200),
            ("BEARER sécret", 200),
            ("sécret", 401),
            ("Basic sécret", 401),
        ):
            assert (
                client.get("/v1/models", headers={b"authorization": header.encode()}).status_code
                == status
            ), header


def test_errors_keep_their_shape_inside_another_application(world: World[Clock]) -> None:
    application = fastapi.FastAPI()
    application.include_router(rest.api(lambda: world.router()))
    with TestClient(application) as client:
        path = "/api/v1/models/openrouter/filter"
        assert client.post(path, json=[1]).status_code == 400
        assert client.get("/api/v1/recommend").json()["error"]["code"] == 422
        big = {"messages": [{"role": "user", "content": "x" * 11_000_000}]}
        assert client.post("/v1/chat/completions", json=big).status_code == 413


@pytest.mark.parametrize(
    "fields",
    [
        {"functions": [{"name": "f"}]},
        {"logprobs": True},
        {"stream": "false"},
        {"response_format": "json_object"},
        {"models": ["a/b"]},
        {"plugins": [{"id": "web"}]},
    ],
)
def test_unsupported_fields_that_change_the_meaning_are_refused(
    client: TestClient, fields: dict[str, Any]
) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], **fields}

    assert client.post("/v1/chat/completions", json=body).status_code == 400


def test_provider_preferences_are_passed_on(client: TestClient, world: World[Clock]) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "provider": {"data_collection": "deny"}}
    client.post("/v1/chat/completions", json=body)

    assert world.requests[-1].body["provider"]["data_collection"] == "deny"


def test_a_request_that_is_nested_too_deeply_is_refused(client: TestClient) -> None:
    schema = '{"type": "object", "properties": {"a": ' * 450 + "{}" + "}}" * 450
    response_format = (
        f'{{"type": "json_schema", "json_schema": {{"name": "n", "schema": {schema}}}}}'
    )
    messages = '[{"role": "user", "content": "x"}]'
    body = f'{{"messages": {messages}, "response_format": {response_format}}}'
    response = client.post(
        "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 400
    assert "nested too deeply" in response.json()["error"]["message"]


@pytest.mark.parametrize("hours", ["nan", "inf", "-1", "1e300"])
def test_odd_hours_do_not_break_the_store(
    client: TestClient, world: World[Clock], hours: str
) -> None:
    response = client.get("/api/v1/performance", params={"hours": hours})

    assert response.status_code == (200 if hours == "1e300" else 400)


def test_metrics_count_the_seconds_of_waits() -> None:
    limited = World([SimModel("a/x:free", script=["429-retry-after"], first_token=0.0)])
    with limited:
        from freerouter_core.apps.metrics import Metrics

        router = limited.router()
        metrics = Metrics(router)
        router.chat("x")
        router.flush()
        metrics.close()

    assert metrics.registry.get_sample_value("freerouter_waits_seconds_total") == pytest.approx(
        7.0, abs=1.0
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_no_part_of_a_response_waits_for_the_client(host: str) -> None:
    """Each write goes out at once. A response is two; the second would wait 40 ms."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener, _ = listen(host, 0)
    server = await asyncio.start_server(handle, sock=listener)
    async with server:
        _, writer = await asyncio.open_connection(host, listener.getsockname()[1])
        assert await accepted
        writer.close()
        await writer.wait_closed()
