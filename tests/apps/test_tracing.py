"""Spans of requests and attempts, below the caller's span, by OpenTelemetry's conventions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from freerouter_core import Router
from freerouter_core.apps.tracing import Traces
from freerouter_core.errors import Exhausted
from freerouter_core.simulator import SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

KEY = "sk-or-v1-traced-0123456789"


class Traced:
    """A tracer provider that keeps its spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def spans(self, router: Router) -> dict[str, ReadableSpan]:
        router.flush()
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    yield traced
    traced.provider.shutdown()


@pytest.mark.parametrize(
    "way", ["router", "arouter", "stream", "langchain", "alangchain", "llamaindex"]
)
async def test_a_request_is_a_child_of_its_callers_span(way: str, traced: Traced) -> None:
    with World(
        [SimModel("a/x:free", script=["502"]), SimModel("b/y:free")], [SimAccount(KEY)]
    ) as world:
        router = world.router(api_key=KEY, model="a/x:free", strategy="context")
        traces = Traces(router, traced.provider)
        with traced.tracer.start_as_current_span("mine") as caller:
            match way:
                case "router":
                    router.chat("a secret wish")
                case "arouter":
                    await router.achat("a secret wish")
                case "stream":
                    list(router.stream("a secret wish"))
                case "langchain":
                    ChatFreeRouter(router=router).invoke("a secret wish")
                case "alangchain":
                    await ChatFreeRouter(router=router).ainvoke("a secret wish")
                case _:
                    FreeRouter(router=router).complete("a secret wish")
        spans = traced.spans(router)
        traces.close()
    request, failed, answered = (
        spans[n] for n in ("freerouter a/x:free", "chat a/x:free", "chat b/y:free")
    )
    attributes, answered_attributes = (
        dict(request.attributes or {}),
        dict(answered.attributes or {}),
    )

    assert request.parent is not None
    assert request.parent.span_id == caller.get_span_context().span_id
    assert request.context.trace_id == caller.get_span_context().trace_id
    for attempt in (failed, answered):
        assert attempt.parent is not None
        assert attempt.parent.span_id == request.context.span_id
        assert attempt.kind is SpanKind.CLIENT
        times = [request.start_time, attempt.start_time, attempt.end_time, request.end_time]
        assert None not in times
        assert times == sorted(time or 0 for time in times)
        assert dict(attempt.attributes or {})["gen_ai.operation.name"] == "chat"
        assert dict(attempt.attributes or {})["gen_ai.provider.name"] == "openrouter"
    assert (attributes["gen_ai.request.model"], attributes["gen_ai.response.model"]) == (
        "a/x:free",
        "b/y:free",
    )
    assert attributes["gen_ai.request.stream"] is (way == "stream")
    assert answered_attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert answered_attributes["gen_ai.usage.input_tokens"] > 0  # type: ignore[operator]
    assert answered_attributes["gen_ai.usage.output_tokens"] > 0  # type: ignore[operator]
    assert [
        s.name for s in spans.values() if "gen_ai.usage.input_tokens" in dict(s.attributes or {})
    ] == ["chat b/y:free"]
    assert ("gen_ai.response.time_to_first_chunk" in attributes) is (way == "stream")
    assert attributes["freerouter.attempts"] == 2
    assert request.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert dict(failed.attributes or {})["http.response.status_code"] == 502
    shown = "".join(span.to_json() for span in spans.values())
    assert KEY not in shown
    assert "secret" not in shown


def test_a_failed_request_is_an_error_span(traced: Traced) -> None:
    with World([SimModel("a/x:free", script=["502"] * 9)]) as world:
        router = world.router(max_retries=0)
        Traces(router, traced.provider)
        with pytest.raises(Exhausted):
            router.chat("hello")
        request = traced.spans(router)["freerouter auto"]

    assert request.parent is None
    assert (request.status.status_code, request.status.description) == (
        StatusCode.ERROR,
        "Exhausted",
    )
    assert dict(request.attributes or {})["error.type"] == "Exhausted"


def test_after_close_nothing_is_traced(traced: Traced) -> None:
    with World([SimModel("a/x:free")]) as world:
        router = world.router()
        traces = Traces(router, traced.provider)
        traces.close()
        router.chat("hello")

        assert not traced.spans(router)
