"""`FullLimits`: which limits are full for background requests, as others were told lately.

Under a limit that is full for hours, each row of a job would ask every account, only to hear what
the row before it heard. So that is remembered. A new request is not sent to ask again before the
time that was named, but room may come earlier than foreseen: so at most for `RECHECK` seconds, and
not once something was given back.

Interactive requests ask for themselves: they hear who stands before them, and when their turn is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..catalogue.providers import Limit
from ..wire.request import Pace
from .charges import Charge, Refusal

RECHECK = 900.0
"""Seconds after which a limit is asked again, although it may be full for longer."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a request was told at `at` (unix seconds), which wanted `tokens` and had this pace."""

    refusal: Refusal
    at: float
    tokens: int
    pace: Pace


class FullLimits:
    """By scope, in this process. Times are unix seconds."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._last: dict[str, Refusal] = {}

    def refused(self, refusal: Refusal) -> None:
        """A request of either lane was refused."""
        if refusal.limit is not None:
            self._last[refusal.scope] = refusal

    def waited_for(self, charge: Charge) -> tuple[Limit | None, bool]:
        """(the limit of a scope that refused somebody last: it is what those in line wait for;
        whether it is a guess). If it refused nobody, the charge's own."""
        last = self._last.get(charge.scope)
        return (charge.limit, bool(charge.name)) if last is None else (last.limit, last.learnt)

    def told(self, refusal: Refusal | None, tokens: int, pace: Pace, now: float) -> None:
        """What a background request was told; None: it may go. `tokens`: what it would use."""
        if refusal is not None and (refusal.limit is None or refusal.limit.counts == "calls"):
            self._told[refusal.scope] = _Told(refusal, now, tokens, pace)

    def known(
        self, tokens: int, pace: Pace, now: float, bound: float | None = None
    ) -> dict[str, Refusal]:
        """What a request of so many tokens would be told now. `bound`: when it has no time left; if
        it could wait for none of these limits, it is to ask, and is told so at once."""
        known, in_time = {}, bound is None
        for scope, told in self._told.items():
            refusal = told.refusal
            if not now < refusal.until or now > told.at + RECHECK or pace != told.pace:
                continue
            if refusal.limit is not None and refusal.limit.tokens and tokens < told.tokens:
                continue
            known[scope] = refusal
            in_time = in_time or bound is None or refusal.ends < bound
        return known if in_time else {}

    def freed(self, scopes: Iterable[str]) -> None:
        """Something was given back."""
        for scope in scopes:
            self._told.pop(scope, None)
