"""Ask one model without failover, and space such requests so that no limit is reached."""

from __future__ import annotations

import dataclasses

from ...catalogue.model import Model
from ...client.router import Router
from ...errors import FreeRouterError
from ...wire.answer import Answer
from ...wire.request import ChatRequest

SPACING = 3.1
"""Seconds between requests if no limit is known. OpenRouter allows 20 requests per minute."""
MARGIN = 0.1
"""Seconds added to the spacing that a limit asks for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a single model. `seconds` leaves out waits for limits.

    Without an `answer`, `fault` and `reason` say why. An empty `fault`: the model was not asked.
    """

    answer: Answer | None
    seconds: float
    fault: str = ""
    reason: str = ""


def ask_model(router: Router, model: Model, request: ChatRequest, timeout: float) -> Reply:
    """Send `request` to this model once, without retries and without other models."""
    try:
        single = dataclasses.replace(
            router, model=model.id, fallback_models=(), max_retries=0, hedge="off", timeout=timeout
        )
        outcome = single.chat(request)
    except FreeRouterError as error:
        last = error.attempts[-1] if error.attempts else None
        if last is None or last["fault"] is None:
            return Reply(None, 0.0, reason=error.message)
        return Reply(None, last["seconds"], last["fault"], error.message)
    return Reply(outcome.answer, outcome.attempts[-1]["seconds"])


def spacing_of(router: Router) -> float:
    """Seconds between requests that keep within the limit per minute of every account."""
    limits = [line for line in router.quota().lines if line.kind == "requests" and line.per <= 60.0]
    return max([line.per / max(1, line.limit) for line in limits] or [SPACING]) + MARGIN
