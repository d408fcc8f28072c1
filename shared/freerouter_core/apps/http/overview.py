"""`Overview`: all that the page shows, as one piece of JSON; and the page itself."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ...client.router import Router
from ...errors import FreeRouterError
from ...events import Answered, CalledOff, Event, GaveUp
from ...reports import HealthReport
from ..as_json import plain, standing

KEPT = 100
"""Requests that are remembered."""


class Overview:
    """Watches the requests of the runtime whose router `of()` gives, until `close()`. What was said in them is not kept."""

    def __init__(self, of: Callable[[], Router]) -> None:
        self.of = of
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.close = of().subscribe(self.observe)

    def observe(self, event: Event) -> None:
        match event:
            case Answered(trail=trail) if trail is not None:
                tokens = (event.prompt_tokens or 0) + (event.completion_tokens or 0)
                told = {
                    "outcome": "answered",
                    "model": event.model,
                    "provider": event.provider,
                    "first_token": event.first_token,
                    "tokens": tokens,
                    "cost": event.cost,
                }
            case GaveUp(trail=trail) if trail is not None:
                told = {"outcome": event.error, "status": event.status}
            case CalledOff(trail=trail) if trail is not None:
                told = {"outcome": "called off"}
            case _:
                return
        self.requests.appendleft(
            asdict(trail) | {"seconds": event.seconds, "first_token": None} | told
        )

    async def told(self, *, wait: float) -> dict[str, Any]:
        """`wait`: seconds a first list of models is waited for; where none can be had, `problem` says why."""
        router, problem = self.of(), None
        try:
            health = await router.ahealth(wait=wait)
        except FreeRouterError as error:
            health, problem = HealthReport((), 0, None, ()), error.message
        quota = await router.aquota(ask=False)
        stats = await router.astats()
        models = [standing(row) for row in health.rows if row.model.free and row.model.chat]
        told = {
            "now": time.time(),
            "problem": problem,
            "usable": len(health.usable),
            "listed": health.listed,
            "catalogue_age": health.age,
            "providers": health.accounts,
            "simulated": health.simulated,
            "models": sorted(
                models, key=lambda m: (m["reason"] is not None, not m["usable"], -m["context"])
            ),
            "limits": quota.lines,
            "waits": quota.waits,
            "requests": list(self.requests),
            "stats": {
                "answered": stats.answered,
                "gave_up": stats.gave_up,
                "fallback_rate": stats.fallback_rate,
                "seconds": stats.seconds,
            },
        }
        return dict(plain(told))


@cache
def page() -> tuple[str, str]:
    """The page, and the content policy under which it runs its own script and loads nothing from anywhere else."""
    text = (Path(__file__).parent / "page.html").read_text("utf-8")
    found = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    script = found[1] if found else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = (
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return text, "; ".join(rules)
