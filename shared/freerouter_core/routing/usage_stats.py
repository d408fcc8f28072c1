"""`UsageStats`: what was used of each model, hour by hour, as sums that processes can add up.

A tally is a bag of named sums:

- `answers` and `failures`; `fault:KIND` for each kind of failure
- `seconds` and `tokens` of whole answers; `usd`
- `first_token`, `timed`: seconds to a first token, and of how many answers
- `spoken`, `speaking`: tokens of those answers, and seconds after the first token
- `took:N`, `first:N`: histograms of seconds to an answer and to a first token

Class N of a histogram holds what is nearest to `STEP` to the power of N seconds. So percentiles are
right to one eighth, whoever adds the sums up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ..wire.fault import Fault

HOUR = 3_600.0
"""Seconds of an hour."""
HISTORY_HOURS = 30 * 24
"""Hours after which usage is forgotten."""
STEP = 1.25
"""The ratio of neighbouring classes of a histogram."""

Tally = dict[str, float]
Tallies = dict[tuple[int, str], Tally]
"""By hour of unix time, and the model's identity as JSON."""


@dataclass
class UsageStats:
    """What this process used. `untold`: the tallies that were not written to the store yet."""

    untold: Tallies = field(default_factory=dict)

    def answered(
        self,
        identity: tuple[str, ...],
        now: float,
        *,
        first_token: float | None,
        seconds: float,
        tokens: int,
    ) -> None:
        """Count an answer. `first_token` None: it was not streamed."""
        sums = {"answers": 1, "seconds": seconds, "tokens": tokens, f"took:{_class(seconds)}": 1}
        if first_token is not None:
            sums |= {f"first:{_class(first_token)}": 1, "first_token": first_token, "timed": 1}
            sums |= {"spoken": tokens, "speaking": max(0.0, seconds - first_token)}
        add(self._tally(identity, now), sums)

    def failed(self, identity: tuple[str, ...], now: float, fault: Fault) -> None:
        """Count a failure of the model. Limits and mistakes of others are none (law 6)."""
        if fault.teaches:
            add(self._tally(identity, now), {"failures": 1, f"fault:{fault.kind.value}": 1})

    def paid(self, identity: tuple[str, ...], now: float, usd: float) -> None:
        """Count what an answer cost."""
        add(self._tally(identity, now), {"usd": usd})

    def take(self) -> Tallies:
        """Return the untold tallies, and keep none."""
        untold, self.untold = self.untold, {}
        return untold

    def _tally(self, identity: tuple[str, ...], now: float) -> Tally:
        return self.untold.setdefault((int(now // HOUR), written(identity)), {})


@lru_cache(maxsize=4_096)
def written(identity: tuple[str, ...]) -> str:
    """A model's identity as JSON, for stores."""
    return json.dumps(identity)


def add(tally: Tally, sums: Mapping[str, float]) -> None:
    """Add sums to a tally."""
    for name, value in sums.items():
        tally[name] = tally.get(name, 0.0) + value


def merge(tallies: Tallies, more: Tallies) -> None:
    """Add tallies to others."""
    for name, tally in more.items():
        add(tallies.setdefault(name, {}), tally)


def percentile(tally: Tally, kind: str, share: float) -> float | None:
    """Seconds that this share of a histogram ("took" or "first") stays under; None: it is empty."""
    counts = sorted(
        (int(name.rpartition(":")[2]), count)
        for name, count in tally.items()
        if name.startswith(f"{kind}:")
    )
    remaining = share * sum(count for _, count in counts)
    for number, count in counts:
        remaining -= count
        if remaining <= 0:
            return float(STEP**number)
    return None


def _class(seconds: float) -> int:
    return round(math.log(max(seconds, 0.001)) / math.log(STEP))
