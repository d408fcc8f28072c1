"""Nothing is paid for unasked, and what was paid for is shown and never asked again (law 9)."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest, Provider, Router, Settings, errors
from freerouter_core.catalogue.providers import Account
from freerouter_core.client.resolve import resolve
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..scripted import answer_response, scripted_router

FREE = {"prompt": "0", "completion": "0"}
PAID = {"prompt": "0.000001", "completion": "0.000002"}
HELLO = [{"role": "user", "content": "hello"}]
PDF = {
    "type": "file",
    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
}


def gateway(
    rows: list[dict[str, Any]], *, address: str = "https://gate.test/v1", **options: Any
) -> tuple[Router, list[dict[str, Any]]]:
    """A router over a gateway with these models, and the bodies that it is sent."""
    bodies: list[dict[str, Any]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": rows})
        bodies.append(json.loads(request.content))
        return answer_response()

    runtime = Runtime(clock=VirtualClock(), client=httpx.MockTransport(reply), cache=None)
    own = Provider("openrouter", address, "key-abcdefgh")
    options = {"providers": (own,), "timeout": 20.0, **options}
    return Router(runtime=runtime, **options), bodies


# -- a charge that is told -----------------------------------------------------------------------

COSTS: dict[str, dict[str, Any]] = {
    "OpenRouter's": {"cost": 0.0123},
    "a text": {"cost": "0.0123"},
    "with an exponent": {"cost": "1.23e-2"},
    "parts and a total": {"cost": {"request": 0.01, "total_cost": 0.0123}},
    "another name": {"total_cost": 0.0123},
    "an estimate": {"estimated_cost": 0.0123},
    "a zero beside it": {"cost": 0, "total_cost": 0.0123},
}


@pytest.mark.parametrize("ask", ["whole", "streamed", "langchain", "llamaindex"])
@pytest.mark.parametrize("name", COSTS)
def test_a_model_that_charges_is_never_asked_again_and_the_error_says_how_much(
    name: str, ask: str, caplog: pytest.LogCaptureFixture
) -> None:
    router = scripted_router(answer_response(usage=COSTS[name]))
    ways: dict[str, Callable[[], object]] = {
        "whole": lambda: router.chat("x"),
        "streamed": lambda: list(router.stream("x")),
        "langchain": lambda: ChatFreeRouter(router=router).invoke("x"),
        "llamaindex": lambda: FreeRouter(router=router).complete("x"),
    }
    with caplog.at_level(logging.ERROR, "freerouter"):
        ways[ask]()
    assert "Charged model=acme/m0:free cost=0.0123" in caplog.text

    for step in ("now", "after a refresh", "a day later", "after a reset"):
        if step == "a day later":
            router.clock.advance(90_000)
        elif step == "after a refresh":
            router.refresh()
        elif step == "after a reset":
            router.reset()
        with pytest.raises(errors.NoCandidates) as caught:
            ways[ask]()
        assert "charged 0.0123 USD" in str(caught.value), step
        assert len(router.bodies) == 1, step


@pytest.mark.parametrize(
    "usage",
    [{}, {"cost": 0}, {"cost": None}, {"cost": "free"}, {"cost": True}, {"cost": "nan"},
     {"cost": -0.1}, {"cost": {"currency": "USD"}}, {"cost": [0.1]}, {"cost": 10**400}],
)  # fmt: skip
def test_what_tells_no_charge_is_none(usage: dict[str, Any]) -> None:
    router = scripted_router(answer_response(usage=usage))

    assert [router.chat("x").attempt.model.id for _ in range(2)] == ["acme/m0:free"] * 2


def test_an_answer_of_no_use_has_charged_too(caplog: pytest.LogCaptureFixture) -> None:
    choice = {"message": {"content": ""}, "finish_reason": "stop"}
    empty = answer_response(choices=[choice], usage={"cost": 0.02})
    router = scripted_router(empty, answer_response(), models=2)
    with caplog.at_level(logging.ERROR, "freerouter"):
        assert router.chat("x").attempt.model.id == "acme/m1:free"

    assert "Charged model=acme/m0:free cost=0.02" in caplog.text
    asked = [body["model"] for body in router.bodies]
    router.chat("x")
    assert [body["model"] for body in router.bodies].count("acme/m0:free") == asked.count(
        "acme/m0:free"
    )
    skipped = {row.model.id: row.reason for row in router.explain("x").rows}
    assert "charged 0.02 USD" in str(skipped["acme/m0:free"])


def test_other_processes_learn_of_a_charge(tmp_path: Path) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "a/b:free", "pricing": FREE}]})
        sent.append(request)
        return answer_response(usage={"cost": 0.5})

    sent: list[httpx.Request] = []
    (tmp_path / ".env").write_text(f"FREEROUTER_STATE=sqlite:///{tmp_path}/state.db")
    options: dict[str, Any] = {"api_key": "key-abcdefgh", "timeout": 20.0}
    for _ in range(3):
        runtime = Runtime(client=httpx.MockTransport(reply), cache=None)
        router = Router(runtime=runtime, **options)
        try:
            router.chat("x")
        except errors.NoCandidates as error:
            assert "charged 0.5 USD" in str(error)
        runtime.close()
    assert len(sent) == 1


def test_costs_of_an_allowance_are_no_charge(caplog: pytest.LogCaptureFixture) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=[{"id": "m"}])
        return answer_response(usage={"cost": 0.01})

    runtime = Runtime(clock=VirtualClock(), client=httpx.MockTransport(reply), cache=None)
    router = Router(
        providers=[Provider("gonka", api_key="key-abcdefgh")], runtime=runtime, timeout=200.0
    )
    with caplog.at_level(logging.ERROR, "freerouter"):
        assert [router.chat("x").answer.cost for _ in range(2)] == [0.01, 0.01]
    assert not caplog.text


# -- prices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://gate.test/v1",
        "https://gate.test/v1/",
        "https://bob:sesame-5@gate.test/v1",
        "https://gate.test/v1?key=sesame-5",
        "https://bob:sesame-5@gate.test/v1?key=sesame-5#x",
        "HTTPS://Gate.test/v1",
    ],
)
@pytest.mark.parametrize("name", ["a/costs:free", "A/Costs:Free", "models/a/costs:free"])
def test_a_named_models_price_is_looked_up_at_any_address(address: str, name: str) -> None:
    row = {"id": "a/costs:free", "pricing": PAID}
    router, bodies = gateway([row], address=address, model=name, fallback_models=())
    router.refresh()
    with pytest.raises(errors.NoCandidates, match="not free"):
        router.chat("x")
    assert bodies == []


@pytest.mark.parametrize(
    "name", ["a/b", "a/b:online:free", "a/b:free:online", "@preset/x:free", "a/b@preset/x:free"]
)
@pytest.mark.parametrize("where", ["router", "request", "fallback"])
def test_a_name_that_could_cost_is_not_asked(name: str, where: str) -> None:
    router, bodies = gateway([{"id": "a/ok:free", "pricing": FREE}])
    request = ChatRequest(HELLO, model=name if where == "request" else None)
    ways: dict[str, dict[str, Any]] = {
        "router": {"model": name, "fallback_models": ()},
        "request": {"fallback_models": ()},
        "fallback": {"fallback_models": [name]},
    }
    with contextlib.suppress(errors.FreeRouterError):
        router.with_options(**ways[where]).chat(request)
    assert {body["model"] for body in bodies} <= {"a/ok:free"}
    assert "preset" not in str(bodies)


def test_a_found_file_widens_no_free_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x-abcdefgh")
    for rule in ('"all"', '["gpt-5"]', '["*"]', '"price"'):
        (tmp_path / "freerouter.toml").write_text(f"[providers.openai]\nfree = {rule}")
        with pytest.raises(errors.BadSetting, match="widen what is free"):
            Router(providers=["openai"]).check()
    (tmp_path / "freerouter.toml").write_text("[providers.openai]\nfree = []")
    Router(providers=["openai"]).check()


# -- what a request may ask for ------------------------------------------------------------------

HOSTED = [
    {"type": "web_search"}, {"type": "web_search_preview"}, {"type": "web_search_2025_08_26"},
    {"type": "web_search_20260209", "name": "web_search"}, {"type": "openrouter:web_search"},
    {"type": "code_interpreter", "container": {"type": "auto"}}, {"type": "mcp", "server_url": "x"},
    {"type": "builtin_function", "function": {"name": "$web_search"}}, {"google_search": {}},
    {"type": "function", "function": {"name": "f"}, "web_search": {}}, {"type": None},
]  # fmt: skip
FIELDS = [
    {"plugins": []}, {"plugins": [{"id": "web"}]}, {"preset": ""}, {"web_search_options": {}},
    {"search_parameters": {"mode": "off"}}, {"models": []}, {"route": "fallback"},
    {"service_tier": "auto"}, {"tools": [{"type": "web_search"}]}, {"enable_search": False},
    {"provider_options": {}}, {"anything_new": None, "anything_newer": 0},
]  # fmt: skip


@pytest.mark.parametrize("tool", HOSTED)
def test_only_functions_are_tools(tool: dict[str, Any]) -> None:
    router, bodies = gateway([{"id": "a/ok:free", "pricing": FREE}])
    for ask in (
        lambda: router.chat(ChatRequest(HELLO, [tool])),
        lambda: ChatFreeRouter(router=router).bind(tools=[tool]).invoke("x"),
        lambda: FreeRouter(router=router, additional_kwargs={"tools": [tool]}).complete("x"),
    ):
        with pytest.raises(errors.BadRequest):
            ask()
    assert bodies == []


@pytest.mark.parametrize("fields", FIELDS)
def test_only_fields_known_to_be_free_are_sent(fields: dict[str, Any]) -> None:
    router, bodies = gateway([{"id": "a/ok:free", "pricing": FREE}])
    for ask in (
        lambda: router.chat(ChatRequest(HELLO, extra_body=fields)),
        lambda: ChatFreeRouter(router=router, extra_body=fields).invoke("x"),
        lambda: FreeRouter(router=router, extra_body=fields).complete("x"),
    ):
        with pytest.raises(errors.BadRequest, match="can cost money"):
            ask()
    assert bodies == []


TOOL_CHOICES: list[Any] = [
    ["web_search"], [{"type": "web_search"}], True, {"type": "web_search_preview"},
    {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "mcp"}]}},
    {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]},
]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("web_search", ("in no known form", "can cost money")),
        *((choice, ("can cost money", "can cost money")) for choice in TOOL_CHOICES),
    ],
)
def test_a_tool_choice_chooses_functions_only(choice: Any, told: tuple[str, str]) -> None:
    router, bodies = gateway([{"id": "a/ok:free", "pricing": FREE}])
    tool = {"type": "function", "function": {"name": "f"}}
    requests = (
        ChatRequest(HELLO, [tool], tool_choice=choice),
        ChatRequest(HELLO, extra_body={"tools": [tool], "tool_choice": choice}),
    )
    for request, words in zip(requests, told, strict=True):
        with pytest.raises(errors.BadRequest, match=words):
            router.chat(request)
    assert bodies == []


@pytest.mark.parametrize("name", ["plugins", "web_search_options", "preset", "anything_new"])
def test_a_field_that_is_none_is_not_sent(name: str) -> None:
    """A null is a presence, too: it would start a search, or let a PDF start a paid parser."""
    router, bodies = gateway([{"id": "a/ok:free", "pricing": FREE}], model="a/unlisted:free")
    content = [{"type": "text", "text": "what is this?"}, PDF]
    request = ChatRequest([{"role": "user", "content": content}])
    router.chat(request.but(extra_body={name: None}))
    router.chat(request.but(parameters={name: None}))
    free = [{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}]
    assert [body.get(name) for body in bodies] == [free if name == "plugins" else None] * 2
    assert name == "plugins" or not any(name in body for body in bodies)
    router.chat(ChatRequest(HELLO, extra_body={"max_tokens": None}))
    assert bodies[-1]["max_tokens"] is None


def test_the_users_own_servers_take_any_field() -> None:
    with World([]) as world:
        assert world is not None
    local = Provider("vllm", "http://127.0.0.1:9/v1")
    own = Provider("lab", "https://lab.test/v1", "k-lab-123")
    gate = Provider("openrouter", "https://gate.test/v1", "k-gate-12")

    def may_charge(*providers: Provider) -> bool:
        return resolve(Router(providers=providers).config, Settings.load()).may_charge

    assert may_charge(local) and may_charge(own) and may_charge(local, own)
    assert not may_charge(gate)
    assert not may_charge(local, gate)


@pytest.mark.parametrize(
    ("row", "engine"),
    [
        ({"id": "a/reads:free", "architecture": {"input_modalities": ["text", "file"]}}, "native"),
        ({"id": "a/unlisted:free"}, "cloudflare-ai"),
    ],
)
def test_a_pdf_starts_no_paid_parser(row: dict[str, Any], engine: str) -> None:
    rows = [row | {"pricing": FREE}] if engine == "native" else []
    rows.append({"id": "a/text:free", "pricing": FREE})
    router, bodies = gateway(rows, model=row["id"])
    content = [{"type": "text", "text": "what is this?"}, PDF]
    router.chat(ChatRequest([{"role": "user", "content": content}]))

    assert bodies[0]["plugins"] == [{"id": "file-parser", "pdf": {"engine": engine}}]
    router.chat("no file")
    assert "plugins" not in bodies[1]


@pytest.mark.parametrize("part", [PDF, {**PDF, "type": "File"}, {"type": "input_file"}])
def test_a_pdf_in_further_messages_starts_no_paid_parser(part: dict[str, Any]) -> None:
    router, bodies = gateway([{"id": "a/text:free", "pricing": FREE}])
    further = {"messages": [{"role": "user", "content": [part]}]}
    router.chat(ChatRequest(HELLO, extra_body=further))

    assert bodies[0]["messages"] == further["messages"]
    assert bodies[0]["plugins"] == [{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}]


def test_an_account_knows_whether_its_costs_are_notional() -> None:
    assert not Account("p", "https://h/v1", "k").notional_costs
