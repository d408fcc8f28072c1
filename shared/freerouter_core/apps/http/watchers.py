"""`Watchers`: what observes the requests of a service."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.responses import PlainTextResponse, Response

from ...client.router import Router
from .. import metrics, tracing
from .errors import refusal
from .overview import Overview


class Watchers:
    """Observers of a router's runtime: the page's overview, and metrics and traces if their extras
    are installed.

    `of`: returns the router.
    """

    def __init__(self, of: Callable[[], Router]) -> None:
        self.overview = Overview(of)
        self.metrics = metrics.Metrics(of()) if metrics.available() else None
        self.traces = tracing.Traces(of()) if tracing.available() else None

    def close(self) -> None:
        for watcher in (self.overview, self.metrics, self.traces):
            if watcher is not None:
                watcher.close()

    async def metrics_response(self) -> Response:
        """The metrics in Prometheus' text format; status 501 without prometheus-client."""
        if self.metrics is None:
            return refusal(
                501, "metrics need prometheus-client: pip install 'freerouter-llm[metrics]'"
            )
        return PlainTextResponse(await self.metrics.exposition(), media_type=self.metrics.kind)
