"""Bodies that no client should send, by every API: each is answered, or refused in its words."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from starlette.testclient import TestClient

from freerouter_core.apps import rest
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimModel, World

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OURS = {"type": "function", "name": "f", "parameters": {"type": "object"}}
THEIRS = {"name": "f", "input_schema": {"type": "object"}}
SAID = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", **TOOL}]},
    {"role": "tool", "tool_call_id": "1", "content": "done"},
]
BLOCKS = [
    {"type": "text", "text": "hi"},
    {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
]
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
COMPLETIONS, OLLAMA, MODERATIONS = "/v1/completions", "/api/chat", "/v1/moderations"
F = {"function": {"name": "f"}}
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {
        "messages": SAID, "tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True,
        "stream_options": {"include_usage": True}, "stop": ["x"], "seed": 1, "n": 1,
        "temperature": 0.5, "max_tokens": 9, "reasoning": {"effort": "low"}, "models": ["auto"],
        "logit_bias": {"1": 2}, "metadata": {"a": "b"},
    },
    RESPONSES: {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "x"}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "done"},
        ],
        "tools": [OURS], "tool_choice": {"type": "function", "name": "f"}, "instructions": "i",
        "text": {"format": {"type": "text"}}, "reasoning": {"effort": "low"}, "include": [],
        "max_output_tokens": 9, "store": False, "previous_response_id": None, "top_p": 0.5,
    },
    MESSAGES: {
        "max_tokens": 9, "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": BLOCKS},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
        ],
        "tools": [THEIRS], "tool_choice": {"type": "auto"}, "stop_sequences": ["x"],
        "thinking": {"type": "enabled", "budget_tokens": 9}, "output_config": {"effort": "low"},
    },
    COMPLETIONS: {"prompt": ["a", "b"], "n": 1, "best_of": 1, "echo": True, "stop": "x"},
    OLLAMA: {
        "messages": [{"role": "user", "content": "hi", "images": []}], "tools": [TOOL],
        "options": {"temperature": 0, "num_predict": 9}, "think": False,
    },
}  # fmt: skip
ODD: list[Any] = [
    None, [], {}, "", "x", "\ud800", 0, -1, 10**30, 1e308, True, [[]], [None], {"type": []},
    {"type": {}}, {"type": None}, {"type": "odd"}, {"role": []}, {"function": "f"}, {"url": {}},
    "data:;base64,", "file:///etc/passwd", {"\ud800": 1},
]  # fmt: skip
WRONG = [
    (CHAT, "temperature", "hot"), (CHAT, "temperature", -1), (CHAT, "top_p", {}),
    (CHAT, "stop", 5), (CHAT, "seed", 10**30), (CHAT, "logit_bias", "x"), (CHAT, "max_tokens", 0),
    (CHAT, "stream_options", 5), (CHAT, "parallel_tool_calls", "yes"), (CHAT, "n", 0),
    (CHAT, "modalities", 5), (CHAT, "modalities", {"text": True}),
    (CHAT, "response_format", {"type": "json_schema", "json_schema": {"name": "n", "schema": "x"}}),
    (RESPONSES, "text", {"format": {"type": "json_schema", "name": "n", "schema": [[]]}}),
    (CHAT, "tool_choice", {"type": []}), (CHAT, "tool_choice", {"function": "f"}),
    (CHAT, "tool_choice", {"type": "function", "function": {"name": "g"}}),
    (CHAT, "tools", [{"type": "function", "function": "f"}]),
    (CHAT, "tools", [{"type": "function", "function": {"name": ""}}]),
    (CHAT, "messages", None), (CHAT, "messages", [5]), (CHAT, "model", 5),
    (RESPONSES, "tool_choice", {"type": []}), (RESPONSES, "tool_choice", {"type": "odd"}),
    (RESPONSES, "temperature", 3), (RESPONSES, "previous_response_id", "\ud800"),
    (RESPONSES, "input", [5]), (RESPONSES, "tools", [{"type": "web_search"}]),
    (MESSAGES, "temperature", "hot"), (MESSAGES, "top_k", 1.5), (MESSAGES, "max_tokens", 0),
    (MESSAGES, "tool_choice", {"type": []}), (MESSAGES, "messages", {}),
    (MODERATIONS, "input", [{"type": []}]), (OLLAMA, "tools", [{"type": "\ud800", **F}]),
    (COMPLETIONS, "prompt", [5]), (COMPLETIONS, "stop", {}), (COMPLETIONS, "n", "2"),
    (OLLAMA, "options", {"temperature": "hot"}), (OLLAMA, "tools", [{"function": "f"}]),
    (OLLAMA, "format", 5), (OLLAMA, "messages", "hi"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World[Clock]]:
    models = [SimModel("acme/a:free", first_token=0.0, speed=1e6, inputs=("text", "image"))]
    with World(models, clock="real") as world:
        yield world


@pytest.fixture(scope="module")
def client(world: World[Clock]) -> Iterator[TestClient]:
    with TestClient(rest.app(world.router()), raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, path: str, body: object) -> Any:
    headers = {"content-type": "application/json"}
    return client.post(path, content=json.dumps(body), headers=headers)


def words_of(path: str, body: dict[str, Any]) -> str:
    """What an error says. Its shape must be the API's."""
    if path == OLLAMA:
        words = body["error"]
    elif path == MESSAGES:
        assert body["type"] == "error"
        assert body["error"]["type"]
        words = body["error"]["message"]
    else:
        assert body["error"].keys() >= {"message", "type", "code", "param"}
        words = body["error"]["message"]
    assert isinstance(words, str)
    return words


@pytest.mark.parametrize(("path", "field", "value"), WRONG)
def test_a_wrong_field_is_refused_before_a_model_is_asked(
    client: TestClient, world: World[Clock], path: str, field: str, value: object
) -> None:
    before = len(world.requests)
    response = send(client, path, BODIES.get(path, {}) | {field: value})

    assert response.status_code == 400, response.text
    assert "Error" not in words_of(path, response.json())  # words, not the name of an exception
    assert len(world.requests) == before


@pytest.mark.slow
@pytest.mark.parametrize("path", BODIES)
def test_an_odd_body_is_no_fault_of_the_service(
    client: TestClient, world: World[Clock], path: str
) -> None:
    rng = Random(path)
    for _ in range(60):
        body = copy.deepcopy(BODIES[path]) | {"stream": rng.random() < 0.3}
        for _ in range(rng.choice((1, 1, 2))):
            mutate(body, rng)
        response = send(client, path, body)
        sent = json.dumps(body)
        assert response.status_code in (200, 400), (response.text, sent)
        if response.status_code == 400:
            words_of(path, response.json())
    # What reached the model was in its form.
    assert [seen.problem for seen in world.requests if seen.problem] == []


def mutate(body: dict[str, Any], rng: Random) -> None:
    """Put something odd somewhere, take something away, or say it twice."""
    places = list(places_in(body))
    holder, key = rng.choice(places)
    way = rng.random()
    if way < 0.7:
        holder[key] = copy.deepcopy(rng.choice(ODD))
    elif way < 0.85:
        del holder[key]
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder["odd"] = rng.choice(ODD)


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place: what holds it, and its key."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from places_in(inner)


def test_an_item_of_another_client_cannot_be_named(client: TestClient) -> None:
    item = {"id": "msg_1", "role": "user", "content": "my secret"}
    send(client, RESPONSES, {"input": [item]})
    referred = {"input": [{"type": "item_reference", "id": "msg_1"}]}

    assert send(client, RESPONSES, referred).status_code == 400


def test_tokens_are_counted_where_no_model_takes_the_input(client: TestClient) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    body = {"input": [{"role": "user", "content": [sound]}]}

    assert send(client, f"{RESPONSES}/input_tokens", body).json()["input_tokens"] > 0


def test_half_a_character_in_a_name_is_no_fault(client: TestClient) -> None:
    tool = {"name": "\ud800", "input_schema": {}}
    body = {**BODIES[MESSAGES], "tools": [tool]}
    chat = {**BODIES[CHAT], "model": "\ud800", "messages": [{"role": "\ud800", "content": "x"}]}

    assert send(client, MESSAGES, body).status_code == 200
    assert send(client, CHAT, chat).status_code == 400
