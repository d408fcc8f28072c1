"""What clients of OpenAI's and OpenRouter's send and require, through the service."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import freerouter_core
from freerouter_core.apps import rest
from freerouter_core.apps.http.hints import over_http
from freerouter_core.apps.http.rate_limits import budget_of
from freerouter_core.reports import QuotaLine
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimAccount, SimModel, World

PATH = "/v1/chat/completions"
OPENROUTERS = "/api/v1/chat/completions"
MODELS = [
    SimModel("acme/a:free", first_token=0.0, speed=1e6),
    SimModel("acme/b:free", first_token=0.0, speed=1e6, logprobs=True, reasoning=True),
    SimModel("acme/paid", prompt_price="0.000001", completion_price="0.000002"),
]
USER = {"role": "user", "content": "hello"}


@pytest.fixture
def world() -> Iterator[World[Clock]]:
    with World([replace(model) for model in MODELS], clock="real") as world:  # tests change them
        yield world


@pytest.fixture
def client(world: World[Clock]) -> Iterator[TestClient]:
    with TestClient(rest.app(world.router()), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, path: str = PATH, **body: Any) -> Any:
    return client.post(path, json={"messages": [USER], **body})


def chunks(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


ECHOED = {
    "role": "assistant",
    "content": None,
    "refusal": None,
    "annotations": None,
    "audio": None,
    "function_call": None,
    "reasoning_content": "I should look.",
    "provider_options": {"x": 1},
    "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}, "index": 0}
    ],
}


def test_what_clients_echo_does_not_reach_a_provider(
    client: TestClient, world: World[Clock]
) -> None:
    messages = [
        {**USER, "name": None},
        ECHOED,
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "a sign"}]},
        {"role": "assistant", "content": "A sign.", "tool_calls": [], "reasoning_content": "Hm."},
        USER,
    ]
    response = ask(client, messages=messages, user="me", metadata={"a": "b"}, store=False, odd=1)
    (seen,) = world.requests

    assert response.status_code == 200
    assert seen.fate == "answer", seen.problem
    assert set(seen.body) == {"model", "messages", "provider"}
    assert [set(message) for message in seen.body["messages"][1::2]] == [
        {"role", "content", "tool_calls"},
        {"role", "content"},
    ]
    assert set(response.json()["freerouter"]["left_out"]) == {"user", "metadata", "store", "odd"}


def test_several_answers_are_several_requests(client: TestClient, world: World[Clock]) -> None:
    whole = ask(client, n=2, service_tier="auto").json()
    streamed = chunks(ask(client, n=3, stream=True, stream_options={"include_usage": True}).text)

    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    assert whole["service_tier"] == "default"
    texts = ["", "", ""]
    for chunk in streamed:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
    assert all(text.endswith("You said: hello") for text in texts)
    assert streamed[-1]["usage"]["completion_tokens"] > 20
    assert len(world.requests) == 5
    assert ask(client, n=9).status_code == 400


def test_several_answers_fail_together() -> None:
    models = [SimModel("a/m:free", first_token=0.0, speed=1e6, script=["mid-stream-error"] * 9)]
    with World(models, clock="real") as world, TestClient(rest.app(world.router())) as client:
        *_, last = chunks(ask(client, n=2, stream=True).text)
        assert last["error"]["code"] == "StreamBroken"
        world.models["a/m:free"].script = ["401"] * 99
        assert ask(client, n=2).status_code == 502
        assert ask(client, n=2, stream=True).status_code == 502


def test_chances_of_tokens_come_from_models_that_tell_them(client: TestClient) -> None:
    whole = ask(client, logprobs=True, top_logprobs=2).json()
    streamed = chunks(ask(client, logprobs=True, stream=True).text)

    assert whole["model"] == "acme/b:free"
    assert whole["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.1
    assert streamed[-1]["choices"][0]["logprobs"]["content"]
    with World(MODELS[:1], clock="real") as other, TestClient(rest.app(other.router())) as nobody:
        response = ask(nobody, logprobs=True)
        assert response.status_code == 400
        assert "logprobs" in response.json()["error"]["message"]


def test_openrouters_fallbacks_must_be_free(client: TestClient, world: World[Clock]) -> None:
    world.models["acme/b:free"].script = ["502"]
    answered = ask(client, models=["acme/b:free", "acme/a:free"]).json()
    refused = ask(client, models=["acme/b:free", "acme/paid"])

    assert world.asked == ["acme/b:free", "acme/a:free"]
    assert answered["model"] == "acme/a:free"
    assert refused.status_code == 400
    assert "acme/paid" in refused.json()["error"]["message"]


def test_some_tools_may_be_allowed_of_many(client: TestClient, world: World[Clock]) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("look", "go")]
    choice = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [tools[1]]},
    }
    message = ask(client, tools=tools, tool_choice=choice).json()["choices"][0]["message"]

    assert [call["function"]["name"] for call in message["tool_calls"]] == ["go"]
    assert [tool["function"]["name"] for tool in world.requests[0].body["tools"]] == ["go"]


def test_the_answering_model_is_named_from_the_first_chunk_on(client: TestClient) -> None:
    streamed = chunks(ask(client, stream=True, model="gpt-5").text)

    assert len({chunk["model"] for chunk in streamed}) == 1
    assert streamed[0]["model"] in ("acme/a:free", "acme/b:free")
    assert streamed[-1]["provider"] == "Simulated"


@pytest.mark.parametrize(
    ("path", "agent", "openrouter"),
    [
        (PATH, "x", False),
        (OPENROUTERS, "x", True),
        (PATH, "speakeasy-sdk/python openrouter", True),
    ],
)
def test_errors_have_the_shape_of_the_clients_api(path: str, agent: str, openrouter: bool) -> None:
    models = [SimModel("a/m:free", first_token=0.0, speed=1e6, script=["mid-stream-error"] * 9)]
    with World(models, clock="real") as world, TestClient(rest.app(world.router())) as client:
        client.headers["user-agent"] = agent
        wrong = ask(client, path, messages=[]).json()["error"]
        first, *_, before, last = chunks(ask(client, path, stream=True).text)

    assert wrong["code"] == (400 if openrouter else "BadRequest")
    assert last["error"]["code"] == (502 if openrouter else "StreamBroken")
    if openrouter:
        assert last["id"] == first["id"]
        assert before["choices"][0]["finish_reason"] == "error"
        assert last["error"]["metadata"]["error_type"] == "provider_unavailable"


def test_openrouters_lists_and_accounts_are_served_under_both_paths(client: TestClient) -> None:
    for prefix in ("/v1", "/api/v1"):
        rows = client.get(f"{prefix}/models").json()
        assert [row["id"] for row in rows["data"]] == ["auto", "acme/a:free", "acme/b:free"]
        assert {row["pricing"]["prompt"] for row in rows["data"]} == {"0"}
        assert rows["total_count"] == client.get(f"{prefix}/models/count").json()["data"]["count"]
        assert client.get(f"{prefix}/models/acme/b:free").json() == rows["data"][2]
        assert client.get(f"{prefix}/model/acme/b:free").json() == {"data": rows["data"][2]}
        endpoints = client.get(f"{prefix}/models/acme/b:free/endpoints").json()["data"]["endpoints"]
        assert [row["provider_name"] for row in endpoints] == ["openrouter"]
        assert client.get(f"{prefix}/models/acme/none").status_code == 404
        assert client.get(f"{prefix}/providers").json()["data"][0]["slug"] == "openrouter"
        assert client.get(f"{prefix}/credits").json()["data"]["total_usage"] == 0
        assert client.get(f"{prefix}/key").json()["data"]["rate_limit"]["requests"] == -1
    assert client.get("/api/v1/models/free").json()["count"] == 2


def test_paid_models_are_listed_with_their_price_if_the_owner_pays(world: World[Clock]) -> None:
    with TestClient(rest.app(world.router(allow_paid=True))) as client:
        paid = client.get("/v1/models/acme/paid").json()
        assert paid["pricing"]["completion"] == "0.000002"
        ask(client, model="acme/paid", models=["acme/a:free", "acme/paid"])
        assert world.asked == ["acme/paid"]
        assert client.get("/v1/credits").json()["data"]["total_usage"] >= 0


def test_answers_tell_what_is_left_of_the_limits() -> None:
    account = SimAccount(per_day=50)
    with (
        World(MODELS, [account], clock="real") as world,
        TestClient(rest.app(world.router())) as client,
    ):
        left = [
            int(ask(client, stream=streamed).headers["x-ratelimit-remaining-requests"])
            for streamed in (False, True, False)
        ]
        key = client.get("/v1/key").json()["data"]
        headers = ask(client).headers

    assert 20 > left[0] > left[1] > left[2] > 10  # a hedge may have been sent
    assert headers["x-ratelimit-limit-requests"] == headers["x-ratelimit-limit"] == "20"
    assert headers["x-request-id"].startswith("req-")
    assert key["rate_limit"]["requests"] == 20
    assert key["free_model_daily_requests"]["limit"] == 50


def line(provider: str, used: float, limit: int, **more: Any) -> QuotaLine:
    fields = {"scope": "account", "kind": "requests", "per": 60.0, "reset": "rolling", **more}
    return QuotaLine(provider=provider, used=used, limit=limit, **fields)


def test_of_each_account_the_tightest_limit_counts_and_accounts_add_up() -> None:
    day = line("a", 49, 50, per=86_400.0, reset="utc-day")
    lines = [line("a", 1, 20), day, line("b", 2, 30), line("b", 9, 9, kind="tokens"),
             line("b", 9, 9, scope="b/m"), line("a", 0, 20)]  # fmt: skip
    budget = budget_of(lines, 86_400.0 - 10.0)

    assert budget is not None
    assert (budget.limit, budget.left, budget.reset) == (80, 29, 60.0)
    assert budget_of([line("b", 9, 9, kind="tokens")], 0.0) is None


PYTHON = re.compile(r"\b[a-z_]+=(?![a-z]+\*)|Router\(|\bdicts?\b|\ballow_paid\b|model_copy|…\)")


def hints() -> Iterator[str]:
    """Every hint in the core that a request can meet."""
    core = Path(freerouter_core.__file__).parent
    for folder in ("routing", "wire", "runtime", "client", "errors.py"):
        place = core / folder
        for path in place.rglob("*.py") if place.is_dir() else [place]:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                named = isinstance(node, ast.keyword) and node.arg == "hint"
                default = isinstance(node, ast.Assign) and "hint" in ast.unparse(node.targets[0])
                if named or default:
                    for inner in ast.walk(node):
                        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                            yield inner.value


def test_hints_over_http_speak_no_python() -> None:
    told = [over_http(hint) for hint in hints()]

    assert len(told) > 40
    assert not [hint for hint in told if PYTHON.search(hint)]
    assert over_http("x is under min_context=100,000 here") == "x is under min_context 100,000 here"
    assert over_http("not free; allow_paid=True would permit it") == "not free"
