"""How each model has been doing: a decayed record of answers and failures, benches, and what it turned out to lack.

Learn only from what tells: an account's limits and a caller's errors teach nothing about a model (law 6). A stated wait is
kept to the second; a guessed one doubles from 20 seconds to ten minutes, within ±20 % so that benches do not end together,
and is ended by one probe, whose fate decides for all (law 8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from ..catalogue.model import ModelIdentity
from ..wire.fault import Cause, Fault, Kind
from .steps import Ruling
from .usage_stats import UsageStats, written

HALF_LIFE = 3_600.0
"""Seconds after which what was learnt counts half: free models change by the hour."""
PROMOTED = 3
"""Models of one account that meet an unexplained 429 within a minute before it is taken for the account's."""
LOCAL_GUESS = 5.0
"""The longest guessed bench of a model on this machine: it is loading, or busy with others, and nobody limits it (freellmapi#592)."""
LACKS_KEPT = 6 * 3_600.0
"""Seconds for which it is remembered that a model does not take something."""
FIRST_GUESS, LONGEST_GUESS, SPREAD = 20.0, 600.0, 0.2
PRIOR_GOOD, PRIOR_BAD = 2.0, 1.0
PRIOR_FIRST_TOKEN, PRIOR_SPEED, PRIOR_SPREAD = 2.0, 45.0, 0.5
"""Seconds to a first token, tokens a second, and how far off a guess is on average (1 is as much as the guess), where nothing is known."""
OUTLIER = 1.0
"""How far off an answer may be counted: one that took ten times as long says little of the others."""
PRIOR_LOST = 1.5
"""Seconds a failure takes."""
MOOD, PULL, CHANCE = 90.0, 0.75, 0.2
"""A model that is up stays up for a while, and so does one that is down: the seconds after which half of what its last outcome says
is left; how far an answer outweighs the record at first; and how likely a model that is up fails by chance, so that one failure of
a good one says little and three in a row say all."""
PRIOR_SAFETY, SAFETY_WEIGHT, JUDGED = 8.0, 10.0, 200.0
"""The safety score before any verdict, how many verdicts it weighs as much as, and after how many the older half fades."""
PRIOR_GRADES, GRADES = 3.0, 30.0
"""Marks that a prior of quality weighs as much as, and how many marks count: later ones replace earlier ones."""
USUAL_TOKENS = 160.0
"""Tokens of an answer, where none has been seen."""
POOL = 0.1
"""What one answer changes of what is expected of models that have not answered yet."""


@dataclass(slots=True)
class Health:
    """One model's record. `good` and `bad` are decayed counts, `first_token` seconds, `speed` tokens a second."""

    good: float = 0.0
    bad: float = 0.0
    at: float = 0.0
    last: float = 0.0
    """When it last answered or failed in a way that tells."""
    up: bool = True
    """Whether that was an answer."""
    first_token: float = PRIOR_FIRST_TOKEN
    speed: float = PRIOR_SPEED
    spread: float = PRIOR_SPREAD
    """How far its times are from what is expected of it, on average, as a part of that."""
    lost: float = PRIOR_LOST
    """Seconds that a failure of it takes."""
    answers: int = 0
    failures: int = 0
    strikes: int = 0
    """Failures in a row; an answer ends them."""
    bench: float = 0.0
    """Unix seconds until which it is not asked; a past time means it may be."""
    stated: bool = False
    probing: bool = False
    """A guessed bench has ended and one request is trying it; others hold back."""
    lacks: frozenset[str] = frozenset()
    lacks_since: float = 0.0
    context: int | None = None
    gone: float | None = None
    """The catalogue (by its `fetched`) in which it proved not to be there."""
    last_fault: str = ""
    facts: bool = False
    """Whether what is expected of it was told by its provider."""
    grade: float = 0.0
    grades: float = 0.0
    """How well it answered, 0 to 10, by marks given to its answers, and how many those were (`GRADES` at most count)."""
    safe: float = 0.0
    unsafe: float = 0.0
    """Answers that guards accepted, and rejected (a flag counts half)."""

    @property
    def plain(self) -> bool:
        """Nothing is known that could make it unfit."""
        return self.gone is None and not self.lacks and self.context is None and not self.unsafe

    def quality(self, prior: float) -> float:
        """0 to 10: a prior, and marks as they come in."""
        if not self.grades:
            return prior
        return (PRIOR_GRADES * prior + self.grades * self.grade) / (PRIOR_GRADES + self.grades)

    @property
    def safety(self) -> float:
        """0 to 10, from what guards said of its answers; a model that none has judged has `PRIOR_SAFETY`."""
        judged = self.safe + self.unsafe + SAFETY_WEIGHT
        return 10.0 * (self.safe + PRIOR_SAFETY / 10.0 * SAFETY_WEIGHT) / judged

    def lacks_at(self, now: float) -> frozenset[str]:
        """What it turned out to lack, not too long ago: models are mended, and learning anew costs one request."""
        if self.lacks and now - self.lacks_since > LACKS_KEPT:
            self.lacks = frozenset()
        return self.lacks

    def decay(self, now: float) -> None:
        if now > self.at:
            if self.good or self.bad:
                factor = 0.5 ** ((now - self.at) / HALF_LIFE)
                self.good *= factor
                self.bad *= factor
            self.at = now

    def odds(self, now: float) -> tuple[float, float]:
        """(the chance that it answers now, how much that rests on): its decayed record, pulled towards its last outcome while that is
        recent."""
        fade = 0.5 ** ((now - self.at) / HALF_LIFE) if now > self.at else 1.0
        good, bad = PRIOR_GOOD + self.good * fade, PRIOR_BAD + self.bad * fade
        total = good + bad
        mean = good / total
        if self.last:
            recent = 0.5 ** (
                max(0.0, now - self.last) / MOOD
            )  # another machine's clock may be ahead
            if self.up:
                mean += PULL * recent * (1.0 - mean)
            else:
                down = (1.0 - mean) / (1.0 - mean + mean * CHANCE ** max(1, self.strikes))
                mean *= 1.0 - down * recent
        return mean, total

    def expected(self, tokens: float) -> float:
        """Seconds to a whole answer of that many tokens."""
        return self.first_token + tokens / self.speed

    def within(self, seconds: float, deviations: float) -> float:
        """Seconds that something expected to take `seconds` stays under, up to so many mean deviations."""
        return seconds * (1.0 + deviations * self.spread)

    def timed(self, weight: float, first_token: float | None, seconds: float, tokens: int) -> None:
        """Learn from how long an answer took. Where only the whole is known, both parts are taken to be off alike."""
        expected = self.expected(tokens) if first_token is None else self.first_token
        ratio = (seconds if first_token is None else first_token) / max(expected, 0.001)
        self.spread += weight * (min(abs(ratio - 1.0), OUTLIER) - self.spread)
        if first_token is None:
            step = max(0.02, min(ratio, 50.0)) ** weight
            self.first_token *= step
            self.speed /= step
            return
        self.first_token += weight * (first_token - self.first_token)
        if tokens >= 16 and seconds > first_token + 0.05:
            self.speed += weight * (tokens / (seconds - first_token) - self.speed)


@dataclass(slots=True)
class Bench:
    """An account's bench."""

    until: float
    stated: bool
    cause: Cause
    strikes: int = 1


@dataclass
class HealthBook:
    """All records of a runtime, and its accounts' benches. Touched on the runtime's loop only."""

    models: dict[ModelIdentity, Health] = field(default_factory=dict)
    accounts: dict[str, Bench] = field(default_factory=dict)
    _ambiguous: dict[str, dict[ModelIdentity, float]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    """What was changed since others were last told: "m|" and a model's identity as JSON, "a|" or "g|" and an account's scope."""
    usage: UsageStats = field(default_factory=UsageStats)
    pool: Health = field(default_factory=Health)
    """What answers of all models taken together were like: what is expected of those that have not answered yet."""
    flying: dict[ModelIdentity, int] = field(default_factory=dict)
    """Attempts of this process under way at each model."""
    size: float = USUAL_TOKENS
    size_spread: float = USUAL_TOKENS / 2
    """Tokens of an answer on average, and how far they are from that."""

    def touch(self, identity: ModelIdentity) -> None:
        self.touched.add("m|" + written(identity))

    def of(self, identity: ModelIdentity) -> Health:
        health = self.models.get(identity)
        if health is None:
            health = self.models[identity] = Health(
                first_token=self.pool.first_token, speed=self.pool.speed
            )
        return health

    def told(
        self,
        identity: ModelIdentity,
        first_token: float | None,
        speed: float | None,
        tool_choice: bool,
        now: float,
    ) -> None:
        """What its provider says of a model: believed until it has answered."""
        health = self.of(identity)
        if not health.answers and (first_token or speed):
            health.first_token = first_token or health.first_token
            health.speed = speed or health.speed
            health.facts = True
        if not tool_choice and "tool_choice" not in health.lacks_at(now):
            health.lacks, health.lacks_since = health.lacks | {"tool_choice"}, now

    def expected(self, identity: ModelIdentity) -> Health:
        """What to go by for a model's times: its own record, or while it has none what answers here are usually like."""
        health = self.of(identity)
        if health.answers or health.facts:
            return health
        return Health(first_token=self.pool.first_token, speed=self.pool.speed)

    def usual(self, limit: int | None) -> float:
        """Tokens of an answer, by those seen, and by what the caller allows."""
        return self.size if limit is None else min(self.size, limit)

    def likely(self, limit: int | None) -> float:
        """Tokens that few answers exceed: by those seen, and by what the caller allows."""
        usual = self.size + 2.0 * self.size_spread
        return usual if limit is None else min(usual, limit)

    def sent(self, identity: ModelIdentity, now: float) -> None:
        """An attempt is on its way; after a guessed bench it is the probe."""
        health = self.of(identity)
        self.flying[identity] = self.flying.get(identity, 0) + 1
        if health.strikes and not health.stated and health.bench <= now:
            health.probing = True

    def landed(self, identity: ModelIdentity) -> None:
        """An attempt is under way no longer, whatever became of it."""
        self.flying[identity] -= 1
        if not self.flying[identity]:
            del self.flying[identity]

    def left(self, identity: ModelIdentity) -> None:
        """An attempt ended without telling anything (cancelled, hedged away): the probe is free again."""
        self.of(identity).probing = False

    def answered(
        self,
        identity: ModelIdentity,
        now: float,
        *,
        first_token: float | None,
        seconds: float,
        tokens: int,
    ) -> None:
        self.usage.answered(identity, now, first_token=first_token, seconds=seconds, tokens=tokens)
        health = self.of(identity)
        self.touch(identity)
        health.decay(now)
        health.good += 1.0
        health.answers += 1
        health.strikes, health.probing, health.last_fault = 0, False, ""
        if not (
            health.stated and health.bench > now
        ):  # another request may have been told to wait meanwhile
            health.bench, health.stated = 0.0, False
        health.last, health.up = now, True
        health.timed(max(0.2, 1.0 / health.answers), first_token, seconds, tokens)
        self.pool.timed(POOL, first_token, seconds, tokens)
        # One answer of a size that nobody would expect moves it no further than a long one would.
        away = max(
            -self.size, min(tokens - self.size, 4.0 * max(self.size_spread, USUAL_TOKENS / 4))
        )
        self.size_spread += POOL * (abs(away) - self.size_spread)
        self.size += POOL * away

    def failed(
        self,
        identity: ModelIdentity,
        fault: Fault,
        now: float,
        rng: Random,
        *,
        max_failures: int = 1,
        exclude: float | None = None,
        longest: float = LONGEST_GUESS,
        seconds: float | None = None,
    ) -> None:
        """Take a fault in: a bench (where it is a guess, of `exclude` seconds, or, None, of `longest` at most), something it lacks, or
        nothing. `seconds`: how long it took to fail."""
        self.usage.failed(identity, now, fault)
        health = self.of(identity)
        if fault.lacks or fault.context is not None or fault.teaches or fault.kind is Kind.BUSY:
            self.touch(identity)
        health.probing = False
        if fault.lacks:
            health.lacks, health.lacks_since = health.lacks_at(now) | fault.lacks, now
        if fault.context is not None:
            health.context = fault.context
        if not fault.teaches and fault.kind is not Kind.BUSY:
            return
        health.last_fault = fault.cause
        if fault.teaches:  # a limit that is spent says nothing of how well a model answers
            health.decay(now)
            health.bad += 1.0
            health.failures += 1
            health.last, health.up = now, False
            if seconds is not None:
                health.lost += max(0.3, 1.0 / health.failures) * (seconds - health.lost)
        if fault.kind not in (Kind.BUSY, Kind.SLOW, Kind.BROKEN):
            return
        health.strikes += 1
        # A wait that is over already (Retry-After: 0, a reset in the past) states nothing: it is guessed.
        if fault.until is not None and fault.until > now + 1.0:
            stated = health.bench if health.stated else 0.0
            health.bench, health.stated = max(stated, fault.until), True
        elif health.strikes >= max_failures and not (health.stated and health.bench > now):
            rest = (
                min(longest, guess(health.strikes - max_failures + 1, rng))
                if exclude is None
                else exclude
            )
            health.bench, health.stated = now + rest, False

    def rests(self, identity: ModelIdentity, until: float) -> None:
        """An answer said that nothing is left of a limit until then: kept to, as any stated wait."""
        health = self.of(identity)
        if not health.stated or until > health.bench:
            health.bench, health.stated, health.last_fault = until, True, "limit spent"
        self.touch(identity)

    def bench_account(self, scope: str, fault: Fault, now: float, rng: Random) -> None:
        self.touched.add(f"a|{scope}")
        if fault.effect.key_refused:
            self.accounts[scope] = Bench(math.inf, True, fault.cause)
            return
        before = self.accounts.get(scope)
        strikes = (
            before.strikes + 1
            if before and before.cause == fault.cause and before.until > now - 60.0
            else 1
        )
        if fault.until is not None:
            # A reset that lies in the past is a clock that differs from ours: a storm of retries would not mend it.
            until = max(fault.until, now + min(60.0, 2.0 ** (strikes - 1)))
            made = Bench(until, True, fault.cause, strikes)
        else:
            made = Bench(now + guess(strikes, rng), False, fault.cause, strikes)
        if (
            before is None
            or not before.stated
            or before.until <= max(now, made.until if made.stated else now)
        ):
            self.accounts[scope] = made

    def reconcile_day(self, scope: str, spent: bool, ends: float) -> None:
        """The provider's own count of an account's day overrules what was concluded from its refusals."""
        bench = self.accounts.get(scope)
        if spent and (bench is None or bench.until < ends):
            self.accounts[scope] = Bench(ends, True, Cause.ACCOUNT_DAY)
        elif not spent and bench is not None and bench.cause.effect.reset == "utc-day":
            del self.accounts[scope]  # credits were bought: the day's limit is another now
        else:
            return
        self.touched.add(f"a|{scope}")

    def ambiguous(self, scope: str, identity: ModelIdentity, now: float) -> bool:
        """A 429 that does not say whose limit it was, on one of an account's models; whether three of them within a minute make
        it the account's."""
        seen = {k: at for k, at in self._ambiguous.get(scope, {}).items() if at > now - 60.0}
        self._ambiguous[scope] = seen | {identity: now}
        return len(self._ambiguous[scope]) >= PROMOTED

    def graded(self, identity: ModelIdentity, points: float) -> None:
        """A mark of 0 to 10 for one of its answers."""
        health = self.of(identity)
        health.grades = min(GRADES, health.grades + 1.0)
        health.grade += (points - health.grade) / health.grades
        self.touch(identity)

    def ruled(self, identity: ModelIdentity, ruling: Ruling) -> None:
        """What guards said of an answer; nothing, where one of them failed."""
        if ruling.unsure:
            return
        health = self.of(identity)
        if health.safe + health.unsafe >= JUDGED:
            health.safe, health.unsafe = health.safe / 2, health.unsafe / 2
        worse = 1.0 if ruling.refused is not None else 0.5 if ruling.flags else 0.0
        health.unsafe += worse
        health.safe += 1.0 - worse
        self.touch(identity)

    def account_answers(self, scope: str) -> None:
        """One of its models answered: what refused the others was not the account's limit."""
        self._ambiguous.pop(scope, None)

    def gone(self, identity: ModelIdentity, fetched: float) -> None:
        self.of(identity).gone = fetched
        self.touch(identity)

    def reset(self) -> None:
        """Forget benches, records, and what models were thought to lack."""
        self.pool, self.size, self.size_spread = Health(), USUAL_TOKENS, USUAL_TOKENS / 2
        self.touched |= {f"a|{scope}" for scope in self.accounts}
        self.accounts.clear()
        for identity in self.models:
            self.touch(identity)
            self.models[identity] = Health()


def guess(strikes: int, rng: Random) -> float:
    """Seconds to bench for, after that many failures in a row."""
    return min(LONGEST_GUESS, FIRST_GUESS * 2.0 ** min(strikes - 1, 10)) * (
        1 + SPREAD * (2 * rng.random() - 1)
    )
