"""`Crowds`: models that turn requests away without a word, and when one is tried again.

Many servers turn a request away without a word: a bare 429, a bare 503. There may be too many at
once, too many in a minute, or the server may be down or starting. All of these pass, so no request
ends of it (`pauses`). Whether the others are held back, too, depends on what they say together:

- *One tries for all.* From the second refusal in a row on, whoever is turned away holds the others
  back for as long as it pauses itself: a second at first, and twice as long each time.
- *Somebody was let in.* Refusals come at once. So whoever is under way for longer than a refusal
  takes was let in, and whoever gets anything else than a refusal was. If that was after the last
  refusal, the model works, and nobody is held back: only those who were refused pause, each on its
  own.
- *What has lasted for long may last as long again.* So the longer nobody is let in, the more seldom
  somebody tries: a tenth of that time passes between two tries.

One refusal proves nothing. A limit of requests at once that was learnt from it strangled healthy
models: of a hundred calls eighteen were answered, because of one stray 503. A hold from the first
refusal on let a quick model that refuses two of five at random answer one call at a time. Pauses of
others that double with each refusal, whoever got it, are no better where most are refused.

What the server says itself is better: see `health` for stated waits, `adaptive_limits` for refusals
that speak of a rate or of requests at once. A stated wait holds nobody back here, but it is one of
the refusals in a row.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field

from ..catalogue.model import ModelIdentity

MINUTE = 60.0
FORGOTTEN = 3_600.0
"""Seconds without a refusal after which the next one is a first one again."""
PATIENCE = 600.0
"""Seconds for which a request without a deadline waits for those that turn it away."""
IN_A_ROW = 2
"""Refusals in a row from which on others are held back: one may be chance."""
SOON = 4.0
"""Seconds before its deadline at which a request tries once more that is held back until then."""
LOOK_SHARE = 0.1
"""The time between two tries, as a part of the time in which nobody was let in."""
LONGEST_LOOK = 20.0
"""Seconds between two tries at most."""
LET_IN = 2.0
"""Whoever is under way for so many times as long as the slowest refusal took was let in."""
QUICKEST_REFUSAL, SLOWEST_REFUSAL = 0.1, 2.5
"""Seconds that a refusal is believed to take at least and at most."""
LAG = 0.1
"""Seconds for which a server may count a request whose answer has come."""

Key = tuple[str, ModelIdentity]
"""An account's scope, and a model: what one account is refused says nothing of another's."""


@dataclass(slots=True)
class Crowd:
    """One model, as this process sees it. Times are unix seconds."""

    under_way: dict[int, float] = field(default_factory=dict)
    """The places of the attempts under way, and when each was sent."""
    answered_at: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    """When the last answers came."""
    taken: int = 0
    """The most others that were let in and under way when one was answered, in a minute."""
    taken_at: float = -math.inf
    refusals: int = 0
    """Since somebody was last let in. Those of one burst count once."""
    alone: bool = False
    """Whether one of them was the only request under way."""
    refused_since: float = -math.inf
    """When the first of them came."""
    refused_at: float = -math.inf
    """When the last of them came."""
    slowest: float = QUICKEST_REFUSAL
    """Seconds that refusals took at most."""
    held_until: float = -math.inf
    """Until when the model is left alone."""
    tried_at: float = -math.inf
    """When it was asked last."""

    @property
    def grace(self) -> float:
        """Seconds after which a request that is still under way was let in."""
        return LET_IN * self.slowest

    def inside(self, now: float) -> int:
        """How many are under way that were let in."""
        return sum(now - sent > self.grace for sent in self.under_way.values())

    def lets_in(self, now: float) -> bool:
        """Whether somebody was let in who was sent after the last refusal came."""
        return any(
            sent > self.refused_at and now - sent > self.grace for sent in self.under_way.values()
        )

    def sent(self, place: int, now: float) -> int:
        """An attempt is on its way. Returns how many others are."""
        self.tried_at = now
        if self.refusals >= IN_A_ROW and not self.lets_in(now):  # it tries for all
            self.held_until = max(self.held_until, now + self.grace)
        self.under_way[place] = now
        return len(self.under_way) - 1

    def rules_out(self, ahead: int, sent: float, now: float) -> bool:
        """Whether a request was turned away for another reason than too many at once: not the
        first time, and with no more others under way than lately were taken."""
        taken = self.taken if now - self.taken_at <= MINUTE else 0
        return self.refusals > 0 and (self.alone or self._ahead(ahead, sent) <= taken)

    def refused(
        self,
        ahead: int,
        sent: float,
        now: float,
        pause: float | None,
        longest: float = LONGEST_LOOK,
    ) -> None:
        """An attempt was turned away that was sent then. The others are as in `Crowds`."""
        if now - self.refused_at > FORGOTTEN or self.lets_in(now):
            self.let_in()
        self.slowest = min(SLOWEST_REFUSAL, max(self.slowest, now - sent))
        self.alone = self.alone or not self._ahead(ahead, sent)
        if self.refusals and sent <= self.refused_at:
            return  # of the same burst
        self.refused_since = self.refused_since if self.refusals else now
        self.refusals, self.refused_at = self.refusals + 1, now
        lasted = now - self.refused_since
        if self.refusals >= IN_A_ROW and pause is not None:
            self.held_until = now + min(longest, max(pause, LOOK_SHARE * lasted))

    def let_in(self) -> None:
        """Somebody got something else than a refusal."""
        self.refusals, self.alone, self.held_until = 0, False, -math.inf

    def answered(self, now: float) -> None:
        """An attempt was answered, and is no longer under way."""
        self.let_in()
        self.answered_at.append(now)
        inside = self.inside(now)
        if inside >= self.taken or now - self.taken_at > MINUTE:
            self.taken, self.taken_at = inside, now

    def _ahead(self, ahead: int, sent: float) -> int:
        """How many others the server may have counted when one was sent."""
        return ahead + sum(0.0 <= sent - at <= LAG for at in self.answered_at)


@dataclass(slots=True)
class Crowds:
    """By account and model, and by account: models of one may share its room."""

    by_key: defaultdict[Key | str, Crowd] = field(default_factory=lambda: defaultdict(Crowd))

    def sent(self, key: Key, place: int, now: float) -> int:
        """An attempt is on its way, at this place among all. Returns how many others of its account
        are."""
        self.by_key[key].sent(place, now)
        return self.by_key[key[0]].sent(place, now)

    def ended(self, key: Key, place: int) -> None:
        """An attempt is no longer under way."""
        for crowd in self._of(key):
            crowd.under_way.pop(place, None)

    def refused(
        self,
        key: Key,
        now: float,
        *,
        ahead: int,
        sent: float,
        pause: float | None,
        longest: float = LONGEST_LOOK,
    ) -> None:
        """An attempt was turned away that was sent then, with so many others of its account under
        way. `pause`: seconds for which nobody asks the model, at least; None: the server said how
        long. `longest`: at most."""
        for crowd in self._of(key):
            crowd.refused(ahead, sent, now, pause, longest)

    def let_in(self, key: Key) -> None:
        """An attempt got something else than a refusal: a token, or another error."""
        for crowd in self._of(key):
            crowd.let_in()

    def answered(self, key: Key, now: float) -> None:
        """An attempt was answered, and is no longer under way."""
        for crowd in self._of(key):
            crowd.answered(now)

    def rules_out(self, key: Key, now: float, *, ahead: int, sent: float) -> bool:
        """Whether an attempt was turned away for another reason than too many at once, and not by
        chance: the model refused the one before, too."""
        return self.by_key[key].refusals > 0 and self.by_key[key[0]].rules_out(ahead, sent, now)

    def inside(self, key: Key, now: float) -> int:
        """How many requests of a model are under way that were let in."""
        return self.by_key[key].inside(now)

    def held_until(self, key: Key | str) -> float:
        """Until when the model is left alone because it let nobody in."""
        crowd = self.by_key.get(key)
        return -math.inf if crowd is None else crowd.held_until

    def held(self, key: Key | str, now: float, *, began: float, time_left: float | None) -> float:
        """Until when a request that began then leaves it alone because it lets nobody in. That is a
        guess: it keeps no request for ever, and who would be held until the end asks shortly
        before. `time_left`: seconds until its deadline; None: there is none."""
        held = self.held_until(key)
        if time_left is None:
            return held if now - began <= PATIENCE else now
        if held < now + time_left:
            return held
        last_try = now + time_left - SOON
        tried_for_all = self.tried_since(key, max(began, last_try))
        if now < last_try and self.tried_since(key, began):
            return last_try
        return held if tried_for_all else now

    def tried_since(self, key: Key | str, at: float) -> bool:
        """Whether somebody has asked the model since then."""
        crowd = self.by_key.get(key)
        return crowd is not None and crowd.tried_at >= at

    def forget(self) -> None:
        """After a fork or a close: forget attempts that are gone."""
        for crowd in self.by_key.values():
            crowd.under_way.clear()

    def reset(self) -> None:
        """Forget what was learnt. What is under way stays known."""
        for key, crowd in self.by_key.items():
            self.by_key[key] = Crowd(crowd.under_way)

    def _of(self, key: Key) -> tuple[Crowd, Crowd]:
        """The crowd of a model, and that of its account."""
        return self.by_key[key], self.by_key[key[0]]
