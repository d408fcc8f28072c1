"""One model asked alone, and how far apart requests are so that limits are spared: what `probe` and `benchmark` do."""

from __future__ import annotations

import dataclasses

from ...catalogue.model import Model
from ...client.router import Router
from ...errors import FreeRouterError
from ...wire.answer import Answer
from ...wire.request import ChatRequest

SPACING = 3.1
"""Seconds between two requests where no limit says otherwise: OpenRouter's twenty a minute."""


def ask_alone(
    router: Router, model: Model, request: ChatRequest, timeout: float
) -> tuple[Answer | None, float, str, str]:
    """(the answer of this model and no other, the seconds it took without what limits made it wait, and where there is none the fault,
    empty where it was not even asked, and the reason)."""
    try:
        alone = dataclasses.replace(
            router, model=model.id, fallback_models=(), max_retries=0, hedge="off", timeout=timeout
        )
        outcome = alone.chat(request)
    except FreeRouterError as error:
        last = error.attempts[-1] if error.attempts else None
        if last is None or last["fault"] is None:
            return None, 0.0, "", error.message
        return None, last["seconds"], last["fault"], error.message
    return outcome.answer, outcome.attempts[-1]["seconds"], "", ""


def spacing_of(router: Router) -> float:
    """Seconds between requests that keep every account's minute."""
    minutes = [
        line for line in router.quota().lines if line.kind == "requests" and line.per <= 60.0
    ]
    return max([line.per / max(1, line.limit) for line in minutes] or [SPACING]) + 0.1
