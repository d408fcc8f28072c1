"""`/v1/responses` over worlds that fail. OpenAI's own types check every response and event."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from freerouter_core.apps import rest
from freerouter_core.apps.http import response_store
from freerouter_core.apps.http.response_store import LIFETIME, ResponseStore, Stored
from freerouter_core.client.answer_cache.lookup import caller
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import listening

RESPONSE: TypeAdapter[Response] = TypeAdapter(Response)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
STORM = ["502", "empty", "error-in-200", "429-upstream", "truncated-tool", "cut"]
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
PATHS = ["/v1/responses", "/api/v1/responses"]


@pytest.fixture
def world() -> Iterator[World[Clock]]:
    models = [
        SimModel("a/m:free", first_token=0.0, speed=1e6, script=STORM),
        SimModel("b/m:free", first_token=0.0, speed=1e6, reasoning=True),
    ]
    with World(models, clock="real") as world:
        yield world


@pytest.fixture
def client(world: World[Clock]) -> Iterator[TestClient]:
    with TestClient(rest.app(world.router()), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, path: str = PATHS[0], **body: Any) -> Any:
    """The response, streamed or not, after a check of all that came."""
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    if not body.get("stream"):
        RESPONSE.validate_python(answer.json())
        return answer.json()
    return events_of(answer.text)[-1]["response"]


def events_of(text: str) -> list[Any]:
    events = []
    for lines in filter(None, text.split("\n\n")):
        name, data = lines.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
        EVENT.validate_python(events[-1])
    return events


def text_of(response: Any) -> str:
    parts = [part for item in response["output"] for part in item.get("content") or ()]
    return "".join(part["text"] for part in parts)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_an_agents_rounds_go_on_by_id(
    client: TestClient, world: World[Clock], path: str, stream: bool
) -> None:
    first = ask(client, path, input="look around", tools=[LOOK], stream=stream, model="auto")
    call = first["output"][-1]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "a door"}
    second = ask(client, path, input=[output], previous_response_id=first["id"], stream=stream)
    third = ask(client, path, input="And?", previous_response_id=second["id"], stream=stream)

    assert (call["type"], call["name"]) == ("function_call", "look")
    assert text_of(second) == "Here is what the tool says: a door"
    assert text_of(third).endswith("You said: And?")
    roles = [message["role"] for message in world.requests[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert third["freerouter"]["attempts"]


def test_a_conversation_may_be_sent_whole_or_by_reference(
    client: TestClient, world: World[Clock]
) -> None:
    first = ask(client, input="look around", tools=[LOOK], include=["reasoning.encrypted_content"])
    output = {"type": "function_call_output", "output": "a door"}
    output["call_id"] = first["output"][-1]["call_id"]
    user = {"role": "user", "content": "look around"}
    referred = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    for items in (first["output"], referred):
        ask(client, input=[user, *items, output], tools=[LOOK])
        roles = [message["role"] for message in world.requests[-1].body["messages"]]
        assert roles == ["user", "assistant", "tool"]
    unknown = {"type": "item_reference", "id": "fc_none"}
    response = client.post(PATHS[0], json={"input": [unknown]})
    assert response.status_code == 400
    assert "fc_none" in response.json()["error"]["message"]


def test_structured_text_and_instructions(client: TestClient, world: World[Clock]) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    form = {"type": "json_schema", "name": "city", "schema": schema, "strict": False}
    response = ask(client, input="About Lisbon", instructions="JSON", text={"format": form})

    assert json.loads(text_of(response)) == {"name": "Lisbon"}
    assert world.requests[-1].body["messages"][0]["role"] == "system"
    assert response["text"]["format"]["name"] == "city"


def test_responses_are_kept_read_and_deleted(client: TestClient) -> None:
    items = [{"role": "user", "content": text} for text in ("a", "b", "c")]
    response = ask(client, input=items, metadata={"x": "y"})
    path = f"{PATHS[0]}/{response['id']}"
    page = client.get(f"{path}/input_items", params={"limit": 2}).json()
    rest_of = client.get(f"{path}/input_items", params={"after": page["last_id"]}).json()
    asc = client.get(f"{path}/input_items", params={"order": "asc"}).json()

    assert client.get(path).json() == response
    assert [item["content"][0]["text"] for item in page["data"]] == ["c", "b"]
    assert (page["has_more"], rest_of["has_more"]) == (True, False)
    assert [item["content"][0]["text"] for item in asc["data"]] == ["a", "b", "c"]
    assert client.post(f"{path}/cancel").status_code == 400
    assert client.delete(path).json()["deleted"] is True
    for method in ("get", "delete"):
        assert client.request(method, path).status_code == 404
    gone = client.post(PATHS[0], json={"input": "x", "previous_response_id": response["id"]})
    assert gone.status_code == 400
    assert "previous_response_id" in gone.json()["error"]["message"]
    assert client.get(f"{path}/input_items").status_code == 404


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_kept_of_what_is_not_to_be_stored(client: TestClient, stream: bool) -> None:
    response = ask(client, input="x", store=False, stream=stream)

    assert response["store"] is False
    assert client.get(f"{PATHS[0]}/{response['id']}").status_code == 404


def test_tools_that_cost_are_refused_and_codex_is_served(client: TestClient) -> None:
    tools = [LOOK, {"type": "web_search", "external_web_access": False}]
    body = {"input": "x", "tools": tools}
    refused = client.post(PATHS[0], json=body)
    served = client.post(PATHS[0], json=body, headers={"originator": "codex_exec"})

    assert refused.status_code == 400
    assert "web_search" in refused.json()["error"]["message"]
    assert "web_search" in served.json()["freerouter"]["left_out"]


def test_prompts_are_measured(client: TestClient, world: World[Clock]) -> None:
    counted = client.post(f"{PATHS[0]}/input_tokens", json={"input": "word " * 400}).json()

    assert counted["object"] == "response.input_tokens"
    assert 200 < counted["input_tokens"] < 1_000
    assert not world.requests


def test_a_stream_that_breaks_ends_with_a_failed_response() -> None:
    models = [SimModel("a/m:free", first_token=0.0, speed=1e6, script=["mid-stream-error"] * 9)]
    with World(models, clock="real") as world, TestClient(rest.app(world.router())) as client:
        events = events_of(client.post(PATHS[0], json={"input": "x", "stream": True}).text)
        world.models["a/m:free"].script = ["401"] * 99
        refused = client.post(PATHS[0], json={"input": "x", "stream": True})

    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["code"] == "server_error"
    assert refused.status_code == 502


def test_leaving_cancels() -> None:
    slow = World(
        [SimModel("a/x:free", first_token=0.0, speed=30.0, says=lambda request: "word " * 3_000)],
        clock="real",
    )
    with slow, listening(rest.app(slow.router())) as address:
        body = {"input": "x", "stream": True}
        with httpx.stream("POST", f"{address}{PATHS[0]}", json=body) as response:
            next(response.iter_lines())
        in_flight = slow.runtime.state.health.in_flight
        with httpx.Client(timeout=5.0) as other:
            for _ in range(200):
                if not in_flight:
                    break
                other.get(f"{address}/health")

        assert not in_flight


def test_conversations_outlive_the_process(tmp_path: Path) -> None:
    models = [SimModel("a/m:free", first_token=0.0, speed=1e6)]
    with World(models, clock="real") as world:
        runtime = Runtime(client=world.transport(), state=f"sqlite:///{tmp_path}/state.db")
        router = world.router().with_options(runtime=runtime)
        with TestClient(rest.app(router)) as client:
            first = ask(client, input="My name is Ada.")
        with TestClient(rest.app(router)) as client:
            ask(client, input="Who am I?", previous_response_id=first["id"])
        runtime.close()

    assert len(world.requests[-1].body["messages"]) == 3
    assert stat.S_IMODE((tmp_path / "responses.db").stat().st_mode) == 0o600


# -- the store -------------------------------------------------------------------------------------


def named(prefix: str, number: int) -> str:
    """An id as the service draws them."""
    return f"{prefix}_{number:032x}"


def turn(number: int, previous: int | None = None, size: int = 1) -> Stored:
    response = {"id": f"r{number}", "output": [{"id": named("o", number), "text": "x" * size}]}
    before = None if previous is None else f"r{previous}"
    return Stored(response, ({"id": named("i", number)},), before)


@pytest.mark.parametrize("stream", [False, True])
def test_each_of_several_tokens_has_conversations_of_its_own(
    world: World[Clock], stream: bool
) -> None:
    with TestClient(rest.app(world.router(), token=["ada", "bob"])) as client:

        def use(token: str) -> None:
            client.headers["authorization"] = f"Bearer {token}"

        def asked(**body: Any) -> int:
            return client.post(PATHS[0], json={"input": "and?", **body}).status_code

        use("ada")
        first = ask(client, input="my secret", stream=stream)
        path, item = f"{PATHS[0]}/{first['id']}", first["output"][-1]["id"]
        refers = [{"type": "item_reference", "id": item}]
        use("bob")
        assert [client.get(path).status_code, client.delete(path).status_code] == [404, 404]
        assert client.get(f"{path}/input_items").status_code == 404
        assert asked(previous_response_id=first["id"]) == 400
        assert asked(input=refers) == 400
        use("ada")
        assert asked(previous_response_id=first["id"]) == 200
        assert asked(input=refers) == 200
        assert client.get(f"{path}/input_items").json()["data"][0]["id"]
        assert client.delete(path).json()["deleted"]


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_store, "MOST", 3)
    monkeypatch.setattr(response_store, "MOST_BYTES", 5_000)
    monkeypatch.setattr(response_store, "LARGEST", 4_000)
    monkeypatch.setattr(response_store, "MOST_TURNS", 2)
    store = ResponseStore()
    for number in range(5):
        await store.keep(turn(number, number - 1 if number else None), float(number))

    assert [n for n in range(5) if await store.get(f"r{n}") is not None] == [2, 3, 4]
    ids = [named("i", 1), named("i", 2), named("o", 4)]
    assert set(await store.find(ids)) == set(ids[1:])
    assert await store.conversation("r4") is None  # it goes back further than is kept
    await store.keep(turn(7, size=9_000), 7.0)
    assert await store.get("r7") is None
    await store.keep(turn(8, size=3_700), 8.0)
    assert await store.get("r4") is not None
    await store.keep(turn(9, 8, size=1_500), 9.0)
    assert await store.get("r4") is None
    await store.keep(turn(10), 11.0 + LIFETIME)
    assert await store.get("r9") is None
    await store.close()
    await store.close()


@pytest.mark.parametrize(("number", "size"), [(20, 1), (8, 3_000)])
async def test_who_keeps_much_pushes_out_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch, number: int, size: int
) -> None:
    """Each of three callers may keep a third, by number and by bytes."""
    monkeypatch.setattr(response_store, "MOST", 9)
    monkeypatch.setattr(response_store, "MOST_BYTES", 10_000)
    store = ResponseStore()

    async def kept(whose: str) -> list[int]:
        caller.set(whose)
        return [n for n in range(number) if await store.get(f"r{n}") is not None]

    for whose in ("ada", "bob"):
        caller.set(whose)
        for n in range(3):
            await store.keep(turn(n, size=900), float(n))
    caller.set("eve")
    for n in range(number):
        await store.keep(turn(n, size=size), 10.0 + n)

    assert await kept("ada") == await kept("bob") == [0, 1, 2]
    room = 3 if size == 1 else 1
    assert await kept("eve") == list(range(number))[-room:]
    caller.set("ada")
    await store.keep(turn(3, size=900), 99.0)
    assert await kept("ada") == [1, 2, 3] if size == 1 else [0, 1, 2, 3]
    await store.close()


async def test_a_place_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = ResponseStore(tmp_path / "file" / "responses.db")
    await store.keep(turn(1), 1.0)

    items = [{"id": named("i", 1)}, {"id": named("o", 1), "text": "x"}]
    assert await store.conversation("r1") == items
    await store.close()
