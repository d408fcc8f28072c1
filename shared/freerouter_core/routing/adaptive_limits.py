"""`AdaptiveLimits`: limits that nobody states, learnt from refusals (Mistral and ModelScope publish
none).

A rate is learnt as TCP learns the capacity of a line: additive increase, multiplicative decrease.
After a refusal that no stated limit explains, half of what was sent in the minute before is
allowed. After every clean minute it is one request a minute more.

Two things guard against a wrong lesson. Refusals of one burst count once. And if a request of that
burst, sent after the refused one, was answered, then the refusal was not about the rate.

How many requests may be under way at once is learnt alike: after such a refusal, as many as were;
after every clean minute, one more.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from ..catalogue.model import Model
from ..catalogue.providers import Account, Limit
from ..wire.fault import Fault
from .charges import Charge

MINUTE = 60.0
BURST = 5.0
"""Seconds within which several refusals count once."""
FORGOTTEN = 3_600.0
"""Seconds after which a refusal is too old to slow anybody down."""
MIN_REQUESTS = 5
"""With fewer requests in the last minute, a refusal is not taken as a rate limit."""
MAX_RATE = 240
"""Requests a minute (or at once) from which on a limit is of no interest."""


@dataclass(slots=True)
class LearnedRate:
    """The requests of the last minute in one scope, and how many are allowed since a refusal."""

    sent: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_RATE))
    """When they were sent, unix seconds."""
    rate: float = math.inf
    """Requests a minute that were allowed at `learnt_at`."""
    learnt_at: float = -math.inf
    burst: tuple[int, int] = (0, 0)
    """Places of the refused request, and of the last request sent before its refusal came."""

    def allowed(self, now: float) -> float:
        """Requests a minute: a whole number, or infinite."""
        age = now - self.learnt_at
        if self.rate == math.inf or age > FORGOTTEN:
            return math.inf
        return self.rate + max(0.0, age) // MINUTE

    def since(self, then: float) -> tuple[float, ...]:
        """When the requests after `then` were sent."""
        return tuple(at for at in self.sent if at > then)

    def answered(self, place: int) -> None:
        """The request at this place was answered: then its burst was not too fast."""
        refused, last = self.burst
        if refused < place <= last:
            self.rate = math.inf

    def refused(self, now: float, place: int = 0, last: int = 0) -> None:
        """The request at this place was refused, when `last` was the place of the latest one."""
        if now - self.learnt_at < BURST:
            return
        recent = len(self.since(now - MINUTE))
        if recent >= MIN_REQUESTS:
            self.rate = max(1.0, min(self.allowed(now), recent) // 2)
            self.learnt_at, self.burst = now, (place, last)


@dataclass(slots=True)
class LearnedConcurrency:
    """How many requests an account took at once when it refused one more."""

    concurrent: int
    learnt_at: float

    def allowed(self, now: float) -> int:
        """Requests under way at once; `MAX_RATE`: no limit is known any more."""
        age = now - self.learnt_at
        if age > FORGOTTEN:
            return MAX_RATE
        return min(MAX_RATE, self.concurrent + int(age // MINUTE))


@dataclass(kw_only=True)
class AdaptiveLimits:
    """What was learnt about limits, by the scope of an account or of one of its models."""

    rates: dict[str, LearnedRate] = field(default_factory=dict)
    concurrency: dict[str, LearnedConcurrency] = field(default_factory=dict)
    """By account scope."""
    in_flight: dict[str, int] = field(default_factory=dict)
    """Attempts of this process under way, by account scope."""
    count: int = 0
    """Attempts since the process began."""

    def charges(self, account: Account, model: Model, now: float) -> tuple[Charge, ...]:
        """The learnt limits that a request falls under."""
        charges = []
        for scope in _scopes(account, model) if model.free else ():
            learned = self.rates.get(scope)
            if learned is None:
                continue
            allowed = learned.allowed(now)
            if allowed < MAX_RATE:
                fresh = now - learned.learnt_at < MINUTE
                charges.append(
                    Charge(
                        scope,
                        Limit(requests=int(allowed), per=MINUTE),
                        name="learnt",
                        before=learned.since(now - MINUTE) if fresh else (),
                    )
                )
        concurrent = self._concurrent(account.scope, now)
        if concurrent < MAX_RATE:
            limit = Limit(concurrent=concurrent)
            charges.append(Charge(account.scope, limit, name="learnt concurrency"))
        return tuple(charges)

    def sent(self, account: Account, model: Model, now: float) -> int:
        """An attempt is on its way; returns its place among all attempts."""
        self.count += 1
        self.in_flight[account.scope] = self.in_flight.get(account.scope, 0) + 1
        for scope in _scopes(account, model):
            self._rate(scope).sent.append(now)
        return self.count

    def ended(self, account: Account) -> None:
        """An attempt is no longer under way."""
        self.in_flight[account.scope] -= 1

    def answered(self, account: Account, model: Model, place: int) -> None:
        """The attempt at this place was answered."""
        for scope in _scopes(account, model):
            if (learned := self.rates.get(scope)) is not None:
                learned.answered(place)

    def refused(
        self, account: Account, model: Model, fault: Fault, now: float, place: int = 0
    ) -> None:
        """A 429 came. Nothing is learnt from it if a stated limit explains it.

        OpenRouter says so if it was the account's limit; its bare 429s are an upstream's, and they
        come and go.
        """
        if account.dialect == "openrouter" or _states_rate(account) or not fault.effect.paced:
            return
        whole, own = _scopes(account, model)
        scope = own if fault.effect.limit == "unclear" else whole
        self._rate(scope).refused(now, place, self.count)

    def crowded(self, account: Account, now: float) -> None:
        """An attempt was refused because too many were under way.

        With none of this process under way the others were somebody else's: nothing is learnt.
        """
        others = self.in_flight.get(account.scope, 0)
        if others:
            concurrent = min(others, self._concurrent(account.scope, now))
            self.concurrency[account.scope] = LearnedConcurrency(concurrent, now)

    def _rate(self, scope: str) -> LearnedRate:
        """The rate of a scope, to be written."""
        learned = self.rates.get(scope)
        if learned is None:
            learned = self.rates[scope] = LearnedRate()
        return learned

    def _concurrent(self, scope: str, now: float) -> int:
        learned = self.concurrency.get(scope)
        return MAX_RATE if learned is None else learned.allowed(now)


def _scopes(account: Account, model: Model) -> tuple[str, str]:
    """The account's scope, and the model's own."""
    return account.scope, f"{account.scope}|{model.wire_name}"


def _states_rate(account: Account) -> bool:
    """Whether a limit of its minute is stated. One request a second only spaces requests out."""
    return any(limit.requests is not None and 1.0 < limit.per <= MINUTE for limit in account.limits)
