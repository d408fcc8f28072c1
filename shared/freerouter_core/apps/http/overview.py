"""`Overview`: everything the page shows, as one JSON object."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict

from ...client.router import Router
from ...errors import FreeRouterError
from ...events import Answered, CalledOff, Event, GaveUp, RequestTrace, Waiting
from ...reports import Candidacy, HealthReport
from ..as_json import JsonObject, candidacy_as_json, jsonable

MAX_REQUESTS = 100
"""The newest requests that are kept."""
MAX_WAITING = 10_000
"""Requests in line that are remembered."""


class Overview:
    """Watches the requests of a router's runtime until `close()`. Keeps no prompts or answers.

    `of`: returns the router.
    """

    def __init__(self, of: Callable[[], Router]) -> None:
        self.of = of
        self.requests: deque[JsonObject] = deque(maxlen=MAX_REQUESTS)
        self.waiting: dict[int, Waiting] = {}
        """By the numbers of their requests, in order of their beginning."""
        self.close = of().subscribe(self.observe)

    def observe(self, event: Event) -> None:
        match event:
            case Answered(trail=RequestTrace() as trace):
                outcome: JsonObject = {
                    "outcome": "answered",
                    "model": event.model,
                    "provider": event.provider,
                    "first_token": event.first_token,
                    "tokens": (event.prompt_tokens or 0) + (event.completion_tokens or 0),
                    "cost": event.cost,
                }
            case GaveUp(trail=RequestTrace() as trace):
                outcome = {"outcome": event.error, "status": event.status}
            case CalledOff(trail=RequestTrace() as trace):
                outcome = {"outcome": "called off"}
            case Waiting():
                self.waiting[event.number] = event
                if len(self.waiting) > MAX_WAITING:
                    self.waiting.pop(next(iter(self.waiting)))
                return
            case _:
                return
        self.waiting.pop(trace.number, None)
        self.requests.appendleft(
            asdict(trace) | {"seconds": event.seconds, "first_token": None} | outcome
        )

    async def snapshot(self, *, wait: float) -> JsonObject:
        """The models, limits and requests as they are now.

        `wait`: seconds to wait for a first catalogue. If none arrives, `problem` says why.
        """
        router, problem = self.of(), None
        try:
            health = await router.ahealth(wait=wait)
        except FreeRouterError as error:
            health, problem = HealthReport((), 0, None, ()), error.message
        now = time.time()
        waiting = [wait for wait in list(self.waiting.values()) if wait.until > now]
        quota = await router.aquota(ask=False)
        stats = await router.astats()
        models = [row for row in health.rows if row.model.free and row.model.chat]
        return {
            "now": now,
            "problem": problem,
            "usable": len(health.usable),
            "listed": health.listed,
            "catalogue_age": jsonable(health.age),
            "providers": list(health.accounts),
            "simulated": health.simulated,
            "models": [candidacy_as_json(row) for row in sorted(models, key=_best_first)],
            "limits": jsonable(quota.lines),
            "waits": jsonable(quota.waits),
            "waiting": [jsonable(wait) for wait in waiting],
            "requests": jsonable(list(self.requests)),
            "stats": {
                "answered": stats.answered,
                "gave_up": stats.gave_up,
                "fallback_rate": jsonable(stats.fallback_rate),
                "seconds": jsonable(stats.seconds),
            },
        }


def _best_first(row: Candidacy) -> tuple[bool, bool, int]:
    """A sort key: usable models, then other candidates; the largest context first."""
    return row.reason is not None, not row.usable, -row.model.context
