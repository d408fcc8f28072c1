"""`Crowds`: how many requests a model takes at once, and when one that turned some away is tried
again.

Many servers turn a request away without a word: a bare 429, a bare 503. There may be too many at
once, too many in a minute, or the server may be down or starting. All of these pass, so nobody's
request ends of it. It is found out at the price of few requests:

- *Too many at once.* With so many others under way one was turned away, and fewer were taken. From
  then on as many may be under way, the next waits in line, and one more may go each minute. An
  answer with as many others under way says that it was not that.
- *One tries for all.* Whoever is turned away holds the others back, for a second at first, and
  twice as long each time. Then one of them asks. An answer lets all go.
- *What has lasted for long may last as long again.* So the longer nobody is taken, the more seldom
  somebody tries: a tenth of that time passes between two tries.

What the server says itself is better: see `health` for stated waits, `adaptive_limits` for refusals
that speak of a rate or of requests at once.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from ..catalogue.limit import Limit
from ..catalogue.model import ModelIdentity
from .charges import Charge

MINUTE = 60.0
FORGOTTEN = 3_600.0
"""Seconds after which a refusal is too old to hold anybody back."""
LAG = 0.1
"""Seconds for which a server may count a request whose answer has come."""
ANSWERS = 64
"""Answers whose times are kept."""
LOOK_SHARE = 0.1
"""The time between two tries, as a part of the time in which nobody was taken."""
LONGEST_LOOK = 20.0
"""Seconds between two tries at most."""
LET_IN = 5.0
"""Seconds after which a request was let in that was not turned away: that is quick."""


@dataclass(slots=True)
class Crowd:
    """One model, as this process sees it. Times are unix seconds."""

    under_way: dict[int, float] = field(default_factory=dict)
    """The places of the attempts under way, and when each was sent."""
    most: float = math.inf
    """With so many others under way one was turned away."""
    learnt_at: float = -math.inf
    """When that was."""
    since: int = 0
    """The latest place when the crowd began to be limited: later attempts hold leases."""
    tried: bool = True
    """Whether a request that was sent after that was taken."""
    taken: int = -1
    """The most others that were under way when one was sent that was answered, in a minute."""
    taken_at: float = -math.inf
    answered_at: deque[float] = field(default_factory=lambda: deque(maxlen=ANSWERS))
    """When the last answers came."""
    refusals: int = 0
    """Times that others were held back, since the last answer."""
    refused_since: float = -math.inf
    """When the first of them was."""
    alone: bool = False
    """Whether one was turned away since the last answer that was the only one."""
    refused_at: float = -math.inf
    """When they were last."""
    held_until: float = -math.inf
    lifted_after: float = -math.inf
    """An answer to what was sent later ends that."""

    def allowed(self, now: float) -> float:
        """Requests under way at once."""
        age = now - self.learnt_at
        return math.inf if age > FORGOTTEN else self.most + max(0.0, age) // MINUTE

    def explains(self, ahead: int, now: float) -> bool:
        """Whether one too many may have been why a request was turned away, with so many others
        under way: lately as many were not taken, and none was turned away alone."""
        return not self.alone and ahead > (self.taken if now - self.taken_at <= MINUTE else 0)

    def rules_out(self, ahead: int, now: float) -> bool:
        """Whether it was something else: again, and after a pause, no more were under way than
        were taken before."""
        return self.refusals > 0 and not self.explains(ahead, now)

    def refused(
        self,
        ahead: int,
        sent: float,
        last: int,
        now: float,
        pause: float,
        longest: float = LONGEST_LOOK,
    ) -> None:
        """An attempt was turned away. `last`: the latest place; others are as in `Crowds`."""
        if self.allowed(now) == math.inf and not self.refusals:
            self.since = last
        ahead += sum(0.0 <= sent - at <= LAG for at in self.answered_at)
        self.alone = self.alone or not ahead
        if self.alone and not self.tried:  # a burst at a server that is down
            self.most, self.tried = math.inf, True
        if sent > self.refused_at:  # else it is of the same burst
            self.refused_since = self.refused_since if self.refusals else now
            self.refusals, self.refused_at = self.refusals + 1, now
            lasted = now - self.refused_since
            self.held_until = now + min(longest, max(pause, LOOK_SHARE * lasted))
            # Of too many at once any answer makes crowd; else one that was sent later must come.
            self.lifted_after = -math.inf if self.explains(ahead, now) else sent
        if self.explains(ahead, now) and ahead < self.allowed(now):
            self.most, self.learnt_at, self.tried = ahead, now, False

    def answered(self, ahead: int, sent: float, now: float) -> None:
        """An attempt was answered."""
        self.answered_at.append(now)
        if sent > self.lifted_after:
            self.refusals, self.held_until, self.alone = 0, -math.inf, False
        if ahead >= self.taken or now - self.taken_at > MINUTE:
            self.taken, self.taken_at = ahead, now
        self.tried = self.tried or sent > self.learnt_at
        if ahead >= self.most:  # it took as many, or one more by now
            self.most = ahead + 1 if sent > self.learnt_at else math.inf

    def limit(self, now: float) -> int | None:
        """How many of those that hold leases may be under way at once; None: as many as want."""
        allowed, testing = self.allowed(now), self.refusals or not self.tried
        if allowed == math.inf and not testing:
            return None
        earlier = sum(place <= self.since for place in self.under_way)
        crowd = max(0.0, allowed - earlier)
        if testing:  # one at a time, besides those who were let in
            let_in = sum(
                place > self.since and now - sent > LET_IN for place, sent in self.under_way.items()
            )
            crowd = min(crowd, let_in + 1)
        return int(crowd)


@dataclass(slots=True)
class Crowds:
    """By model. `ahead`: how many others were under way when an attempt was sent; `sent`: when."""

    by_model: dict[ModelIdentity, Crowd] = field(default_factory=dict)

    def sent(self, identity: ModelIdentity, place: int, now: float) -> int:
        """An attempt is on its way, at this place among all. Returns how many others are."""
        crowd = self.by_model.get(identity)
        if crowd is None:
            crowd = self.by_model[identity] = Crowd()
        crowd.under_way[place] = now
        return len(crowd.under_way) - 1

    def ended(self, identity: ModelIdentity, place: int) -> None:
        """An attempt is no longer under way."""
        self.by_model[identity].under_way.pop(place, None)

    def refused(
        self,
        identity: ModelIdentity,
        now: float,
        *,
        ahead: int,
        sent: float,
        last: int,
        pause: float,
        longest: float = LONGEST_LOOK,
    ) -> None:
        """An attempt was turned away. `last`: the latest place of all attempts. `pause`: seconds
        for which nobody asks the model, at least; `longest`: at most."""
        crowd = self.by_model.setdefault(identity, Crowd())
        crowd.refused(ahead, sent, last, now, pause, longest)

    def answered(self, identity: ModelIdentity, now: float, *, ahead: int, sent: float) -> None:
        """An attempt was answered."""
        self.by_model.setdefault(identity, Crowd()).answered(ahead, sent, now)

    def rules_out(self, identity: ModelIdentity, ahead: int, now: float) -> bool:
        """Whether an attempt was turned away for another reason than too many at once."""
        return self.by_model.get(identity, Crowd()).rules_out(ahead, now)

    def held_until(self, identity: ModelIdentity) -> float:
        """Until when the model is left alone because it turned somebody away."""
        crowd = self.by_model.get(identity)
        return -math.inf if crowd is None else crowd.held_until

    def refused_since(self, identity: ModelIdentity, at: float) -> bool:
        """Whether it has turned somebody away since then."""
        crowd = self.by_model.get(identity)
        return crowd is not None and crowd.refused_at > at

    def charges(self, scope: str, identity: ModelIdentity, now: float) -> tuple[Charge, ...]:
        """The limit of requests at once that was learnt. `scope`: where the model's are counted."""
        crowd = self.by_model.get(identity)
        limit = None if crowd is None else crowd.limit(now)
        return () if limit is None else (Charge(scope, Limit(concurrent=limit), name="crowd"),)

    def forget(self) -> None:
        """After a fork or a close: forget attempts that are gone."""
        for crowd in self.by_model.values():
            crowd.under_way.clear()

    def reset(self) -> None:
        """Forget what was learnt. What is under way stays known."""
        for identity, crowd in self.by_model.items():
            self.by_model[identity] = Crowd(crowd.under_way)
