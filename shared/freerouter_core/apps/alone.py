"""One model asked alone, and how far apart requests are so that limits are spared: what `probe` and `benchmark` do."""

from __future__ import annotations

import dataclasses
import time

from ..catalogue.model import Model
from ..errors import FreeRouterError
from ..router import Router
from ..wire.answer import Answer
from ..wire.request import ChatRequest

SPACING = 3.1
"""Seconds between two requests where no limit says otherwise: OpenRouter's twenty a minute."""


def ask_alone(
    router: Router, model: Model, request: ChatRequest, timeout: float
) -> tuple[Answer | None, float, str, str]:
    """(the answer of this model and no other, the seconds it took, and where there is none the fault and the reason)."""
    alone = dataclasses.replace(
        router, model=model.id, fallback_models=(), max_retries=0, hedge="off", timeout=timeout
    )
    began = time.monotonic()
    try:
        answer = alone.chat(request).answer
    except FreeRouterError as error:
        fault = error.attempts[-1]["fault"] if error.attempts else None
        return None, time.monotonic() - began, fault or type(error).__name__, error.message
    return answer, time.monotonic() - began, "", ""


def spacing_of(router: Router) -> float:
    """Seconds between requests that keep every account's minute."""
    minutes = [line for line in router.quota().lines if line.kind == "requests" and line.per <= 60.0]
    return max([line.per / max(1, line.limit) for line in minutes] or [SPACING]) + 0.1
