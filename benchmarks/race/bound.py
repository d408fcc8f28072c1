"""What a clairvoyant could answer: it knows every phase to come, spends one request an answer, and waits for room in line."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

from worlds import DEADLINE, TOKENS, Scene

from freerouter_core.simulator import SimAccount, SimModel


@dataclass
class _Room:
    """What was sent on one limit of so many a minute and a day."""

    account: SimAccount | None
    start: float
    sent: list[float] = field(default_factory=list)

    def at(self, now: float) -> float:
        """The earliest time from `now` on that a request would be let through."""
        if self.account is None:
            return now
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
    """Seconds to each answer of those it could give in time."""
    rooms: dict[str, _Room] = {}
    times = []
    for arrival in scene.arrivals:
        best: tuple[float, float, _Room] | None = None
        for server in scene.servers:
            for model in server.models:
                name = (
                    server.provider
                    if server.dialect == "openrouter"
                    else f"{server.provider}|{model.id}"
                )
                room = rooms.setdefault(name, _Room(server.account, start))
                begins = _up(model, room.at(arrival), arrival + DEADLINE)
                ends = begins + model.first_token + TOKENS * 1.3 / model.speed
                if ends - arrival <= DEADLINE and (best is None or ends < best[0]):
                    best = ends, begins, room
        if best is not None:
            best[2].sent.append(best[1])
            best[2].sent.sort()
            times.append(best[0] - arrival)
    return times


def _up(model: SimModel, now: float, until: float) -> float:
    """When from `now` on it next answers surely or by chance; infinite: not before `until`."""
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
