"""Prometheus metrics of a router: requests, attempts, faults, times, limits, models, cost."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import math
from collections import Counter

from ..client.router import Router
from ..errors import FreeRouterError, MissingExtra
from ..events import (
    AnswerCacheUsed,
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

MAX_NAMES = 500
"""Models with series of their own. The others share one, labelled `OTHER`."""
OTHER = "other"
CATALOGUE_WAIT = 1.0
"""Seconds to wait for a first catalogue."""
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)
"""Histogram buckets, in seconds."""


def available() -> bool:
    return importlib.util.find_spec("prometheus_client") is not None


class Metrics:
    """Counts the events of a router's runtime until `close()`.

    Raises:
        MissingExtra: prometheus-client is not installed.
    """

    def __init__(self, router: Router) -> None:
        if not available():
            raise MissingExtra(
                "metrics need prometheus-client", hint="pip install 'freerouter-llm[metrics]'"
            )
        import prometheus_client as prometheus

        self.router = router
        self.registry = prometheus.CollectorRegistry()
        self.kind = prometheus.CONTENT_TYPE_LATEST
        self._generate = prometheus.generate_latest
        self._names: set[str] = set()
        self._add_request_metrics()
        self._add_catalogue_metrics()
        self._unsubscribe = router.subscribe(self.observe)

    def _add_request_metrics(self) -> None:
        import prometheus_client as prometheus

        registry = self.registry
        self.requests = prometheus.Counter(
            "freerouter_requests",
            "Requests that ended, by outcome: answered, called_off, or the name of the error.",
            ["outcome"],
            registry=registry,
        )
        self.attempts = prometheus.Counter(
            "freerouter_attempts",
            "Attempts sent.",
            ["model", "provider", "hedge"],
            registry=registry,
        )
        self.faults = prometheus.Counter(
            "freerouter_faults",
            "Attempts that failed, by kind and cause.",
            ["model", "provider", "fault", "cause"],
            registry=registry,
        )
        self.seconds = prometheus.Histogram(
            "freerouter_request_seconds",
            "Seconds to an answer, failover included.",
            ["provider"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.first_token = prometheus.Histogram(
            "freerouter_first_token_seconds",
            "Seconds to the first token of a stream, failover included.",
            ["provider"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.per_answer = prometheus.Histogram(
            "freerouter_attempts_per_answer",
            "Attempts per answer.",
            buckets=(1, 2, 3, 4, 6, 8, 12, 20),
            registry=registry,
        )
        self.waits = prometheus.Counter(
            "freerouter_waits_seconds",
            "Seconds that requests waited for limits.",
            registry=registry,
        )
        self.cost = prometheus.Counter(
            "freerouter_cost_usd", "Cost of answers in USD.", ["model"], registry=registry
        )
        self.answer_cache = prometheus.Counter(
            "freerouter_answer_cache",
            "Looks for kept answers, by result: hit, joined, miss, stored or dropped.",
            ["result"],
            registry=registry,
        )
        self.charged = prometheus.Counter(
            "freerouter_charged_unasked",
            "Answers that cost money although they should have been free.",
            ["model"],
            registry=registry,
        )

    def _add_catalogue_metrics(self) -> None:
        import prometheus_client as prometheus

        registry = self.registry
        self.fetches = prometheus.Counter(
            "freerouter_catalogue_fetches",
            "Catalogues fetched, by outcome.",
            ["provider", "outcome"],
            registry=registry,
        )
        self.models = prometheus.Gauge(
            "freerouter_free_models", "Free models listed.", ["provider"], registry=registry
        )
        self.usable = prometheus.Gauge(
            "freerouter_usable_models", "Free models that are usable now.", registry=registry
        )
        self.age = prometheus.Gauge(
            "freerouter_catalogue_age_seconds",
            "Seconds since the catalogues were fetched.",
            registry=registry,
        )
        self.age.set(math.nan)  # none has been fetched yet
        self.left = prometheus.Gauge(
            "freerouter_quota_left",
            "What is left of each limit.",
            ["provider", "scope", "kind", "per"],
            registry=registry,
        )

    def _label(self, model: str) -> str:
        """The model's name as a label. Callers may send any name, so their number is limited."""
        name = model.encode("utf-8", "replace").decode()
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                return OTHER
            self._names.add(name)
        return name

    def observe(self, event: Event) -> None:
        match event:
            case ModelChosen():
                hedge = str(event.hedge).lower()
                self.attempts.labels(self._label(event.model), event.provider, hedge).inc()
            case AttemptFailed():
                self.faults.labels(
                    self._label(event.model), event.provider, event.fault, event.cause
                ).inc()
            case Answered():
                self.requests.labels("answered").inc()
                self.seconds.labels(event.provider).observe(event.seconds)
                self.per_answer.observe(event.attempts)
                if event.first_token is not None:
                    self.first_token.labels(event.provider).observe(event.first_token)
                if event.cost:
                    self.cost.labels(self._label(event.model)).inc(event.cost)
            case GaveUp():
                self.requests.labels(event.error).inc()
            case CalledOff():
                self.requests.labels("called_off").inc()
            case Waiting():
                self.waits.inc(event.seconds)
            case Charged():
                self.charged.labels(self._label(event.model)).inc()
            case AnswerCacheUsed():
                self.answer_cache.labels(event.result).inc()
            case ModelsFetched():
                self.fetches.labels(event.provider, "read").inc()
                self.models.labels(event.provider).set(event.free)
            case FetchFailed():
                self.fetches.labels(event.provider, "failed").inc()
            case _:
                pass

    async def exposition(self) -> str:
        """The text that Prometheus scrapes, with the current limits and models."""
        await asyncio.to_thread(self.router.flush, CATALOGUE_WAIT)
        with contextlib.suppress(FreeRouterError):  # the counters are still worth a scrape
            await self._update_models()
        with contextlib.suppress(FreeRouterError):
            await self._update_limits()
        return str(self._generate(self.registry).decode())

    async def _update_models(self) -> None:
        health = await self.router.ahealth(wait=CATALOGUE_WAIT)
        self.usable.set(len(health.usable))
        self.age.set(math.nan if health.age is None else health.age)
        models = [row.model for row in health.rows if row.model.free and row.model.chat]
        for provider, count in Counter(model.provider for model in models).items():
            self.models.labels(provider).set(count)

    async def _update_limits(self) -> None:
        quota = await self.router.aquota(ask=False)
        self.left.clear()  # limits that are no longer reported must not stay
        for line in quota.lines:
            self.left.labels(line.provider, line.scope, line.kind, f"{line.per:g}").set(line.left)

    def close(self) -> None:
        self._unsubscribe()
