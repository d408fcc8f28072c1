"""Requests as OpenTelemetry spans, by its conventions for generative AI: one span a request, under the caller's own, and one an attempt.

Names: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ (2026-11). Tokens stand on the request alone, so that nobody counts them
twice; what was said stands nowhere.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from .. import __version__
from ..errors import MissingExtra
from ..events import Answered, CalledOff, Event, GaveUp
from ..router import Router
from ..trail import Trail, Tried

PROVIDERS = {"gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai", "azure": "azure.ai.inference"}
"""Where the conventions have another name for a provider than we."""


def available() -> bool:
    return importlib.util.find_spec("opentelemetry") is not None


class Traces:
    """Makes spans of the requests of a router's runtime until `close()`. `provider`: an OpenTelemetry `TracerProvider`; None: the global
    one. Raises `MissingExtra` without opentelemetry."""

    def __init__(self, router: Router, provider: Any = None) -> None:
        if not available():
            raise MissingExtra("traces need opentelemetry", hint="pip install 'freerouter-llm[otel]'")
        from opentelemetry import trace

        self._otel = trace
        self._tracer = trace.get_tracer("freerouter", __version__, tracer_provider=provider)
        self.close = router.subscribe(self.observe)

    def observe(self, event: Event) -> None:
        """Events come when a request has ended, in the context of its caller, whose span is thereby the parent."""
        if not isinstance(event, (Answered, GaveUp, CalledOff)) or event.trail is None:
            return
        trail = event.trail
        span = self._tracer.start_span(
            f"chat {trail.asked}", attributes=_request(event, trail), start_time=_nanoseconds(trail.at)
        )
        if isinstance(event, GaveUp):
            span.set_status(self._otel.Status(self._otel.StatusCode.ERROR, event.error))
        inside = self._otel.set_span_in_context(span)
        for tried in trail.tries:
            self._attempt(tried, inside)
        span.end(_nanoseconds(trail.at + event.seconds))

    def _attempt(self, tried: Tried, context: Any) -> None:
        attributes: dict[str, Any] = {
            "gen_ai.provider.name": PROVIDERS.get(tried.provider, tried.provider),
            "gen_ai.request.model": tried.model,
            "freerouter.attempt": tried.number,
            "freerouter.hedge": tried.hedge,
        }
        if tried.status is not None:
            attributes["http.response.status_code"] = tried.status
        if tried.fault is not None:
            attributes["freerouter.fault"] = tried.fault
        failed = tried.fault not in (None, "cancelled")
        if failed:
            attributes["error.type"] = tried.cause or tried.fault
        span = self._tracer.start_span(
            f"attempt {tried.model}",
            context,
            self._otel.SpanKind.CLIENT,
            attributes,
            start_time=_nanoseconds(tried.at),
        )
        if failed:
            span.set_status(self._otel.Status(self._otel.StatusCode.ERROR, f"{tried.fault}: {tried.cause}"))
        span.end(_nanoseconds(tried.at + tried.seconds))


def _request(event: Answered | GaveUp | CalledOff, trail: Trail) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "freerouter",
        "gen_ai.request.model": trail.asked,
        "gen_ai.request.stream": trail.streamed,
        "freerouter.attempts": event.attempts,
    }
    match event:
        case Answered():
            known = {
                "gen_ai.provider.name": PROVIDERS.get(event.provider, event.provider),
                "gen_ai.response.model": event.model,
                "gen_ai.response.id": event.id or None,
                "gen_ai.response.finish_reasons": [event.finish_reason] if event.finish_reason else None,
                "gen_ai.response.time_to_first_chunk": event.first_token,
                "gen_ai.usage.input_tokens": event.prompt_tokens,
                "gen_ai.usage.output_tokens": event.completion_tokens,
                "freerouter.cost_usd": event.cost,
            }
        case GaveUp():
            known = {"error.type": event.error, "http.response.status_code": event.status}
        case CalledOff():
            known = {"freerouter.fault": "cancelled"}
    return told | {name: value for name, value in known.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
