"""Requests as OpenTelemetry spans: one a request, under the caller's own, and under it one an attempt by the conventions for generative AI.

Names: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ (2026-11). An attempt is what they call an inference; tokens stand on
the one that answered, so that nobody counts them twice. What was said stands nowhere. Spans are made when a request has ended: what a guard or a
strategy of yours asks meanwhile stands beside it.
"""

from __future__ import annotations

import atexit
import importlib.util
from typing import Any

from .._version import __version__
from ..client.router import Router
from ..errors import MissingExtra
from ..events import Answered, AttemptTrace, CalledOff, Event, GaveUp, RequestTrace

PROVIDERS = {
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "azure": "azure.ai.inference",
}
"""Where the conventions have another name for a provider than we."""


def available() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.trace") is not None
    except ModuleNotFoundError:
        return False


class Traces:
    """Makes spans of the requests of a router's runtime until `close()`. `provider`: an OpenTelemetry `TracerProvider`; None: the global
    one. Raises `MissingExtra` without opentelemetry."""

    def __init__(self, router: Router, provider: Any = None) -> None:
        if not available():
            raise MissingExtra(
                "traces need opentelemetry", hint="pip install 'freerouter-llm[otel]'"
            )
        from opentelemetry import trace

        self._otel = trace
        self._tracer = trace.get_tracer("freerouter", __version__, tracer_provider=provider)
        self._router = router
        self._end = router.subscribe(self.observe)
        atexit.register(self._flush)  # before the provider, which was made earlier, shuts down

    def close(self) -> None:
        """Make spans of what has ended so far, and of nothing more."""
        self._flush()
        self._end()
        atexit.unregister(self._flush)

    def _flush(self) -> None:
        self._router.flush(1.0)

    def observe(self, event: Event) -> None:
        """Events come when a request has ended, in the context of its caller, whose span is thereby the parent."""
        if not isinstance(event, (Answered, GaveUp, CalledOff)) or event.trail is None:
            return
        trail = event.trail
        span = self._tracer.start_span(
            f"freerouter {trail.asked}",
            attributes=_request(event, trail),
            start_time=_nanoseconds(trail.at),
        )
        if isinstance(event, GaveUp):
            span.set_status(self._otel.Status(self._otel.StatusCode.ERROR, event.error))
        inside = self._otel.set_span_in_context(span)
        for tried in trail.tries:
            self._attempt(event, tried, inside)
        span.end(_nanoseconds(trail.at + event.seconds))

    def _attempt(
        self, event: Answered | GaveUp | CalledOff, tried: AttemptTrace, context: Any
    ) -> None:
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDERS.get(tried.provider, tried.provider),
            "gen_ai.request.model": tried.model,
            "gen_ai.request.stream": event.trail is not None and event.trail.streamed,
            "freerouter.attempt": tried.number,
            "freerouter.hedge": tried.hedge,
            "http.response.status_code": tried.status,
            "freerouter.fault": tried.fault,
        }
        failed = tried.fault not in (None, "cancelled")
        if failed:
            attributes["error.type"] = tried.cause or tried.fault
        if isinstance(event, Answered) and tried.fault is None:
            attributes |= {
                "gen_ai.response.model": event.model,
                "gen_ai.response.id": event.id or None,
                "gen_ai.response.finish_reasons": [event.finish_reason]
                if event.finish_reason
                else None,
                "gen_ai.usage.input_tokens": event.prompt_tokens,
                "gen_ai.usage.output_tokens": event.completion_tokens,
            }
        span = self._tracer.start_span(
            f"chat {tried.model}",
            context,
            self._otel.SpanKind.CLIENT,
            _known(attributes),
            start_time=_nanoseconds(tried.at),
        )
        if failed:
            span.set_status(
                self._otel.Status(self._otel.StatusCode.ERROR, f"{tried.fault}: {tried.cause}")
            )
        span.end(_nanoseconds(tried.at + tried.seconds))


def _request(event: Answered | GaveUp | CalledOff, trail: RequestTrace) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gen_ai.request.model": trail.asked,
        "gen_ai.request.stream": trail.streamed,
        "freerouter.attempts": event.attempts,
    }
    match event:
        case Answered():
            told |= {
                "gen_ai.response.model": event.model,
                "gen_ai.response.time_to_first_chunk": event.first_token,
                "freerouter.provider": event.provider,
                "freerouter.cost_usd": event.cost,
            }
        case GaveUp():
            told |= {"error.type": event.error, "http.response.status_code": event.status}
        case CalledOff():
            told |= {"freerouter.fault": "cancelled"}
    return _known(told)


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
