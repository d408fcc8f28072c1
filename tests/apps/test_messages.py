"""`/v1/messages` as Anthropic's SDK and Claude Code use it, over models that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import anthropic
import fastapi
import httpx
import pytest
from anthropic.types import Message, MessageParam
from pydantic import BaseModel
from starlette.testclient import TestClient

from freerouter_core.apps import rest
from freerouter_core.apps.http import messages
from freerouter_core.apps.http.choices import Piece
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import listening
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.messages.read import read_request

from ..storms import langchain_storm

WEATHER: Any = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
TIME: Any = {**WEATHER, "name": "clock", "description": "The time in a city."}
HELLO: MessageParam = {"role": "user", "content": "hello"}


class City(BaseModel):
    name: str
    inhabitants: int


@pytest.fixture
def world() -> Iterator[World]:
    with langchain_storm() as world:
        yield world


@pytest.fixture
def http(world: World) -> Iterator[TestClient]:
    app = rest.app(world.router(), token="t0ken")
    with TestClient(app, headers={"x-api-key": "t0ken"}) as client:
        yield client


@pytest.fixture
def sdk(http: TestClient) -> anthropic.Anthropic:
    return sdk_over(http)


def sdk_over(client: TestClient) -> anthropic.Anthropic:
    """Anthropic's SDK, which checks the shape of what it is answered."""
    return anthropic.Anthropic(
        base_url="http://testserver",
        api_key="t0ken",
        http_client=client,
        max_retries=0,
        _strict_response_validation=True,
    )


def ask(sdk: anthropic.Anthropic, streamed: bool, **fields: Any) -> Message:
    """A message, whole or put together by the SDK from its stream."""
    request: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 1_000, **fields}
    if not streamed:
        message: Message = sdk.messages.create(**request)
        return message
    with sdk.messages.stream(**request) as stream:
        return stream.get_final_message()


# -- the SDK ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_the_sdk_gets_answers_from_models_that_fail(
    sdk: anthropic.Anthropic, streamed: bool, world: World
) -> None:
    for _ in range(12):
        message = ask(sdk, streamed, system="Be brief.", messages=[HELLO])

        (block,) = message.content
        assert block.type == "text"
        assert block.text.endswith("You said: hello")
        assert message.stop_reason == "end_turn"
        assert message.usage.input_tokens > 0
        assert message.usage.output_tokens > 0
    assert any(seen.fate != "answer" for seen in world.requests)


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_in_three_rounds(
    sdk: anthropic.Anthropic, streamed: bool, world: World
) -> None:
    conversation: list[MessageParam] = []
    for city in ("Lisbon", "Oslo", "Paris"):
        conversation.append({"role": "user", "content": f"What is the weather in {city}?"})
        called = ask(sdk, streamed, messages=conversation, tools=[WEATHER, TIME])
        assert called.stop_reason == "tool_use"
        (call,) = [block for block in called.content if block.type == "tool_use"]
        assert (call.name, call.input) == ("weather", {"city": city})
        result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": f"fine in {city}"}
        conversation += [called.to_param(), {"role": "user", "content": [result]}]
        said = ask(sdk, streamed, messages=conversation, tools=[WEATHER, TIME])
        assert f"fine in {city}" in str(said.content)
        conversation.append(said.to_param())
    last = world.requests[-1].body["messages"]
    rounds = ["user", "assistant", "tool", "assistant"] * 3
    assert [message["role"] for message in last] == rounds[:-1]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_can_be_forced_and_forbidden(sdk: anthropic.Anthropic, streamed: bool) -> None:
    tools = [WEATHER, TIME]
    about: list[MessageParam] = [{"role": "user", "content": "Tell me about Lisbon"}]
    for choice in ({"type": "any"}, {"type": "tool", "name": "clock"}):
        forced = ask(sdk, streamed, messages=about, tools=tools, tool_choice=choice)
        assert forced.content[0].type == "tool_use"
    free = ask(sdk, streamed, messages=about, tools=tools, tool_choice={"type": "none"})
    assert free.content[0].type == "text"


def test_structured_output_is_parsed(sdk: anthropic.Anthropic) -> None:
    parsed = sdk.messages.parse(
        model="auto",
        max_tokens=100,
        messages=[{"role": "user", "content": "Tell me about Lisbon, with 545796 inhabitants"}],
        output_format=City,
    )

    assert parsed.parsed_output == City(name="Lisbon", inhabitants=545796)


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_come_to_who_asks_for_them_and_may_be_sent_back(streamed: bool) -> None:
    with (
        World([SimModel("acme/a:free", reasoning=True)]) as world,
        TestClient(rest.app(world.router())) as client,
    ):
        sdk = sdk_over(client)
        wish = {"type": "enabled", "budget_tokens": 1_024}
        thoughtful = ask(sdk, streamed, messages=[HELLO], thinking=wish)
        plain = ask(sdk, streamed, messages=[HELLO])
        ask(sdk, streamed, messages=[HELLO, thoughtful.to_param(), HELLO], thinking=wish)

        assert [block.type for block in thoughtful.content] == ["thinking", "text"]
        assert [block.type for block in plain.content] == ["text"]
        assert world.requests[0].body["reasoning"] == {"max_tokens": 1_024}
        returned = world.requests[-1].body["messages"][1]
        assert returned["content"].endswith("You said: hello")
        assert returned["reasoning_details"]  # the model that thought gets its thoughts back


def test_tokens_are_counted_with_all_that_costs_some(sdk: anthropic.Anthropic) -> None:
    """CLIProxyAPI#679 counted the text only, 9router#2337 no tool's result: clients then never
    shorten a conversation."""
    long = "word " * 400
    call = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": long}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "text", "text": long}],
    }
    asked: Any = {"model": "claude-sonnet-5", "messages": [HELLO]}

    def count(**more: Any) -> int:
        return sdk.messages.count_tokens(**{**asked, **more}).input_tokens

    least = count()
    assert 1 <= least < 20
    assert count(system=[{"type": "text", "text": long}]) > least + 400
    assert count(tools=[{**WEATHER, "description": long}]) > least + 400
    called: Any = [HELLO, {"role": "assistant", "content": [call]}]
    assert count(messages=called) > least + 400
    assert count(messages=[*called, {"role": "user", "content": [result]}]) > least + 800


def test_models_are_listed_as_anthropic_lists_them(sdk: anthropic.Anthropic) -> None:
    models = sdk.models.list(limit=1_000)

    assert [model.id for model in models] == ["auto", "a/m:free", "b/m:free", "c/m:free"]
    assert sdk.models.retrieve("a/m:free").display_name == "a/m:free"


# -- Claude Code -----------------------------------------------------------------------------------

CLAUDE_CODE: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "max_tokens": 32_000,
    "temperature": 1,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.208; cch=0;"},
        {
            "type": "text",
            "text": "You are Claude Code.",
            "cache_control": {"type": "ephemeral", "scope": "global"},
        },
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x"},
                                     {"type": "text", "text": "What is the weather in Lisbon?"}]},
        {"role": "system", "content": "The following agents are available: …"},
    ],
    "tools": [{**WEATHER, "eager_input_streaming": True, "cache_control": {"type": "ephemeral"}}],
    "metadata": {"user_id": '{"device_id":"d","session_id":"s"}'},
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
}  # fmt: skip
HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14",
    "x-app": "cli",
    "user-agent": "claude-cli/2.1.208 (external, cli)",
    "authorization": "Bearer t0ken",
}


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream, whose names are their types."""
    events = []
    for block in filter(None, text.split("\n\n")):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def test_a_request_of_claude_codes_is_served_as_it_comes(http: TestClient, world: World) -> None:
    response = http.post("/v1/messages?beta=true", json=CLAUDE_CODE, headers=HEADERS)

    events = events_of(response.text)
    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [block["type"] for block in blocks] == ["tool_use"]
    assert events[-1] == {"type": "message_stop"}
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert response.headers["content-type"].startswith("text/event-stream")
    sent = world.requests[-1].body["messages"]
    assert sent[0] == {"role": "system", "content": "You are Claude Code."}
    assert "cache_control" not in json.dumps(sent)
    counted = {
        k: v for k, v in CLAUDE_CODE.items() if k not in ("stream", "max_tokens", "metadata")
    }
    count = http.post("/v1/messages/count_tokens?beta=true", json=counted, headers=HEADERS)
    assert count.json()["input_tokens"] > 50


def test_its_small_requests_are_served_too(http: TestClient) -> None:
    """The title of a session, by its smallest model."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    body = {
        "model": "claude-haiku-4-5-20251001",
        "max_tokens": 32_000,
        "system": [{"type": "text", "text": "Make a title."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "tools": [],
        "thinking": {"type": "disabled"},
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }

    message = http.post("/v1/messages?beta=true", json=body, headers=HEADERS).json()

    assert json.loads(message["content"][0]["text"])["title"]


def test_a_search_at_anthropic_is_refused_by_name(http: TestClient, world: World) -> None:
    body = {**CLAUDE_CODE, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    response = http.post("/v1/messages?beta=true", json=body, headers=HEADERS)

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert "web_search_20250305" in response.json()["error"]["message"]
    assert not world.requests


def test_a_prompt_that_is_too_long_is_told_in_the_words_that_make_it_shorten() -> None:
    with (
        World([SimModel("a/m:free", context=8_192)]) as world,
        TestClient(rest.app(world.router())) as client,
        pytest.raises(anthropic.BadRequestError) as caught,
    ):
        ask(sdk_over(client), True, messages=[{"role": "user", "content": "word " * 20_000}])

    error: Any = caught.value.body
    words = error["error"]["message"]
    assert words.startswith("prompt is too long: ")
    assert words.endswith(" tokens > 8192 maximum")


# -- errors ----------------------------------------------------------------------------------------


def test_errors_have_anthropics_shape_wherever_they_arise(world: World) -> None:
    app = rest.app(world.router(), token="t", most=1)
    with TestClient(app, raise_server_exceptions=False) as client:
        known = {"x-api-key": "t"}
        cases = [
            (client.post("/v1/messages", json=CLAUDE_CODE), 401, "authentication_error"),
            (client.post("/v1/messages", json=[], headers=known), 400, "invalid_request_error"),
            (client.get("/v1/messages", headers=known), 405, "invalid_request_error"),
            (client.post("/v1/messages/no", json={}, headers=known), 404, "not_found_error"),
            (
                client.post("/v1/messages", content="x" * 11_000_000, headers=known),
                413,
                "request_too_large",
            ),
            (
                client.post("/v1/messages", json=CLAUDE_CODE, headers={**known, "origin": "x://y"}),
                403,
                "permission_error",
            ),
        ]
    with TestClient(rest.app(world.router(), most=0)) as client:
        cases.append((client.post("/v1/messages", json=CLAUDE_CODE), 429, "rate_limit_error"))
    for response, status, kind in cases:
        body = response.json()
        assert (response.status_code, body["type"], body["error"]["type"]) == (
            status,
            "error",
            kind,
        )
        assert body["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(
    ("fault", "options", "status", "kind", "retry"),
    [
        ("502", {"timeout": 3.0}, 529, "overloaded_error", "true"),
        ("429-retry-after", {"timeout": 2.0}, 429, "rate_limit_error", "true"),
        ("401", {}, 502, "api_error", "false"),
        ("hang", {"timeout": 0.3}, 504, "timeout_error", "true"),
        ("403-moderation", {}, 400, "invalid_request_error", "false"),
        (None, {"capabilities": ("vision",)}, 503, "api_error", "false"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_failure_has_its_status_and_says_whether_to_ask_again(
    fault: str | None, options: Any, status: int, kind: str, retry: str, streamed: bool
) -> None:
    models = [SimModel(f"{name}/x:free", script=[fault] * 30) for name in "ab"]
    with (
        World(models) as world,
        TestClient(rest.app(world.router(**options))) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        ask(sdk_over(client), streamed, messages=[HELLO])

    error, body = caught.value, caught.value.body
    assert isinstance(body, dict)
    assert (error.status_code, body["error"]["type"]) == (status, kind)
    assert error.response.headers["x-should-retry"] == retry
    assert "sk-simulated" not in json.dumps(body)
    if status == 429:
        assert int(error.response.headers["retry-after"]) >= 1


def test_a_broken_stream_ends_with_an_error_event() -> None:
    with (
        World([SimModel("a/x:free", script=["mid-stream-error"])]) as world,
        TestClient(rest.app(world.router(fallback_models=(), model="a/x:free"))) as client,
        pytest.raises(anthropic.APIStatusError, match="stream") as caught,
    ):
        ask(sdk_over(client), True, messages=[HELLO])

    body: Any = caught.value.body
    assert body["error"]["type"] == "api_error"


# -- the service -----------------------------------------------------------------------------------


def test_a_stream_that_says_nothing_for_a_while_says_that_it_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "PING_AFTER", 0.02)
    slow = SimModel("a/x:free", first_token=0.0, speed=40.0, reasoning=True)
    with (
        World([slow], clock="real") as world,
        TestClient(rest.app(world.router(hedge="off"))) as client,
    ):
        body = {**CLAUDE_CODE, "thinking": {"type": "adaptive", "display": "omitted"}}
        kinds = [event["type"] for event in events_of(client.post("/v1/messages", json=body).text)]

    assert kinds[:2] == ["message_start", "ping"]
    assert kinds.count("ping") > 2
    assert kinds.index("content_block_start") > 2


def test_a_client_that_leaves_between_two_pings_cancels_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "PING_AFTER", 0.01)
    slow = SimModel(
        "a/x:free", first_token=0.0, speed=5.0, reasoning=True, says=lambda _: "word " * 3_000
    )
    with World([slow], clock="real") as world, listening(rest.app(world.router())) as address:
        body = {"messages": [HELLO], "stream": True}
        with httpx.stream("POST", f"{address}/v1/messages", json=body, timeout=20) as response:
            pings = (line for line in response.iter_lines() if "event: ping" in line)
            for _ in range(3):
                next(pings)
        with httpx.Client(timeout=5.0) as other:
            for _ in range(200):
                if not world.runtime.state.health.in_flight:
                    break
                other.get(f"{address}/health")

        assert not world.runtime.state.health.in_flight


async def test_a_stream_may_be_closed_at_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "PING_AFTER", 0.001)
    closed = []

    async def says_one_word() -> AsyncGenerator[Piece, None]:
        try:
            yield 0, Delta("word")
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    pieces = says_one_word()
    asked = read_request({"messages": [HELLO]})
    events = cast(
        "AsyncGenerator[bytes, None]", messages._events(pieces, await anext(pieces), asked, 1)
    )
    seen = [await anext(events) for _ in range(6)]
    await events.aclose()

    assert b"ping" in seen[-1]
    assert closed


def test_limits_of_the_account_are_told_in_anthropics_headers() -> None:
    from freerouter_core.simulator import SimAccount

    world = World([SimModel("a/x:free")], [SimAccount("sk-simulated", per_minute=20)])
    with world, TestClient(rest.app(world.router())) as client:
        headers = client.post("/v1/messages", json={"messages": [HELLO]}).headers

    assert headers["anthropic-ratelimit-requests-limit"] == "20"
    assert int(headers["anthropic-ratelimit-requests-remaining"]) < 20
    assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_the_paths_are_openrouters_too_and_keep_their_shape_elsewhere(world: World) -> None:
    application = fastapi.FastAPI()
    application.include_router(rest.api(lambda: world.router()), prefix="/ai")
    with TestClient(application) as client:
        served = client.post("/ai/api/v1/messages", json={"messages": [HELLO]})
        refused = client.post("/ai/v1/messages", json={"messages": "x"})

    assert served.json()["type"] == "message"
    assert refused.json()["type"] == "error"
