"""`RateLimits`: what is left of the accounts' limits, as headers of every answer.

The limits are those of the accounts behind the service, which all its clients share. They are
looked up at most once in `FRESH` seconds; in between, the requests that were sent are counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from ...catalogue.calendar import DAY
from ...client.router import Router
from ...errors import FreeRouterError
from ...reports import QuotaLine

FRESH = 1.0
"""Seconds for which a look-up is good."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests that the accounts have together. `reset`: seconds to the end of the window."""

    limit: int
    left: float
    reset: float


class RateLimits:
    """The limits of one router's accounts."""

    def __init__(self) -> None:
        self._budget: Budget | None = None
        self._looked = float("-inf")
        self._sent = 0

    async def headers(self, router: Router, sent: int = 1) -> dict[str, str]:
        """The headers of an answer. `sent`: the requests that it took, unless they are counted."""
        now = time.monotonic()
        if now - self._looked > FRESH:
            self._looked, self._sent = now, 0
            self._budget = await _look_up(router)
        else:
            self._sent += sent
        budget = self._budget
        if budget is None:
            return {}
        left = max(0, int(budget.left) - self._sent)
        return {
            "x-ratelimit-limit-requests": str(budget.limit),
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": f"{budget.reset:.0f}s",
            "x-ratelimit-limit": str(budget.limit),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(int((time.time() + budget.reset) * 1_000)),
        }


async def _look_up(router: Router) -> Budget | None:
    try:
        lines = (await router.aquota(ask=False)).lines
    except FreeRouterError:
        return None  # the request itself tells what is wrong
    return budget_of(lines, time.time())


def budget_of(lines: Iterable[QuotaLine], now: float) -> Budget | None:
    """What the accounts have together: of each, the limit that ends first. None: none is known."""
    tightest: dict[str, QuotaLine] = {}
    for line in lines:
        if line.kind == "requests" and line.scope == "account":
            other = tightest.get(line.provider)
            if other is None or line.left < other.left:
                tightest[line.provider] = line
    if not tightest:
        return None
    chosen = tightest.values()
    return Budget(
        limit=sum(line.limit for line in chosen),
        left=sum(line.left for line in chosen),
        reset=max(_reset(line, now) for line in chosen),
    )


def _reset(line: QuotaLine, now: float) -> float:
    return DAY - now % DAY if line.reset == "utc-day" else line.per
