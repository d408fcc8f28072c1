"""Whatever bytes come from a server, a store, a file or a caller: errors are of our tree."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import freerouter_core
from freerouter_core import ChatRequest, Provider, Router
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.catalogue.parse import parse_models
from freerouter_core.catalogue.providers import Account
from freerouter_core.errors import BadRequest, FreeRouterError
from freerouter_core.routing.health import Health
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.usage_stats import HISTORY_HOURS
from freerouter_core.runtime.catalogue_cache import FORMAT, CatalogueCache
from freerouter_core.runtime.json_cache import read_json
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.notes import (
    Times,
    read_account,
    read_health,
    read_identity,
    write_health,
)
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.judge import judge_answer, judge_rejection
from freerouter_core.wire.rejection import embedded_rejection, read_rejection
from freerouter_core.wire.schema import find_violation, is_strict, make_strict, without_nulls
from freerouter_core.wire.sse import SSEDecoder
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.structured import Structured
from freerouter_core.wire.structured_reader import read_structured

from ..scripted import KEY

NOW = 1_800_000_000.0
ROOT = Path(freerouter_core.__file__).parent.parent.parent
HUGE = 10**400
DEEP = "[" * 5_000 + "]" * 5_000
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([HUGE, -HUGE, 1e308, float("inf"), float("nan"), 0, -1, 2**63]),
    st.text(max_size=8),
    st.sampled_from(["", "length", "error", "[DONE]", "\ud800", "{", "[[", "null", DEEP]),
)
NAMES = st.sampled_from(
    [
        "choices",
        "message",
        "delta",
        "content",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "index",
        "finish_reason",
        "error",
        "code",
        "message",
        "metadata",
        "raw",
        "headers",
        "retry_after",
        "usage",
        "cost",
        "total_tokens",
        "reasoning",
        "reasoning_details",
        "type",
        "summary",
        "signature",
        "images",
        "annotations",
        "audio",
        "data",
        "refusal",
        "model",
        "provider",
        "object",
        "detail",
        "loc",
        "input",
        "msg",
        "details",
        "retryDelay",
        "availability",
        "x-ratelimit-reset",
        "created",
        "pricing",
        "prompt",
        "completion",
        "context_length",
        "supported_parameters",
        "architecture",
        "input_modalities",
        "output_modalities",
        "top_provider",
        "expiration_date",
        "benchmarks",
        "artificial_analysis",
        "intelligence_index",
        "size",
        "models",
        "result",
        "properties",
        "required",
        "items",
        "anyOf",
        "allOf",
        "oneOf",
        "enum",
        "const",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "$ref",
        "$defs",
        "prefixItems",
        "additionalProperties",
        "lacks",
        "ways",
        "format",
        "fetched",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=25,
)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
MANY = settings(max_examples=300, deadline=None)


def mutated(value: Any, rng: Random) -> Any:
    """A copy in which a few parts are something else."""
    odd: list[Any] = [None, True, -1, 1e308, HUGE, float("nan"), "", "x", "\ud800"]
    odd += [[], {}, [[]], {"a": {}}]
    if rng.random() < 0.12:
        return rng.choice(odd)
    if isinstance(value, dict):
        return {key: mutated(part, rng) for key, part in value.items() if rng.random() > 0.05}
    if isinstance(value, list):
        return [mutated(part, rng) for part in value]
    return value


# -- one reader of JSON -------------------------------------------------------------------------


def test_only_one_function_reads_json() -> None:
    """`json.loads` raises RecursionError, and reads what would stop or fill the process."""
    found = []
    for folder in ("shared/freerouter_core", "langchain_freerouter", "llamaindex_freerouter"):
        for path in (ROOT / folder).rglob("*.py"):
            place = path.relative_to(ROOT).as_posix()
            if "/simulator/" in place or place.endswith("wire/json_values.py"):
                continue
            found += [
                f"{place}:{node.lineno}"
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Attribute) and ast.unparse(node) in READERS
            ]
    assert not found, "use wire.json_values.parse_json"


READERS = {"json.loads", "json.load", "json.JSONDecoder", "json.decoder"}


# -- pure readers -------------------------------------------------------------------------------


@MANY
@given(VALUES, st.integers(100, 599))
def test_any_error_is_judged(value: object, status: int) -> None:
    body = json.dumps(value).encode()
    headers = {
        "retry-after": str(value)[:50],
        "date": str(value)[:50],
        "x-ratelimit-reset": "1e999",
    }
    assert judge_rejection(read_rejection(status, headers, body), NOW).kind
    if isinstance(value, dict):
        assert judge_rejection(embedded_rejection(value), NOW).kind


@MANY
@given(VALUES)
def test_any_body_is_an_answer_or_a_fault(value: object) -> None:
    for body in (value, {"choices": [value]}, {"choices": [{"message": value}]}):
        answer = read_answer(body)
        judge_answer(answer, tools=frozenset({"f"}), must_call=True)
        read_structured(answer, Structured({"type": "object"}))
        assert answer.cost is None or answer.cost == answer.cost
        [call.parsed() for call in answer.tool_calls]


@MANY
@given(st.lists(VALUES, max_size=4))
def test_any_stream_is_an_answer_or_a_fault(values: list[object]) -> None:
    assembler = Assembler("m")
    for value in values:
        for chunk in (value, {"choices": [{"delta": value}]}, {"choices": [value]}):
            for data in SSEDecoder().feed(b"data: " + json.dumps(chunk).encode() + b"\n\n"):
                delta = assembler.feed_data(data)
                assert delta is None or delta.size >= 100
    assembler.close()
    judge_answer(assembler.answer(), tools=frozenset({"f"}))


@MANY
@given(VALUES, VALUES)
def test_any_schema_is_a_schema(value: object, schema: object) -> None:
    find_violation(value, schema)
    without_nulls(value, schema)
    is_strict(schema)
    if isinstance(schema, dict):
        make_strict(schema)
        read_structured(Answer(json.dumps(value)), Structured(schema))


@MANY
@given(VALUES)
def test_any_list_of_models_is_read(value: object) -> None:
    for payload in (value, {"data": value}, [value], {"data": [{"id": "a/b:free", "size": value}]}):
        parse_models(payload)


# -- stores and files ---------------------------------------------------------------------------


@MANY
@given(
    st.one_of(VALUES.map(json.dumps), st.text(max_size=20), st.sampled_from([DEEP, "1" * 9_000]))
)
def test_any_note_teaches_something_or_nothing(text: str) -> None:
    times = Times(NOW, NOW)
    for read in (
        lambda: read_account(text, times),
        lambda: read_health(text, times),
        lambda: read_identity(text),
    ):
        try:
            read()
        except ValueError:
            continue


@pytest.mark.parametrize("seed", range(40))
def test_a_spoilt_note_fails_no_request(seed: int) -> None:
    rng, clock, state = Random(seed), VirtualClock(NOW), RoutingState()
    sync = StateSync(state, Ledger(clock), clock)
    note = json.loads(write_health(Health(answers=3, ways={}), Times(NOW, NOW)))
    identity = json.dumps(["openrouter", "https://x.test/v1", "acme/m0:free"])
    for _ in range(20):
        sync._apply(f"m|{identity}", json.dumps(mutated(note, rng)))
        sync._apply(
            "a|x", json.dumps(mutated([[NOW, True, "debt", 1, False, NOW, "m"], {}, NOW], rng))
        )
        sync._apply("m|" + DEEP, DEEP)
        sync._apply("g|x", DEEP)
    for health in state.health.models.values():
        health.odds(NOW)
        health.lacks_at(NOW)
        health.stated_wait(NOW)


@pytest.mark.parametrize("seed", range(40))
def test_a_spoilt_catalogue_is_no_catalogue(seed: int, tmp_path: Path) -> None:
    cache = CatalogueCache(lambda: tmp_path)
    account = Account("openrouter", "https://x.test/v1", KEY)
    rows = parse_models({"data": [{"id": f"a/m{n}:free", "pricing": {}} for n in range(3)]})
    assert cache.write(account, NOW, rows) is None
    [path] = tmp_path.iterdir()
    good, rng = json.loads(path.read_text()), Random(seed)
    assert good["format"] == FORMAT
    for _ in range(20):
        path.write_text(json.dumps(mutated(good, rng)))
        copy = cache.read(account)
        for model in copy[1] if copy is not None else ():
            assert model.cost(1, 1) >= 0 or not model.free
            assert hash(model.identity)
            assert model.capabilities and model.takes("tools") in (True, False)
            assert model.context > 0
    for text in (DEEP, "", "\0", '"', "1" * 9_000):
        path.write_text(text)
        assert cache.read(account) is None
    path.write_bytes(b"\xff\xfe\x00")
    assert read_json(path) is None


# -- the whole ----------------------------------------------------------------------------------

GOOD_BODY = {
    "id": "x",
    "model": "acme/m0:free",
    "choices": [
        {
            "message": {
                "content": "hello",
                "reasoning": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cost": 0},
    "error": {"message": "no", "code": 429, "metadata": {"raw": "{}", "headers": {"date": "x"}}},
}
ROW = {
    "id": "acme/m0:free",
    "context_length": 100_000,
    "created": 1.7e9,
    "pricing": {"prompt": "0", "completion": "0"},
    "supported_parameters": ["tools", "tool_choice", "response_format", "structured_outputs"],
    "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
    "top_provider": {"context_length": 90_000, "max_completion_tokens": 4_000},
    "expiration_date": "2099-01-01",
}


def odd_router(rng: Random) -> Router:
    """A router whose provider answers with spoilt copies of good answers."""

    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            rows = [ROW | {"id": f"acme/m{n}:free"} for n in range(3)]
            return httpx.Response(200, text=json.dumps({"data": [*rows, mutated(ROW, rng)]}))
        body = mutated(GOOD_BODY | ({"error": None} if rng.random() < 0.8 else {}), rng)
        status = rng.choice([200, 200, 200, 400, 429, 500])
        headers = {"retry-after": str(rng.choice(["1", "x", "1e999", "-1"]))}
        if b'"stream":true' not in request.content or status != 200:
            return httpx.Response(status, text=json.dumps(body), headers=headers)
        choice = (body.get("choices") or [{}])[0] if isinstance(body, dict) else {}
        delta = choice.get("message") if isinstance(choice, dict) else None
        chunks = [{"choices": [{"delta": delta}]}, body, mutated(body, rng)]
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        kind = {"content-type": "text/event-stream"}
        return httpx.Response(200, text=text, headers=kind)

    runtime = Runtime(clock=VirtualClock(), client=httpx.MockTransport(reply), cache=None, seed=1)
    provider = Provider("openrouter", "https://x.test/v1", KEY, limits=[])
    return Router(providers=(provider,), runtime=runtime, timeout=20.0)


@pytest.mark.parametrize("seed", range(25))
def test_no_answer_leaves_the_tree(seed: int) -> None:
    rng = Random(seed)
    router = odd_router(rng)
    for _ in range(8):
        structured = Structured({"type": "object"}) if rng.random() < 0.3 else None
        tools = [TOOL] if rng.random() < 0.5 else []
        request = ChatRequest.of("hi").but(tools=tools, structured=structured)
        try:
            router.chat(request)
            for _ in router.stream(request):
                pass
        except FreeRouterError as error:
            assert error.message
        router.performance()
        router.stats()
        router.health()
    runtime = router._runtime
    assert runtime.clock.now() < NOW + HISTORY_HOURS * DAY


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(VALUES, st.dictionaries(NAMES | st.just("role"), VALUES)), max_size=3),
    st.lists(VALUES, max_size=2),
    st.dictionaries(st.one_of(NAMES, st.sampled_from(["max_tokens", "stop", "n"])), VALUES),
)
def test_no_request_leaves_the_tree(messages: Any, tools: Any, parameters: Any) -> None:
    router = calm_router()
    try:
        request = ChatRequest(messages, tools, parameters=parameters)
        router.chat(request)
        router.explain(request)
    except FreeRouterError as error:
        assert error.message


def doubled(times: int) -> Any:
    """A small object that is endless on the wire: each level holds the one below twice."""
    value: Any = {"type": "string"}
    for _ in range(times):
        value = {"anyOf": [value, value]}
    return value


ENDLESS: dict[str, Any] = {
    "schema": {"structured": Structured({"type": "object", "properties": {"a": doubled(40)}})},
    "tool": {"tools": [{"type": "function", "function": {"name": "f", "parameters": doubled(40)}}]},
    "field": {"extra_body": {"metadata": doubled(40)}},
    "parameter": {"parameters": {"logit_bias": doubled(40)}},
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_request_that_is_endless_on_the_wire_is_refused_at_once(name: str) -> None:
    router = calm_router()
    request = ChatRequest.of("hi").but(**ENDLESS[name])
    for ask in (router.chat, router.explain, lambda request: list(router.stream(request))):
        with pytest.raises(BadRequest, match="more than 100,000 values"):
            ask(request)


def calm_router() -> Router:
    """A router whose provider answers well."""
    good = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": [ROW]} if request.method == "GET" else good)

    runtime = Runtime(clock=VirtualClock(), client=httpx.MockTransport(reply), cache=None)
    provider = Provider("openrouter", "https://x.test/v1", KEY, limits=[])
    return Router(providers=(provider,), runtime=runtime, timeout=5.0)
