"""`Outage`: whether all models of a server are down at once, as far as failures tell.

**One cause for many.** Models fail one by one, each in its own way: one is busy, another empty. A
server in trouble fails in the same way with all of them: the same status, silence, or no
connection. So failures alike, of different models, speak for an outage, by Bayes' rule: a model
that often fails by itself says less than a steady one. A model that fails again says nothing new.
Any other reply ends the outage: somebody is there.

**Time.** An outage ends by itself. Its chance falls as a power of e while nobody looks.

**One look serves all.** While an outage is likely, one request now and then finds out for all who
wait: the longer it lasts, and the scarcer requests are, the more seldom. What has lasted for long
may last as long again.

It decides only whether a request is worth sending (`worth`), not who is asked first: within a call,
models of other accounts come first anyway after a failure (`kinship`). Each process finds out by
itself.

**What was tried and lost** in worlds drawn at random (`benchmarks/race`):

- Any failures of different models speak for an outage. Where most models are down, each by itself,
  callers waited for what was not to come: 3 % dearer, and worst where requests were plentiful.
- The chance of an answer falls in the order of models, too: p95 was 1 % higher.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

from ..wire.fault import Cause, Fault

BEFORE = 0.05
"""The chance of an outage when one model has failed, before that is weighed."""
ALIKE = 0.3
"""The chance that two models which fail by themselves fail in the same way."""
DOWN_SECONDS = 150.0
"""Seconds that an outage lasts on average."""
LIKELY = 0.3
"""The chance of an outage from which on it is reckoned with."""
LOOK_SHARE = 0.5
"""The time between two looks at a likely outage, as a part of the time that it has lasted."""
LOOK_PRICE = 5.0
"""The same for each second that a look costs others."""
SOONEST_LOOK, LATEST_LOOK = 2.5, 20.0
"""Bounds of that time, seconds."""
MAX_CHANCE = 0.98
"""The most that failures can prove."""
MAX_MODELS = 32
"""Models that are remembered of one outage."""
_SILENT = frozenset({Cause.NO_TOKEN, Cause.TIMEOUT, Cause.READ_TIMEOUT})
_UNREACHED = frozenset({Cause.CONNECT, Cause.CONNECT_TIMEOUT, Cause.PROTOCOL})


@dataclass(slots=True)
class Outage:
    """What is believed of one server. Times are unix seconds."""

    symptom: str = ""
    """How its models failed lately, all alike; empty: the last reply was another one."""
    models: set[str] = field(default_factory=set)
    """The names of those that did."""
    chance: float = 0.0
    """The chance that all are down, when the last of them failed."""
    since: float = 0.0
    """When the first of them failed."""
    seen_at: float = 0.0
    looked_at: float = 0.0
    """When one of its models was asked last."""

    def chance_at(self, now: float) -> float:
        """The chance that all its models are down. One model alone says nothing of the others."""
        if len(self.models) < 2:
            return 0.0
        return self._faded(now)

    def failed(self, model: str, fault: Fault, now: float, chance: float) -> None:
        """A model failed. `chance`: that it answers, as was believed before."""
        if fault.effect.ours:
            return
        symptom = symptom_of(fault)
        if symptom != self.symptom:
            self.ended()
            self.symptom = symptom
        if not symptom:
            return
        if not self.models:
            self.since = now
        if model not in self.models and len(self.models) < MAX_MODELS:
            by_itself = (1.0 - chance) * (ALIKE if self.models else 1.0)
            before = max(BEFORE, self._faded(now))
            self.chance = min(MAX_CHANCE, before / (before + (1.0 - before) * by_itself))
            self.models.add(model)
        else:
            self.chance = self._faded(now)
        self.seen_at = max(now, self.seen_at)

    def look_at(self, price: float, latest: float = LATEST_LOOK) -> float:
        """When one request is to find out whether it is over, unix seconds. `price`: seconds that
        it costs others (`congestion`). `latest`: seconds until then at most."""
        gap = max(LOOK_SHARE * (self.looked_at - self.since), LOOK_PRICE * price)
        return self.looked_at + min(latest, max(SOONEST_LOOK, gap))

    def ended(self) -> None:
        """Somebody answered, or refused in words of its own."""
        self.symptom, self.chance = "", 0.0
        self.models.clear()

    def _faded(self, now: float) -> float:
        return self.chance * exp(-max(0.0, now - self.seen_at) / DOWN_SECONDS)


def symptom_of(fault: Fault) -> str:
    """How a server in trouble would fail like this; empty: it would not."""
    if fault.cause is Cause.SERVER:
        return f"status {fault.status}"
    if fault.cause in _SILENT:
        return "silence"
    return "no connection" if fault.cause in _UNREACHED else ""
