"""`AdaptiveLimits`: limits that nobody states, or states wrongly, learnt from refusals.

**Told.** Some refusals say that a minute's limit was full. Then the limit is what was let through
in the minute before, or the number that the refusal names. What was let through may be less than
the limit, if others use the account, so one request more is tried every few minutes. Where limits
are each model's own, its siblings are believed to have the same.

**Guessed.** Other refusals only say that requests came too fast (Mistral and ModelScope publish no
limits), or nothing at all: a healthy server refuses one now and then. So a rate is believed only if
nothing speaks against it:

- Too many at once are refused alike. That is ruled out first (`crowding`), by a second refusal in
  a row: a full minute refuses everybody, chance does not.
- A limit is a number. Where more was let in lately, a refusal at a smaller number is not about it.
- A server in trouble refuses, too. While it last failed otherwise, a refusal is about that.
- Refusals of one burst count once. If a request of that burst, sent after the refused one, was
  answered, then the refusal was not about the rate.

What was let in is the limit then. It stays a guess, so it is tested: a few seconds later one
request more may go. If that is answered, more are allowed, and each time that follows at once twice
as many more. If not, the next test comes later, at last every three minutes. Where nobody is let in
for a while, the guess was too high: some servers count what they refuse.

**What was tried and lost.** Additive increase and multiplicative decrease, as TCP learns the
capacity of a line: each refusal halved what was allowed. Of 600 requests to a server that refused
one of twenty by chance, 225 were answered, and of a true limit about half was used. A guess that is
forgotten after one answered test lets everybody go who waits: five times the requests.

How many requests may be under way at once is learnt from refusals that say so: as many as were; and
after every clean minute, one more.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..catalogue.model import Model
from ..catalogue.providers import Account, Limit
from ..wire.fault import Fault
from .charges import Charge

MINUTE = 60.0
SLACK = 5.0
"""Seconds by which a provider's clock may be ahead when it says when its minute ends."""
BURST = 5.0
"""Seconds within which several refusals count once."""
FORGOTTEN = 3_600.0
"""Seconds after which a refusal is too old to slow anybody down."""
MIN_REQUESTS = 5
"""With fewer let in within the last minute, a refusal is not taken as a rate limit."""
LATELY = 300.0
"""Seconds for which what was let in within a minute speaks against a smaller limit."""
NEARLY = 0.9
"""The part of it from which on a refusal may be about the limit: servers count otherwise."""
FIRST_TEST = 6.0
"""Seconds after which a guess is tested. Each test that is refused doubles them, up to those after
which a limit that was told is tried."""
AT_ONCE = 15.0
"""Seconds after one test until which the next one is answered at once."""
SILENT = 10.0
"""Seconds without an answer after which a guess is too high."""
TOLD_GROWTH = 180.0
"""Seconds after which one request a minute more is tried than a refusal told."""
MAX_RATE = 240
"""Requests a minute (or at once) from which on a limit is of no interest."""


@dataclass(slots=True)
class LearnedRate:
    """The requests of the last minute in one scope, and how many are allowed since a refusal."""

    sent: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_RATE))
    """When they were sent, unix seconds; without those that were turned away."""
    let_in_at: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_RATE))
    """When the latest that were let in ended: with an answer, or a failure of the server."""
    troubled: bool = False
    """Whether the last that was no refusal was a failure of the server."""
    rate: float = math.inf
    """Requests a minute that were allowed at `learnt_at`."""
    learnt_at: float = -math.inf
    growth: float = MINUTE
    """Seconds after which one request more is allowed."""
    test_after: float = math.inf
    """Seconds after which one request more tests a guess; infinite: it is none."""
    test: int = 0
    """The place of the latest request above the guess; 0: there is none."""
    step: int = 1
    """How many more are allowed when a test is answered."""
    refusals: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_RATE))
    """When requests of the last minute were refused by this limit."""
    burst: tuple[int, int] = (0, 0)
    """Places of the refused request, and of the last request sent before its refusal came."""

    def allowed(self, now: float) -> float:
        """Requests a minute: a whole number, or infinite."""
        age = now - self.learnt_at
        if self.rate == math.inf or age > FORGOTTEN:
            return math.inf
        more = max(0.0, age // self.growth)
        if age < self.test_after:
            return self.rate + more
        # A test must fit. The window holds what was under way then, too, and what failed otherwise.
        used = sum(now - MINUTE < at <= self.learnt_at for at in self.sent)
        return max(self.rate + max(more, 1.0), used + 1.0)

    def charge(self, scope: str, now: float) -> Charge:
        """It as a limit of `scope`. What was sent before it was learnt counts for a minute."""
        fresh = now - self.learnt_at < MINUTE
        limit = Limit(requests=int(self.allowed(now)), per=MINUTE)
        before = self.since(now - MINUTE) if fresh else ()
        return Charge(scope, limit, name="learnt", before=before, guess=self.test_after < math.inf)

    def since(self, then: float) -> tuple[float, ...]:
        """When the requests after `then` were sent."""
        return tuple(at for at in self.sent if at > then)

    def send(self, place: int, now: float) -> None:
        """A request is on its way, at this place among all."""
        due = self.rate < math.inf and self.test_after <= now - self.learnt_at
        if due and self.rate <= len(self.since(now - MINUTE)):
            self.test = place
        self.sent.append(now)

    def answered(self, place: int, now: float) -> None:
        """The request at this place was answered: then its burst was not too fast, nor was one
        request more than was guessed."""
        self.let_in_at.append(now)
        self.troubled = False
        refused, last = self.burst
        if refused < place <= last:
            self.rate = math.inf
        elif place == self.test:
            self.step = 2 * self.step if now - self.learnt_at <= AT_ONCE else 1
            self.rate, self.learnt_at = self.allowed(now) + self.step, now
            self.test, self.test_after = 0, FIRST_TEST

    def failed(self, now: float, *, let_in: bool) -> None:
        """A request failed as in an outage. `let_in`: whether the server said so itself."""
        self.troubled = True
        if let_in:
            self.let_in_at.append(now)

    def refused(self, now: float, place: int = 0, last: int = 0, let_in: int = 0) -> None:
        """The request at this place was refused, when `last` was the place of the latest one, and
        so many were let in that are not answered yet."""
        if self.troubled or now - self.learnt_at < BURST:
            return
        recent = let_in + sum(at > now - MINUTE for at in self.let_in_at)
        known = self.allowed(now) < math.inf
        if known and now - max(self.let_in_at, default=-math.inf) >= SILENT:
            self.rate = max(1.0, min(recent, self.rate))
        elif recent < max(MIN_REQUESTS, NEARLY * self._most(now)):
            return
        elif not known:
            self.rate = recent
        self.test_after = min(TOLD_GROWTH, 2.0 * self.test_after) if known else FIRST_TEST
        self.learnt_at, self.growth = now, max(MINUTE, self.test_after)
        self.burst, self.test, self.step = (place, last), 0, 1

    def _most(self, now: float) -> int:
        """The most that were let in within a minute lately."""
        lately = [at for at in self.let_in_at if at > now - LATELY]
        most, first = 0, 0
        for n, at in enumerate(lately):
            while lately[first] <= at - MINUTE:
                first += 1
            most = max(most, n + 1 - first)
        return most

    def told(self, now: float, stated: int | None = None) -> None:
        """A request was refused because the minute was full. `stated`: the limit, if it named one.

        The refusals of a burst come one by one, and each leaves fewer that were let through. If
        nothing was, others have used up the minute, and its size is not told.
        """
        self.refusals.append(now)
        refused = sum(at > now - MINUTE for at in self.refusals)
        let_through = len(self.since(now - MINUTE)) - refused
        if stated is None and let_through < 1 and self.allowed(now) == math.inf:
            return
        self.rate = stated or max(1.0, let_through)
        self.learnt_at, self.burst, self.test_after = now, (0, 0), math.inf
        self.growth = TOLD_GROWTH if stated is None else math.inf


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
    siblings: dict[str, LearnedRate] = field(default_factory=dict)
    """The limit of each model that an account's models were last told of, by account scope."""
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
            if learned.rate == math.inf and scope != account.scope:
                sibling = self.siblings.get(account.scope)
                if sibling is not None:
                    learned = replace(sibling, sent=learned.sent)
            if learned.allowed(now) < MAX_RATE:
                charges.append(learned.charge(scope, now))
        concurrent = self._concurrent(account.scope, now)
        if concurrent < MAX_RATE:
            limit = Limit(concurrent=concurrent)
            charges.append(Charge(account.scope, limit, name="learnt concurrency"))
        return tuple(charges)

    def of_account(self, account: Account, now: float) -> tuple[Charge, ...]:
        """The learnt limits of requests that all models of an account share."""
        learned = self.rates.get(account.scope)
        if learned is None or learned.allowed(now) >= MAX_RATE:
            return ()
        return (learned.charge(account.scope, now),)

    def tests(self, account: Account, model: Model, place: int) -> bool:
        """Whether the attempt at this place was one more than a learnt rate allows."""
        learnt = (self.rates.get(scope) for scope in _scopes(account, model))
        return any(rate is not None and rate.test == place for rate in learnt)

    def sent(self, account: Account, model: Model, now: float) -> int:
        """An attempt is on its way; returns its place among all attempts."""
        self.count += 1
        self.in_flight[account.scope] = self.in_flight.get(account.scope, 0) + 1
        for scope in _scopes(account, model):
            self._rate(scope).send(self.count, now)
        return self.count

    def ended(self, account: Account) -> None:
        """An attempt is no longer under way."""
        self.in_flight[account.scope] -= 1

    def answered(self, account: Account, model: Model, place: int, now: float) -> None:
        """The attempt at this place was answered."""
        for scope in _scopes(account, model):
            if (learned := self.rates.get(scope)) is not None:
                learned.answered(place, now)

    def failed(self, account: Account, model: Model, now: float, *, let_in: bool) -> None:
        """An attempt failed as in an outage. `let_in`: whether the server said so itself."""
        for scope in _scopes(account, model):
            self._rate(scope).failed(now, let_in=let_in)

    def refused(
        self,
        account: Account,
        model: Model,
        fault: Fault,
        now: float,
        place: int = 0,
        let_in: int = 0,
    ) -> None:
        """A limit refused. Nothing is learnt if a stated limit explains it. `let_in`: requests that
        are under way and were not refused.

        OpenRouter says so if it was the account's limit; its bare 429s are an upstream's, and they
        come and go.
        """
        whole, own = _scopes(account, model)
        told = fault.effect.minute
        if told is not None and not _outlasts_a_minute(fault, now):
            learned = self._rate(own if told == "model" else whole)
            if not _explains(account, told, len(learned.since(now - MINUTE)) - 1):
                learned.told(now, fault.limit)
                if told == "model" and learned.rate < math.inf:
                    self.siblings[account.scope] = learned
        elif fault.effect.paced and account.dialect != "openrouter" and not states_rate(account):
            scope = own if fault.effect.limit == "unclear" else whole
            self._rate(scope).refused(now, place, self.count, let_in)

    def took_nothing(self, account: Account, model: Model, sent: float) -> None:
        """What was sent then was turned away: it is no part of what a limit let through."""
        for scope in _scopes(account, model):
            with suppress(ValueError):
                self._rate(scope).sent.remove(sent)

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


def _explains(account: Account, scope: str, sent: int) -> bool:
    """Whether a stated limit of the minute was full after so many requests."""
    return any(
        limit.scope == scope and sent >= (limit.requests or 0)
        for limit in account.limits
        if _is_rate(limit)
    )


def _outlasts_a_minute(fault: Fault, now: float) -> bool:
    """Whether it lasts longer than a minute's limit can: then it was another limit."""
    return fault.until is not None and fault.until > now + MINUTE + SLACK


def states_rate(account: Account) -> bool:
    """Whether a limit of its minute is stated. One request a second only spaces requests out."""
    return any(map(_is_rate, account.limits))


def limits_each_model(account: Account) -> bool:
    """Whether all stated limits of a minute's requests are the models' own."""
    scopes = {limit.scope for limit in account.limits if _is_rate(limit)}
    return scopes == {"model"}


def _is_rate(limit: Limit) -> bool:
    return limit.requests is not None and 1.0 < limit.per <= MINUTE
