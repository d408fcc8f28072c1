"""Legacy completions, moderations and Ollama's API, as their clients use them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from starlette.testclient import TestClient

from freerouter_core.apps import rest
from freerouter_core.apps.http.shapes import shape_of
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.json_values import Json

from ..storms import langchain_storm

HELLO = {"role": "user", "content": "hello"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def http() -> Iterator[TestClient]:
    with langchain_storm() as world, TestClient(rest.app(world.router())) as client:
        yield client


def sdk_over(client: TestClient) -> openai.OpenAI:
    return openai.OpenAI(
        base_url="http://testserver/v1", api_key="any", http_client=client, max_retries=0
    )


# -- completions -----------------------------------------------------------------------------------


def test_completions_of_several_prompts(http: TestClient) -> None:
    sdk = sdk_over(http)
    done = sdk.completions.create(model="auto", prompt=["one", "two"], n=2, echo=True)
    chunks = list(
        sdk.completions.create(
            model="auto",
            prompt=["one", "two"],
            echo=True,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert [choice.index for choice in done.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in done.choices] == ["one", "one", "two", "two"]
    assert done.choices[2].text.endswith("You said: two")
    assert done.usage is not None
    texts = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts[0].startswith("oneThis is")
    assert texts[1].endswith("You said: two")
    assert chunks[-1].usage is not None
    assert [c.choices[0].finish_reason for c in chunks[:-1]].count("stop") == 2


def test_a_completion_that_fails_says_so() -> None:
    with (
        World([SimModel("a/x:free", script=["401", "mid-stream-error"])]) as world,
        TestClient(rest.app(world.router(fallback_models=(), model="a/x:free"))) as client,
    ):
        body = {"prompt": "x", "stream": True}
        refused = client.post("/v1/completions", json=body)
        world.runtime.state.health.reset()
    with (
        World([SimModel("a/x:free", script=["mid-stream-error"])]) as world,
        TestClient(rest.app(world.router(fallback_models=(), model="a/x:free"))) as client,
    ):
        broken = client.post("/v1/completions", json=body)

    assert refused.status_code == 502
    *_, last, done = filter(None, broken.text.split("\n\n"))
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "StreamBroken"
    assert done == "data: [DONE]"


# -- moderations -----------------------------------------------------------------------------------


def guard(request: Json) -> str:
    """What Llama Guard says."""
    return "unsafe\nS1" if "bomb" in str(request["messages"]) else "safe"


def test_texts_are_judged_by_a_free_classifier() -> None:
    models = [
        SimModel("meta/llama-guard-4:free", says=lambda _: "I like it."),
        SimModel("nvidia/content-safety:free", says=guard),
        SimModel("acme/chat:free"),
    ]
    with World(models) as world, TestClient(rest.app(world.router())) as client:
        judged = sdk_over(client).moderations.create(input=["hello", "a bomb"])

        assert [result.flagged for result in judged.results] == [False, True]
        assert judged.results[1].categories.violence
        assert judged.model == "nvidia/content-safety:free"
        assert "acme/chat:free" not in world.asked


def test_without_a_classifier_nothing_is_judged(http: TestClient) -> None:
    response = http.post("/v1/moderations", json={"input": "x"})

    assert response.status_code == 501
    assert "no provider lists a free safety classifier" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("script", "says", "status"),
    [(["401"] * 9, "safe", 502), ([], "I like it.", 502), (["400-context"] * 9, "safe", 400)],
)
def test_classifiers_that_say_nothing_are_no_verdict(
    script: list[str], says: str, status: int
) -> None:
    model = SimModel("meta/llama-guard-4:free", script=script, says=lambda _: says)
    with World([model]) as world, TestClient(rest.app(world.router())) as client:
        assert client.post("/v1/moderations", json={"input": "x"}).status_code == status


# -- Ollama ----------------------------------------------------------------------------------------


def test_a_client_of_ollamas_chats(http: TestClient) -> None:
    asked = {"model": "auto", "messages": [HELLO]}
    lines = [json.loads(line) for line in http.post("/api/chat", json=asked).text.splitlines()]
    whole = http.post("/api/chat", json={**asked, "stream": False}).json()
    question = {"role": "user", "content": "What is the weather in Lisbon?"}
    tools = {"messages": [question], "tools": [WEATHER], "stream": False}
    called = http.post("/api/chat", json=tools).json()["message"]
    result = {"role": "tool", "tool_name": "weather", "content": "fine"}
    told = http.post("/api/chat", json={**tools, "messages": [question, called, result]}).json()

    assert "".join(line["message"]["content"] for line in lines).endswith("You said: hello")
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert whole["message"]["content"].endswith("You said: hello")
    assert called["tool_calls"][0]["function"] == {
        "name": "weather", "arguments": {"city": "Lisbon"},
    }  # fmt: skip
    assert told["message"]["content"] == "Here is what the tool says: fine"
    assert http.get("/api/version").json()["version"].count(".") == 2
    assert http.get("/api/tags").json()["models"][0]["name"] == "auto"


def test_a_client_of_ollamas_prompts(http: TestClient) -> None:
    asked = {"model": "auto", "prompt": "hello", "system": "Be brief.", "context": [1, 2]}
    lines = [json.loads(line) for line in http.post("/api/generate", json=asked).text.splitlines()]
    whole = http.post("/api/generate", json={**asked, "stream": False}).json()
    loaded = http.post("/api/generate", json={"model": "auto"}).json()

    assert "".join(line["response"] for line in lines).endswith("You said: hello")
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert whole["response"].endswith("You said: hello")
    assert (whole["done"], whole["done_reason"]) == (True, "stop")
    assert not any("message" in line for line in [*lines, whole])
    assert (loaded["done_reason"], loaded["response"]) == ("load", "")


def test_a_client_of_ollamas_looks_at_a_model(http: TestClient) -> None:
    name = http.get("/api/tags").json()["models"][1]["name"]
    shown = http.post("/api/show", json={"model": name}).json()

    assert "completion" in shown["capabilities"]
    assert shown["model_info"]["freerouter.context_length"] > 0
    assert http.post("/api/show", json={"name": "auto:latest"}).status_code == 200
    assert http.get("/api/ps").json() == {"models": []}
    unknown = http.post("/api/show", json={"model": "no-such"})
    assert unknown.status_code == 404
    assert unknown.json() == {"error": "model 'no-such' not found: /api/tags lists the models"}


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/show"])
def test_requests_of_ollamas_are_bounded(path: str) -> None:
    with World([]) as world, TestClient(rest.app(world.router(), most=0)) as client:
        many = client.post(path, json={})

    assert many.status_code == 429
    assert isinstance(many.json()["error"], str)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/api/chat", "ollama"),
        ("/llm/api/generate", "ollama"),  # mounted
        ("/api/pull", "ollama"),
        ("/api/blobs/sha256:0", "ollama"),
        ("/api/me", "ollama"),
        ("/api/v1", "openai"),
        ("/api/v1/quota", "openai"),
        ("/api/llm/v1/chat/completions", "openai"),  # mounted
        ("/v1/embeddings", "openai"),
        ("/v1/messages/batches", "anthropic"),
    ],
)
def test_each_path_has_the_words_of_its_api(path: str, shape: str) -> None:
    assert shape_of(path) == shape


def test_errors_of_ollamas_are_words(http: TestClient) -> None:
    refused = http.post("/api/chat", json={"messages": "x"})
    with (
        World([SimModel("a/x:free", script=["mid-stream-error"])]) as world,
        TestClient(rest.app(world.router(fallback_models=(), model="a/x:free"), most=1)) as client,
    ):
        broken = client.post("/api/chat", json={"messages": [HELLO]}).text.splitlines()
    with World([]) as world, TestClient(rest.app(world.router(), token="t", most=0)) as client:
        unknown = client.post("/api/chat", json={})
        many = client.post("/api/chat", json={}, headers={"authorization": "Bearer t"})

    assert (refused.status_code, many.status_code) == (400, 429)
    assert unknown.status_code in (401, 429)
    for error in (refused.json(), json.loads(broken[-1]), unknown.json(), many.json()):
        assert isinstance(error["error"], str)
