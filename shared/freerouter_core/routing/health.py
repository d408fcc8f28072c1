"""`Health`: one model's record. How likely it answers, how fast, and what it turned out to lack.

**Odds.** Whether it answers is a matter of its state, up or down; see `availability`.

**Benches.** After failures in a row a model rests. A wait that the provider states is kept to the
second. A guessed one ends with a probe: one request tries the model, the others hold back, and its
fate decides for all (law 8).

**Limits of learning.** Only what says something about the model is learnt. A spent limit of an
account and a mistake of a caller are no failures of the model (law 6). What it lacks is forgotten
after hours, because models are repaired, and one request is a cheap test.

Reading a record never changes it. Time passes in the reader's arithmetic; old lacks expire for good
at the next write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from ..wire.fault import Fault, Kind
from .availability import Availability
from .guessed_bench import BenchRule
from .ruling import Ruling
from .timings import Timings
from .ways import Way

PRIOR_FAILURE_SECONDS = 1.5
"""Seconds a failure takes before any was seen."""
LACKS_KEPT = 6 * 3_600.0
"""Seconds for which a model is believed to lack what it refused."""
GONE_FIRST = 60.0
"""Seconds after which a model that seems gone is asked again, the first time."""
LONGEST_GONE = 30 * 86_400.0
"""The same for one that is known to be gone: a newer catalogue comes before."""
PRIOR_SAFETY = 8.0
"""The safety score (0 to 10) before any verdict of a guard."""
SAFETY_WEIGHT = 10.0
"""Verdicts that the prior safety counts as much as."""
MAX_VERDICTS = 200.0
"""Verdicts after which the earlier ones count half, so that the score can still move."""
QUALITY_WEIGHT = 3.0
"""Grades that the prior quality counts as much as."""
MAX_GRADES = 30.0
"""Grades that count at most: later ones replace earlier ones."""
MIN_STATED_WAIT = 1.0
"""Seconds below which a stated wait says nothing (Retry-After: 0, a reset in the past)."""


@dataclass(slots=True, kw_only=True)
class Health(Timings):
    """One model's record, as of its last write. Times are unix seconds."""

    availability: Availability = field(default_factory=Availability)
    """Whether it is up."""
    failure_seconds: float = PRIOR_FAILURE_SECONDS
    """Seconds that its failures take on average, until another is asked."""
    answers: int = 0
    """All answers, not decayed."""
    failures: int = 0
    """All failures, not decayed."""
    strikes: int = 0
    """Failures in a row; an answer ends them."""
    benched_until: float = 0.0
    """When its bench ends; a past time means that it may be asked."""
    bench_stated: bool = False
    """Whether the provider named that time."""
    bench_own: bool = False
    """Whether it is a limit of the caller's own: to wait for it is to stand in line."""
    probing: bool = False
    """A guessed bench has ended and one request is the probe."""
    last_fault: str = ""
    """The cause of its last failure; empty after an answer."""
    lacks: frozenset[str] = frozenset()
    """Parameters and inputs it refused; read `lacks_at`, which knows that they expire."""
    lacks_since: float = 0.0
    """When it last refused one."""
    context: int | None = None
    """The context window it stated in an error, tokens."""
    gone: float | None = None
    """The catalogue (by its `fetched` time) that lists it although it is gone."""
    gone_until: float = 0.0
    """When it is asked again although there is no newer catalogue."""
    vanishings: int = 0
    """How often it seemed gone since it answered last."""
    charged: float = 0.0
    """USD that it took although it should have been free. It is not asked again."""
    provider_facts: bool = False
    """Whether its provider told the first token and the speed."""
    grade: float = 0.0
    """The mean of its grades, 0 to 10."""
    grades: float = 0.0
    """How many grades that mean rests on."""
    safe: float = 0.0
    """Answers that guards accepted; a flagged one counts half."""
    unsafe: float = 0.0
    """Answers that guards rejected; a flagged one counts half."""

    ways: dict[str, Way] = field(default_factory=dict)
    """How well it does the ways of asking that it was seen at."""

    # -- reading --------------------------------------------------------------------------------

    @property
    def plain(self) -> bool:
        """Whether nothing was learnt that could make it unfit for a request."""
        unfit = self.lacks or self.context is not None or self.unsafe
        return not (unfit or self.charged or self.gone is not None)

    @property
    def seen(self) -> bool:
        """Whether an outcome says anything about it."""
        return bool(self.availability.seen_at or self.ways)

    @property
    def safety(self) -> float:
        """0 to 10, by the guards' verdicts on its answers."""
        judged = self.safe + self.unsafe + SAFETY_WEIGHT
        return 10.0 * (self.safe + PRIOR_SAFETY / 10.0 * SAFETY_WEIGHT) / judged

    def quality(self, prior: float) -> float:
        """0 to 10: `prior`, moved by the grades of its answers."""
        if not self.grades:
            return prior
        return (QUALITY_WEIGHT * prior + self.grades * self.grade) / (QUALITY_WEIGHT + self.grades)

    def lacks_at(self, now: float) -> frozenset[str]:
        """Parameters and inputs that it is believed to lack now."""
        if self.lacks and now - self.lacks_since > LACKS_KEPT:
            return frozenset()
        return self.lacks

    def odds(self, now: float) -> tuple[float, float]:
        """The chance that it answers now, and the number of outcomes that this rests on."""
        return self.availability.chance(now), self.availability.evidence

    def way_chance(self, ways: Iterable[str], now: float) -> float:
        """The chance that it does all these ways, if it answers at all."""
        chance = 1.0
        for name in ways:
            if name in self.ways:
                chance *= self.ways[name].chance(now)
        return chance

    def chance(self, ways: Iterable[str], now: float) -> float:
        """The chance that it answers now, and does all these ways."""
        return self.odds(now)[0] * self.way_chance(ways, now)

    def stated_wait(self, now: float) -> bool:
        """Whether the provider's own wait has not ended yet."""
        return self.bench_stated and self.benched_until > now

    # -- writing --------------------------------------------------------------------------------

    def answered(
        self, now: float, *, first_token: float | None, seconds: float, tokens: int
    ) -> None:
        """Take in an answer. It ends a guessed bench and the strikes."""
        self.availability.answered(now)
        self.answers += 1
        self.strikes, self.probing, self.last_fault = 0, False, ""
        self.gone, self.vanishings = None, 0
        self.lacks = self.lacks_at(now)
        if not self.stated_wait(now):  # another request may have been told to wait meanwhile
            self._rest(0.0)
        self.learn(max(0.2, 1.0 / self.answers), first_token, seconds, tokens)

    def outlasted(self, first_token: float | None, seconds: float, tokens: int) -> None:
        """Take in how long an answer would have taken at least that was not waited for."""
        self.learn(max(0.2, 1.0 / (1 + self.answers)), first_token, seconds, tokens)

    def failed(
        self, fault: Fault, now: float, rng: Random, rule: BenchRule, seconds: float | None
    ) -> None:
        """Take in a fault that came after so many seconds: a failure, a bench, or a lack."""
        self.probing = False
        self._learn_lacks(fault, now)
        if not fault.teaches and fault.kind is not Kind.BUSY:
            return
        self.last_fault = fault.cause
        if fault.teaches:  # a spent limit says nothing of how well a model answers
            self._count_failure(now, seconds)
        if fault.kind.passing:
            self.strikes += 1
            self._bench(fault, now, rng, rule)

    def did(self, way: str) -> None:
        """Take in that it did a way of asking."""
        self.ways.setdefault(way, Way()).good += 1.0

    def failed_at(self, way: str, now: float, *, weight: float = 1.0) -> None:
        """Take in that it answered, and did a way of asking badly."""
        record = self.ways.setdefault(way, Way())
        record.bad, record.failed_at = record.bad + weight, now
        self.probing = False

    def limit_spent(self, until: float) -> None:
        """An answer's headers said that nothing is left of a limit until then."""
        if not self.bench_stated or until > self.benched_until:
            self._rest(until, stated=True, own=True)
            self.last_fault = "limit spent"

    def learn_facts(
        self, first_token: float | None, speed: float | None, tool_choice: bool, now: float
    ) -> None:
        """Take in what the provider says of a model. Its own answers count more."""
        if not self.answers and (first_token or speed):
            self.first_token = first_token or self.first_token
            self.speed = speed or self.speed
            self.provider_facts = True
        if not tool_choice and "tool_choice" not in self.lacks_at(now):
            self.lacks, self.lacks_since = self.lacks_at(now) | {"tool_choice"}, now

    def vanished(self, fetched: float, now: float, *, proved: bool) -> None:
        """Take in that it seems gone, although the catalogue fetched then lists it. Servers say so
        in a bad minute, too: if nothing else proves it, it is asked again after a minute, and each
        time four times as late."""
        self.gone, self.vanishings = fetched, self.vanishings + 1
        growth = 4.0 ** min(self.vanishings - 1, 5)
        self.gone_until = now + (LONGEST_GONE if proved else GONE_FIRST * growth)

    def is_gone(self, fetched: float, now: float) -> bool:
        """Whether it is not asked, as the latest catalogue is the one that was fetched then."""
        return self.gone is not None and self.gone >= fetched and now < self.gone_until

    def graded(self, points: float) -> None:
        """Take in a grade of 0 to 10 for one of its answers."""
        self.grades = min(MAX_GRADES, self.grades + 1.0)
        self.grade += (points - self.grade) / self.grades

    def judged(self, ruling: Ruling) -> None:
        """Take in what the guards said of an answer."""
        if self.safe + self.unsafe >= MAX_VERDICTS:
            self.safe, self.unsafe = self.safe / 2, self.unsafe / 2
        worse = 1.0 if ruling.refused is not None else 0.5 if ruling.flags else 0.0
        self.unsafe += worse
        self.safe += 1.0 - worse

    def _learn_lacks(self, fault: Fault, now: float) -> None:
        if fault.lacks:
            self.lacks, self.lacks_since = self.lacks_at(now) | fault.lacks, now
        if fault.context is not None:
            self.context = fault.context

    def _count_failure(self, now: float, seconds: float | None) -> None:
        self.availability.failed(now)
        self.failures += 1
        if seconds is not None:
            weight = max(0.3, 1.0 / self.failures)
            self.failure_seconds += weight * (seconds - self.failure_seconds)

    def _bench(self, fault: Fault, now: float, rng: Random, rule: BenchRule) -> None:
        """A later stated wait wins; a guess never cuts a stated wait short."""
        until = fault.rests_until(now, self.strikes)
        if until is not None and until > now + MIN_STATED_WAIT:
            if not self.bench_stated or until > self.benched_until:
                self._rest(until, stated=True, own=fault.effect.own_limit)
        elif not self.stated_wait(now):
            seconds = rule.seconds(self.strikes, rng)
            if seconds is not None:
                self._rest(now + seconds)

    def _rest(self, until: float, *, stated: bool = False, own: bool = False) -> None:
        self.benched_until, self.bench_stated, self.bench_own = until, stated, own
