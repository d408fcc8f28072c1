"""`History`: what was used of each model, hour by hour, so that processes can add theirs to one another's."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, field

from ..wire.judge import Fault

HOUR = 3_600.0
KEPT = 30 * 24
"""Hours after which it is forgotten."""


@dataclass(slots=True)
class Tally:
    """Sums over attempts at one model: `seconds` to whole answers, `first_token` seconds over `timed` of them, completion `tokens`."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    timed: int = 0
    first_token: float = 0.0
    tokens: int = 0
    usd: float = 0.0

    def add(self, other: Tally) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def values(self) -> tuple[float, ...]:
        return astuple(self)


Tallies = dict[tuple[int, str], Tally]
"""By hour (of unix time) and model: its key as JSON."""


@dataclass
class History:
    """Not yet told to the store, if others share one."""

    untold: Tallies = field(default_factory=dict)

    def answered(
        self, key: tuple[str, ...], now: float, *, first_token: float | None, seconds: float, tokens: int
    ) -> None:
        tally = self._of(key, now)
        tally.answers += 1
        tally.seconds += seconds
        tally.tokens += tokens
        if first_token is not None:
            tally.timed += 1
            tally.first_token += first_token

    def failed(self, key: tuple[str, ...], now: float, fault: Fault) -> None:
        """What a model did wrong. An account's limit and a caller's mistake are none of its failures (law 6)."""
        if fault.teaches:
            self._of(key, now).failures += 1

    def paid(self, key: tuple[str, ...], now: float, usd: float) -> None:
        self._of(key, now).usd += usd

    def take(self) -> Tallies:
        """What is to be told, which is then on its way."""
        untold, self.untold = self.untold, {}
        return untold

    def _of(self, key: tuple[str, ...], now: float) -> Tally:
        name = (int(now // HOUR), json.dumps(key))
        tally = self.untold.get(name)
        if tally is None:
            tally = self.untold[name] = Tally()
        return tally


def merge(into: Tallies, more: Tallies) -> None:
    """Add tallies to others."""
    for name, tally in more.items():
        into.setdefault(name, Tally()).add(tally)
