"""`QuotaWarnings`: tells a limit's owner, once in each period, that little of it is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...events import Event, QuotaLow
from ...routing.charges import Charge
from ...routing.limits import Windows

LOW_SHARE = 0.8
"""The used share of a limit from which it is low."""
LONG_PERIOD = 3_600.0
"""Seconds. Limits of shorter periods are often full, and soon free: nobody is warned."""


class QuotaWarnings:
    """Emits each warning once in the period of its limit."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._silent_until: dict[str, float] = {}

    def emit(self, warnings: Iterable[QuotaLow], now: float) -> None:
        """Emit those warnings that were not emitted in this period."""
        for warning in warnings:
            key = f"{warning.scope}|{warning.limit}|{warning.per:g}"
            if now >= self._silent_until.get(key, 0.0):
                self._silent_until[key] = now + warning.per
                self._emit(warning)


def low_quotas(windows: Windows, charges: Iterable[Charge]) -> list[QuotaLow]:
    """A warning for each long limit that is nearly used up. Budgets in USD are left out."""
    warnings = []
    for charge in charges:
        limit, used = charge.limit, windows(charge).used
        size = limit.requests if limit.requests is not None else limit.tokens
        if size is None or charge.amount is not None or limit.per < LONG_PERIOD:
            continue
        if used >= LOW_SHARE * size:
            warnings.append(QuotaLow(charge.scope, used, size, limit.per))
    return warnings
