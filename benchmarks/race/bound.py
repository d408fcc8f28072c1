"""What a clairvoyant could answer: it knows every phase and spends one request an answer."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

from scene import Call, Scene

from freerouter_core.simulator import SimAccount, SimModel


@dataclass
class _Window:
    """What was sent under one minute's limit, and the account's limit for the day."""

    account: SimAccount
    start: float
    sent: list[float] = field(default_factory=list)

    def free_at(self, now: float) -> float:
        """The earliest time from `now` on at which a request would be let through."""
        if self.account.per_day is not None:
            day = (self.start + now) // 86_400
            if sum((self.start + t) // 86_400 == day for t in self.sent) >= self.account.per_day:
                return math.inf
        most = self.account.per_minute
        if most is None or len(self.sent) < most:
            return now
        for _ in self.sent:
            gone = bisect_right(self.sent, now - 60.0)
            if len(self.sent) - gone < most:
                break
            now = self.sent[len(self.sent) - most] + 60.0
        return now


def bound(scene: Scene, start: float) -> list[float]:
    """Seconds to each answer that it could give in time."""
    windows: dict[str, _Window] = {}
    times = []
    for call in scene.calls:
        best: tuple[float, float, _Window] | None = None
        for server, model in scene.models:
            if not _able(model, call):
                continue
            name = f"{server.provider}|{model.id}" if server.by_model else server.provider
            window = windows.setdefault(name, _Window(server.account, start))
            begins = _up_at(model, window.free_at(call.at), call.at + call.deadline)
            ends = begins + model.first_token + _tokens(call) / model.speed
            if ends - call.at <= call.deadline and (best is None or ends < best[0]):
                best = ends, begins, window
        if best is not None:
            ends, begins, window = best
            window.sent.append(begins)
            window.sent.sort()
            times.append(ends - call.at)
    return times


def _able(model: SimModel, call: Call) -> bool:
    """Whether the model can answer the call, whatever the catalogue says."""
    return {
        "plain": True,
        "tools": model.tools,
        "schema": model.structured,
        "picture": "image" in model.inputs,
    }[call.way]


def _tokens(call: Call) -> float:
    return 1.3 * call.length if call.way in ("plain", "picture") else 15.0


def _up_at(model: SimModel, now: float, until: float) -> float:
    """When it next answers, from `now` on; infinite if that is not before `until`."""
    while now < until:
        if now >= model.dies:
            return math.inf
        if now < model.born:
            now = model.born
            continue
        down = [p.end for p in model.phases if p.share >= 1.0 and p.start <= now < p.end]
        if not down:
            return now
        now = max(down)
    return math.inf
