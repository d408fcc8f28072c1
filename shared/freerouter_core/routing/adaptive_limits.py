"""`AdaptiveLimits`: how fast to ask whose limits nobody states (Mistral and ModelScope publish none).

Learnt as TCP learns a line: after a refusal that no known limit explains, half of what was sent in the minute before; after every
clean minute one request a minute more (additive increase, multiplicative decrease). Refusals of one burst are one refusal; and an
answer to a request of that burst, sent after the one that was refused, says that it was not for their number.

How many may be under way at once is learnt alike: a refusal for that reason says that those which were are as many as may be; after
every clean minute it may be one more.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from ..catalogue.model import Model
from ..catalogue.providers import Account, Limit
from ..wire.fault import Fault
from .limits import Charge

MINUTE = 60.0
BURST = 5.0
"""Seconds within which refusals are one."""
FORGOTTEN = 3_600.0
"""Seconds after which a refusal is too old to slow anybody down."""
FEW = 5
"""Requests in the minute before a refusal with fewer than which it was not their number that was refused."""
MOST = 240
"""Requests a minute above which nobody is paced."""


@dataclass(slots=True)
class LearnedRate:
    """What was sent in the last minute, and how much may be, as of the last refusal."""

    sent: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))
    rate: float = math.inf
    at: float = -math.inf
    burst: tuple[int, int] = (0, 0)
    """The places, among all that was sent, of the request whose refusal taught the rate and of the last one before that was known."""

    def allowed(self, now: float) -> float:
        """Requests a minute: a whole number, or infinite."""
        if now - self.at > FORGOTTEN:
            self.rate = math.inf
        return self.rate + max(0.0, now - self.at) // MINUTE if self.rate < math.inf else math.inf

    def answered(self, place: int) -> None:
        first, last = self.burst
        if first < place <= last:
            self.rate = math.inf

    def refused(self, now: float, place: int = 0, last: int = 0) -> None:
        if now - self.at < BURST:
            return
        recent = len(self.since(now - MINUTE))
        if recent >= FEW:
            self.rate, self.at = max(1.0, min(self.allowed(now), recent) // 2), now
            self.burst = place, last

    def since(self, then: float) -> tuple[float, ...]:
        return tuple(at for at in self.sent if at > then)


@dataclass
class AdaptiveLimits:
    """By the scope they were met in: an account's, or one of its models'; `lanes` by account: how many at once, and since when."""

    known: dict[str, LearnedRate] = field(default_factory=dict)
    lanes: dict[str, tuple[int, float]] = field(default_factory=dict)
    flying: dict[str, int] = field(default_factory=dict)
    """Attempts of this process under way on each account."""
    count: int = 0

    def landed(self, account: Account) -> None:
        """An attempt is under way no longer."""
        self.flying[account.scope] -= 1

    def crowded(self, account: Account, now: float) -> None:
        """Refused because too many were under way. None of this process: they were somebody else's, which teaches nothing."""
        others = self.flying.get(account.scope, 0)
        if others:
            self.lanes[account.scope] = min(others, self._lanes(account.scope, now)), now

    def _lanes(self, scope: str, now: float) -> int:
        lanes, since = self.lanes.get(scope, (MOST, -math.inf))
        if now - since > FORGOTTEN:
            self.lanes.pop(scope, None)
            return MOST
        return min(MOST, lanes + int((now - since) // MINUTE))

    def sent(self, account: Account, model: Model, now: float) -> int:
        """Take a request in; its place among all."""
        self.count += 1
        self.flying[account.scope] = self.flying.get(account.scope, 0) + 1
        for scope in _scopes(account, model):
            self._of(scope).sent.append(now)
        return self.count

    def answered(self, account: Account, model: Model, place: int) -> None:
        for scope in _scopes(account, model):
            self._of(scope).answered(place)

    def refused(
        self, account: Account, model: Model, fault: Fault, now: float, place: int = 0
    ) -> None:
        """Take a 429 in, where it says nothing that is known already. OpenRouter says whose limit it was whenever it was the account's:
        its bare 429s are an upstream's, and come and go."""
        if account.dialect == "openrouter" or not _unknown(account):
            return
        whole, own = _scopes(account, model)
        if not fault.effect.paced:
            return
        if fault.effect.limit == "unclear":
            self._of(own).refused(now, place, self.count)
        else:
            self._of(whole).refused(now, place, self.count)

    def charges(self, account: Account, model: Model, now: float) -> tuple[Charge, ...]:
        """The limits learnt, as those that are known."""
        found = []
        for scope in _scopes(account, model) if model.free else ():
            pace = self.known.get(scope)
            allowed = math.inf if pace is None else pace.allowed(now)
            if allowed < MOST:
                before = (
                    pace.since(now - MINUTE) if pace is not None and now - pace.at < MINUTE else ()
                )
                limit = Limit(requests=int(allowed), per=MINUTE)
                found.append(Charge(scope, limit, name="learnt", before=before))
        if account.scope in self.lanes and (lanes := self._lanes(account.scope, now)) < MOST:
            found.append(Charge(account.scope, Limit(concurrent=lanes), name="learnt lanes"))
        return tuple(found)

    def _of(self, scope: str) -> LearnedRate:
        pace = self.known.get(scope)
        if pace is None:
            pace = self.known[scope] = LearnedRate()
        return pace


def _scopes(account: Account, model: Model) -> tuple[str, str]:
    return account.scope, f"{account.scope}|{model.wire_name}"


def _unknown(account: Account) -> bool:
    """Whether nothing is known of its minute; one a second, which spaces requests out, tells nothing of it."""
    return not any(
        limit.requests is not None and 1.0 < limit.per <= MINUTE for limit in account.limits
    )
