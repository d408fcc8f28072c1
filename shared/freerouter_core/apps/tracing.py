"""OpenTelemetry spans: one for each request, below the caller's span, and below it one per attempt.

Attempts follow the GenAI conventions for inference spans (as of 2026-11):
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/. Tokens are on the attempt that
answered, so that a sum counts them once. No prompts and no answers are recorded. Spans are made
when a request has ended. What a guard or strategy of yours asks meanwhile becomes a sibling span.
"""

from __future__ import annotations

import atexit
import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._version import __version__
from ..client.router import Router
from ..errors import MissingExtra
from ..events import Answered, AttemptTrace, CalledOff, Event, GaveUp, RequestTrace

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider
    from opentelemetry.util.types import AttributeValue

    Attributes = dict[str, AttributeValue]

PROVIDERS = {
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "azure": "azure.ai.inference",
}
"""Providers whose names in the conventions differ from ours."""
FLUSH = 1.0
"""Seconds at the end for the last events to become spans."""
Ended = Answered | GaveUp | CalledOff


def available() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.trace") is not None
    except ModuleNotFoundError:
        return False


class Traces:
    """Makes spans of the requests of a router's runtime until `close()`.

    Args:
        router: whose runtime is watched.
        provider: an OpenTelemetry `TracerProvider`. None: the global one.

    Raises:
        MissingExtra: opentelemetry is not installed.
    """

    def __init__(self, router: Router, provider: TracerProvider | None = None) -> None:
        if not available():
            raise MissingExtra(
                "traces need opentelemetry", hint="pip install 'freerouter-llm[otel]'"
            )
        from opentelemetry import trace

        self._otel = trace
        self._tracer = trace.get_tracer("freerouter", __version__, tracer_provider=provider)
        self._router = router
        self._unsubscribe = router.subscribe(self.observe)
        # Registered after the provider, so it runs before the provider shuts down.
        atexit.register(self._flush)

    def close(self) -> None:
        """Make spans of the requests that have ended, then stop."""
        self._flush()
        self._unsubscribe()
        atexit.unregister(self._flush)

    def _flush(self) -> None:
        self._router.flush(FLUSH)

    def observe(self, event: Event) -> None:
        """Events arrive in the context of the caller, so the caller's span becomes the parent."""
        if not isinstance(event, Ended) or event.trail is None:
            return
        request = event.trail
        span = self._tracer.start_span(
            f"freerouter {request.asked}",
            attributes=_request_attributes(event, request),
            start_time=_nanoseconds(request.at),
        )
        if isinstance(event, GaveUp):
            span.set_status(self._otel.Status(self._otel.StatusCode.ERROR, event.error))
        context = self._otel.set_span_in_context(span)
        for attempt in request.tries:
            self._add_attempt(event, attempt, context)
        span.end(_nanoseconds(request.at + event.seconds))

    def _add_attempt(self, event: Ended, attempt: AttemptTrace, context: Context) -> None:
        span = self._tracer.start_span(
            f"chat {attempt.model}",
            context,
            self._otel.SpanKind.CLIENT,
            _attempt_attributes(event, attempt),
            start_time=_nanoseconds(attempt.at),
        )
        if _failed(attempt):
            message = f"{attempt.fault}: {attempt.cause}"
            span.set_status(self._otel.Status(self._otel.StatusCode.ERROR, message))
        span.end(_nanoseconds(attempt.at + attempt.seconds))


def _request_attributes(event: Ended, request: RequestTrace) -> Attributes:
    attributes: dict[str, AttributeValue | None] = {
        "gen_ai.request.model": request.asked,
        "gen_ai.request.stream": request.streamed,
        "freerouter.attempts": event.attempts,
    }
    match event:
        case Answered():
            attributes |= {
                "gen_ai.response.model": event.model,
                "gen_ai.response.time_to_first_chunk": event.first_token,
                "freerouter.provider": event.provider,
                "freerouter.cost_usd": event.cost,
            }
        case GaveUp():
            attributes |= {"error.type": event.error, "http.response.status_code": event.status}
        case CalledOff():
            attributes |= {"freerouter.fault": "cancelled"}
    return _without_none(attributes)


def _attempt_attributes(event: Ended, attempt: AttemptTrace) -> Attributes:
    attributes: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(attempt.provider, attempt.provider),
        "gen_ai.request.model": attempt.model,
        "gen_ai.request.stream": event.trail is not None and event.trail.streamed,
        "freerouter.attempt": attempt.number,
        "freerouter.hedge": attempt.hedge,
        "http.response.status_code": attempt.status,
        "freerouter.fault": attempt.fault,
    }
    if _failed(attempt):
        attributes["error.type"] = attempt.cause or attempt.fault
    if isinstance(event, Answered) and attempt.fault is None:
        attributes |= {
            "gen_ai.response.model": event.model,
            "gen_ai.response.id": event.id or None,
            "gen_ai.response.finish_reasons": [event.finish_reason]
            if event.finish_reason
            else None,
            "gen_ai.usage.input_tokens": event.prompt_tokens,
            "gen_ai.usage.output_tokens": event.completion_tokens,
        }
    return _without_none(attributes)


def _failed(attempt: AttemptTrace) -> bool:
    return attempt.fault not in (None, "cancelled")


def _without_none(attributes: Mapping[str, AttributeValue | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
