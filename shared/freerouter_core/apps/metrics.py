"""What happened, as Prometheus reads it: requests, faults, times, limits left, the catalogue's age, cost."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import math
from collections import Counter
from typing import Any

from ..client.router import Router
from ..errors import FreeRouterError, MissingExtra
from ..events import (
    Answered,
    AttemptFailed,
    CalledOff,
    Charged,
    Event,
    FetchFailed,
    GaveUp,
    ModelChosen,
    ModelsFetched,
    Waiting,
)

MOST_NAMES, OTHER = 500, "other"
"""Models that have series of their own, and what the rest are called."""
PATIENCE = 1.0
"""Seconds a scrape waits for a first list of models."""
SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)


def available() -> bool:
    return importlib.util.find_spec("prometheus_client") is not None


class Metrics:
    """Counts the events of a router's runtime until `close()`. Raises `MissingExtra` without prometheus-client."""

    def __init__(self, router: Router) -> None:
        if not available():
            raise MissingExtra(
                "metrics need prometheus-client", hint="pip install 'freerouter-llm[metrics]'"
            )
        import prometheus_client as prometheus

        self.router = router
        self._names: set[str] = set()
        self.registry = prometheus.CollectorRegistry()
        self._generate = prometheus.generate_latest
        self.kind = prometheus.CONTENT_TYPE_LATEST

        def counter(name: str, words: str, *labels: str) -> Any:
            return prometheus.Counter(f"freerouter_{name}", words, labels, registry=self.registry)

        def gauge(name: str, words: str, *labels: str) -> Any:
            return prometheus.Gauge(f"freerouter_{name}", words, labels, registry=self.registry)

        def histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Any:
            return prometheus.Histogram(
                f"freerouter_{name}", words, labels, buckets=buckets, registry=self.registry
            )

        self.requests = counter(
            "requests", "Requests that ended, by outcome: answered, or the error's name.", "outcome"
        )
        self.attempts = counter("attempts", "Attempts sent.", "model", "provider", "hedge")
        self.faults = counter(
            "faults",
            "Attempts that failed, by kind and cause.",
            "model",
            "provider",
            "fault",
            "cause",
        )
        self.seconds = histogram(
            "request_seconds", "Seconds to an answer, failover included.", SECONDS, "provider"
        )
        self.first_token = histogram(
            "first_token_seconds",
            "Seconds to a stream's first token, failover included.",
            SECONDS,
            "provider",
        )
        self.per_answer = histogram(
            "attempts_per_answer", "Attempts that an answer took.", (1, 2, 3, 4, 6, 8, 12, 20)
        )
        self.waits = counter("waits_seconds", "Seconds that requests waited for limits.")
        self.cost = counter("cost_usd", "USD that answers cost.", "model")
        self.charged = counter(
            "charged_unasked", "Answers that cost money though they were to be free.", "model"
        )
        self.fetches = counter(
            "catalogue_fetches", "Lists of models read or not.", "provider", "outcome"
        )
        self.models = gauge("free_models", "Free models listed.", "provider")
        self.usable = gauge("usable_models", "Free models that are usable now.")
        self.age = gauge("catalogue_age_seconds", "Seconds since the lists were fetched.")
        self.left = gauge(
            "quota_left", "What is left of each limit.", "provider", "scope", "kind", "per"
        )
        self.age.set(math.nan)  # none was fetched yet
        self._end = router.subscribe(self.observe)

    def _named(self, model: str) -> str:
        """The model's name as a label. Callers may ask for any: after so many the rest are one."""
        name = model.encode("utf-8", "replace").decode()
        if name not in self._names:
            if len(self._names) >= MOST_NAMES:
                return OTHER
            self._names.add(name)
        return name

    def observe(self, event: Event) -> None:
        match event:
            case ModelChosen():
                self.attempts.labels(
                    self._named(event.model), event.provider, str(event.hedge).lower()
                ).inc()
            case AttemptFailed():
                self.faults.labels(
                    self._named(event.model), event.provider, event.fault, event.cause
                ).inc()
            case Answered():
                self.requests.labels("answered").inc()
                self.seconds.labels(event.provider).observe(event.seconds)
                self.per_answer.observe(event.attempts)
                if event.first_token is not None:
                    self.first_token.labels(event.provider).observe(event.first_token)
                if event.cost:
                    self.cost.labels(self._named(event.model)).inc(event.cost)
            case GaveUp():
                self.requests.labels(event.error).inc()
            case CalledOff():
                self.requests.labels("called_off").inc()
            case Waiting():
                self.waits.inc(event.seconds)
            case Charged():
                self.charged.labels(self._named(event.model)).inc()
            case ModelsFetched():
                self.fetches.labels(event.provider, "read").inc()
                self.models.labels(event.provider).set(event.free)
            case FetchFailed():
                self.fetches.labels(event.provider, "failed").inc()
            case _:
                pass

    async def exposition(self) -> str:
        """The text that Prometheus scrapes, with limits and catalogue as they are now."""
        await asyncio.to_thread(self.router.flush, PATIENCE)
        with contextlib.suppress(FreeRouterError):  # what is known is told all the same
            health = await self.router.ahealth(wait=PATIENCE)
            self.usable.set(len(health.usable))
            self.age.set(math.nan if health.age is None else health.age)
            listed = Counter(
                row.model.provider for row in health.rows if row.model.free and row.model.chat
            )
            for provider, many in listed.items():
                self.models.labels(provider).set(many)
        with contextlib.suppress(FreeRouterError):
            quota = await self.router.aquota(ask=False)
            self.left.clear()  # a limit of which nothing is spent any more is not told, and must not stay
            for line in quota.lines:
                self.left.labels(line.provider, line.scope, line.kind, f"{line.per:g}").set(
                    line.left
                )
        return str(self._generate(self.registry).decode())

    def close(self) -> None:
        self._end()
