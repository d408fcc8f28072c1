"""`Overview`: everything the page shows, as one JSON object."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace

from ...client.router import Router
from ...errors import FreeRouterError
from ...events import Answered, CalledOff, Event, GaveUp, RequestTrace
from ...reports import Candidacy, HealthReport
from ...reports.quota import QuotaLine, QuotaReport
from ...routing.running import RunningRequest
from ...runtime.runtime import Runtime
from ..as_json import JsonObject, candidacy_as_json, jsonable
from .quota_history import MIN_PERIOD, STEP, QuotaHistory

MAX_REQUESTS = 100
"""The newest requests that are kept."""
MAX_RUNNING = 50
"""Requests under way that are shown one by one, those that began first. The others are counted."""
MAX_JOBS = 10
"""Jobs that are shown."""
ASK_AGAIN = 60.0
"""Seconds between two questions to providers for their own count, which costs no quota. OpenRouter
tells a day's limit in no other way."""


class Overview:
    """Watches the requests of a router's runtime until `close()`. Keeps no prompts or answers.

    `of`: returns the router.
    """

    def __init__(self, of: Callable[[], Router]) -> None:
        self.of = of
        self.requests: deque[JsonObject] = deque(maxlen=MAX_REQUESTS)
        self.history = QuotaHistory()
        self.close = of().subscribe(self.observe)
        self._asked = -math.inf
        self._asking: asyncio.Task[None] | None = None
        self._told: tuple[QuotaLine, ...] = ()
        """What providers told of limits that nobody else counts."""

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
            case _:
                return
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
        quota = await self._quota()
        self.history.add(time.time(), quota.lines)
        runtime = router.runtime or Runtime.current()
        running = await runtime.acall(lambda: _running(runtime))
        jobs = list(runtime.jobs.values())[:MAX_JOBS]
        progress = await asyncio.gather(*(asyncio.to_thread(_job, *job) for job in jobs))
        stats = await router.astats()
        models = [row for row in health.rows if row.model.free and row.model.chat]
        return {
            "now": time.time(),
            "problem": problem,
            "usable": len(health.usable),
            "listed": health.listed,
            "catalogue_age": jsonable(health.age),
            "providers": list(health.accounts),
            "simulated": health.simulated,
            "models": [candidacy_as_json(row) for row in sorted(models, key=_best_first)],
            "limits": jsonable(quota.lines),
            "waits": jsonable(quota.waits),
            "running": jsonable(running[:MAX_RUNNING]),
            "under_way": len(running),
            "in_line": sum(request.reason is not None for request in running),
            "history": self.history.as_json(),
            "jobs": progress,
            "requests": jsonable(list(self.requests)),
            "stats": {
                "answered": stats.answered,
                "gave_up": stats.gave_up,
                "fallback_rate": jsonable(stats.fallback_rate),
                "seconds": jsonable(stats.seconds),
            },
        }

    async def remember(self) -> None:
        """Until cancelled: remember how much of the limits is used, though nobody looks."""
        try:
            while True:
                await asyncio.sleep(STEP / 3)
                if self.requests:  # else nothing was used, and no list is fetched for it
                    with contextlib.suppress(FreeRouterError):
                        self.history.add(time.time(), (await self._quota()).lines)
        finally:
            if self._asking is not None:
                self._asking.cancel()

    async def _quota(self) -> QuotaReport:
        """The limits as they are counted here, and as providers told them last. Never waits."""
        now = time.monotonic()
        if now >= self._asked + ASK_AGAIN:
            self._asked = now
            self._asking = asyncio.create_task(self._ask())
        report = await self.of().aquota(ask=False)
        counted = {_same(line) for line in report.lines}
        told = (line for line in self._told if _same(line) not in counted)
        return replace(report, lines=(*report.lines, *told))

    async def _ask(self) -> None:
        with contextlib.suppress(FreeRouterError):
            lines = (await self.of().aquota()).lines
            self._told = tuple(line for line in lines if line.per >= MIN_PERIOD)


async def _running(runtime: Runtime) -> list[RunningRequest]:
    """The requests under way, in order of their beginning."""
    return [tell() for tell in runtime.running.values()]


def _job(name: str, progress: Callable[[], object]) -> JsonObject:
    """How a job stands. It may end meanwhile, or its file be gone."""
    try:
        stand, problem = progress(), None
    except FreeRouterError as error:
        stand, problem = None, error.message
    return {"name": name, "progress": jsonable(stand), "problem": problem}


def _same(line: QuotaLine) -> tuple[object, ...]:
    """What two counts of one limit have in common."""
    return line.provider, line.scope, line.kind, line.per, line.limit


def _best_first(row: Candidacy) -> tuple[bool, bool, int]:
    """A sort key: usable models, then other candidates; the largest context first."""
    return row.reason is not None, not row.usable, -row.model.context
