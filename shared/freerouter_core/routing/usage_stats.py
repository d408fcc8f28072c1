"""`UsageStats`: what was used of each model, hour by hour, as sums that processes can add to one another's.

A tally is a bag of named sums: `answers`, `failures`, `seconds` and `tokens` of whole answers, `usd`, `fault:KIND` for each kind of
failure, and two histograms, `took:N` of seconds to an answer and `first:N` of seconds to a first token. Class N of a histogram holds
what is nearest to `STEP` to the power of N seconds, so percentiles are right to an eighth, whoever adds them up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ..wire.fault import Fault

HOUR = 3_600.0
KEPT = 30 * 24
"""Hours after which it is forgotten."""
STEP = 1.25

Tally = dict[str, float]
Tallies = dict[tuple[int, str], Tally]
"""By hour (of unix time) and model: its key as JSON."""


@dataclass
class UsageStats:
    """Not yet told to the store, if others share one."""

    untold: Tallies = field(default_factory=dict)

    def answered(
        self,
        key: tuple[str, ...],
        now: float,
        *,
        first_token: float | None,
        seconds: float,
        tokens: int,
    ) -> None:
        tally = self._of(key, now)
        sums = {"answers": 1, "seconds": seconds, "tokens": tokens, f"took:{_class(seconds)}": 1}
        if first_token is not None:
            sums |= {f"first:{_class(first_token)}": 1, "first_token": first_token, "timed": 1}
            sums |= {"spoken": tokens, "speaking": max(0.0, seconds - first_token)}
        add(tally, sums)

    def failed(self, key: tuple[str, ...], now: float, fault: Fault) -> None:
        """What a model did wrong. An account's limit and a caller's mistake are none of its failures (law 6)."""
        if fault.teaches:
            add(self._of(key, now), {"failures": 1, f"fault:{fault.kind.value}": 1})

    def paid(self, key: tuple[str, ...], now: float, usd: float) -> None:
        add(self._of(key, now), {"usd": usd})

    def take(self) -> Tallies:
        """What is to be told, which is then on its way."""
        untold, self.untold = self.untold, {}
        return untold

    def _of(self, key: tuple[str, ...], now: float) -> Tally:
        return self.untold.setdefault((int(now // HOUR), written(key)), {})


@lru_cache(maxsize=4_096)
def written(key: tuple[str, ...]) -> str:
    """A model's key as stores have it."""
    return json.dumps(key)


def add(into: Tally, more: Mapping[str, float]) -> None:
    """Add sums to others."""
    for name, value in more.items():
        into[name] = into.get(name, 0.0) + value


def merge(into: Tallies, more: Tallies) -> None:
    """Add tallies to others."""
    for name, tally in more.items():
        add(into.setdefault(name, {}), tally)


def percentile(tally: Tally, kind: str, share: float) -> float | None:
    """Seconds that `share` of what the histogram `kind` holds stays under; None: it is empty."""
    held = sorted(
        (int(name.rpartition(":")[2]), n)
        for name, n in tally.items()
        if name.startswith(f"{kind}:")
    )
    left = share * sum(n for _, n in held)
    for n, count in held:
        left -= count
        if left <= 0:
            return float(STEP**n)
    return None


def _class(seconds: float) -> int:
    return round(math.log(max(seconds, 0.001)) / math.log(STEP))
