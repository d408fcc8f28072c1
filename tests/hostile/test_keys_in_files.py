"""A server that quotes the key wherever it can gets it into no file, trace, metric, log or page."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from freerouter_core import ChatRequest, Provider, Router, Runtime
from freerouter_core.apps.metrics import Metrics
from freerouter_core.apps.tracing import Traces
from freerouter_core.simulator import SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..conftest import Serve
from .test_keys_in_locals import ODD_KEY, encodings, hunt

FORMS = [*encodings(ODD_KEY), *encodings(f"Bearer {ODD_KEY}"), ODD_KEY[:16], " ".join(ODD_KEY)]
ECHO = {f"x{n}": form for n, form in enumerate(FORMS)}
HEADERS = {"x-echo": ODD_KEY, "server": FORMS[3], "x-generation-id": ODD_KEY}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALLED = ChatRequest([{"role": "user", "content": "call it"}], [TOOL])
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "echo": ECHO}


def answered(request: httpx.Request) -> httpx.Response:
    """The key in every place that is not what a model says."""
    if request.method == "GET":
        prices = {"prompt": "0", "completion": "0"}
        rows = [{"id": f"acme/m{n}:free", "pricing": prices} for n in range(3)]
        return httpx.Response(200, json={"data": rows, **ECHO}, headers=HEADERS)
    body = json.loads(request.content)
    head = {"id": ODD_KEY, "model": f"m/{ODD_KEY}", "provider": ODD_KEY, "usage": USAGE, **ECHO}
    if "embeddings" in request.url.path:
        vectors = [{"index": n, "embedding": [1.0, n]} for n in range(len(body["input"]))]
        return httpx.Response(200, json={**head, "data": vectors}, headers=HEADERS)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "hello",
        "name": ODD_KEY,
        "reasoning": ODD_KEY,
    }
    if "tools" in body:
        call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
        broken = {"type": "function", "function": {"name": "f", "arguments": '{"a": '}}
        calls = [{**call, "id": form, "index": n} for n, form in enumerate(FORMS)]
        message |= {"content": None, "tool_calls": [*calls, {**call, "index": len(calls)}]}
        if "broken" in request.content.decode():
            message["tool_calls"] = [{**broken, "id": ODD_KEY, "index": 0}]
    choice = {"index": 0, "finish_reason": "stop", "native_finish_reason": ODD_KEY}
    if not body.get("stream"):
        whole = {**head, "choices": [{**choice, "message": message}]}
        return httpx.Response(200, json=whole, headers=HEADERS)
    chunk = json.dumps({**head, "choices": [{**choice, "delta": message}]})
    return httpx.Response(
        200,
        text=f": {ODD_KEY}\n\nid: {ODD_KEY}\ndata: {chunk}\n\ndata: [DONE]\n\n",
        headers={**HEADERS, "content-type": "text/event-stream"},
    )


def echoing() -> Router:
    """A router whose provider is such a server."""
    provider = Provider("lab", "https://lab.test/v1", ODD_KEY, free="all", limits=[])
    client = httpx.MockTransport(answered)
    return Router(providers=[provider], http_client=client, timeout=5.0, answer_cache=True)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that any logger writes, at every level, with the fields of its records."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.addFilter(lambda record: bool(stream.write(f"{record.__dict__}\n")) or True)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def asked(router: Router) -> list[object]:
    """What the caller sees of all ways to ask, twice: the second time from the cache."""
    fragments = router.with_options(tool_streaming="fragments", answer_cache=False)
    chat, index = ChatFreeRouter(router=router), FreeRouter(router=router)
    broken = CALLED.but(messages=[{"role": "user", "content": "broken"}])
    seen: list[object] = []
    for _ in range(2):
        for request in (ChatRequest.of("x"), CALLED, broken):
            outcome, stream = router.chat(request), router.stream(request)
            seen += [outcome, outcome.metadata, outcome.journal.render(), *stream, stream.outcome]
        seen += [*fragments.stream(CALLED), *chat.stream("y")]
        seen += [chat.bind_tools([TOOL]).invoke("z"), index.complete("y").raw]
    return seen


def test_what_a_server_quotes_is_in_no_answer_and_in_no_file(
    tmp_path: Path, logged: io.StringIO
) -> None:
    router = echoing()
    events: list[object] = []
    router.subscribe(events.append)
    seen = asked(router)
    vectors = router.embed(["a", "b"], model="lab:acme/vectors")
    reports: list[Any] = [router.health(), router.quota(), router.performance(), router.stats()]
    reports += [router.explain("x"), router.free_models(), router.recommend("x")]
    seen += [vectors, *reports, *(report._repr_html_() for report in reports)]
    router.flush()
    router.close()

    assert "hello" in repr(seen)
    assert not hunt(repr(seen) + repr(events) + logged.getvalue())
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"state.db", "answers.db", "vectors.db"} <= {path.name for path in kept}
    for path in kept:
        assert not hunt(path.read_bytes().decode("latin-1") + path.name), path.name


def test_what_a_server_quotes_is_in_no_job(tmp_path: Path) -> None:
    job = echoing().with_options(answer_cache=False).bulk(["a", CALLED], tmp_path / "x.job")
    results = list(job)

    assert [result.error for result in results] == [None, None]
    assert not hunt(f"{results}{job.progress()}{job!r}{job.progress()._repr_html_()}")
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or not hunt(path.read_bytes().decode("latin-1")), path.name


def test_what_a_server_quotes_is_in_no_trace_and_no_metric() -> None:
    router, exporter, provider = echoing(), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces, metrics = Traces(router, provider), Metrics(router)
    asked(router)
    traces.close()

    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    provider.shutdown()
    exposed = asyncio.run(metrics.exposition())
    assert "gen_ai.response.model" in spans
    assert "freerouter_attempts_total" in exposed
    assert not hunt(spans + exposed)


@pytest.mark.parametrize("client", ["own", "a transport", "a client"])
def test_no_log_of_a_library_shows_the_key_that_is_sent(
    client: str, serve: Serve, logged: io.StringIO
) -> None:
    world = World([SimModel("acme/a:free")], [SimAccount(ODD_KEY, None)])
    provider = Provider("lab", serve(world), ODD_KEY, free="all", limits=[])
    clients: dict[str, Any] = {
        "a transport": httpx.AsyncHTTPTransport,
        "a client": httpx.AsyncClient,
    }
    own = clients[client]() if client in clients else None
    runtime = Runtime(cache=None)
    router = Router(providers=[provider], http_client=own, runtime=runtime)
    for _ in range(2):
        assert router.chat("x").text
        assert list(router.stream("y"))
    if own is not None:
        runtime.call(own.aclose)
    runtime.close()

    # The router's own client may be aiohttp, as soon as that is loaded.
    assert own is None or "httpcore" in logged.getvalue()
    assert "freerouter" in logged.getvalue()
    assert not hunt(logged.getvalue())
