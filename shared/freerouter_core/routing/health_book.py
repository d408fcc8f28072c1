"""`HealthBook`: the records of all models, the benches of all accounts, and the averages over all.

Two kinds of methods: readers, which never create a record and never change one, and events in the
past tense (`sent`, `answered`, `failed`, …), which are the only writers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from ..catalogue.model import ModelIdentity
from ..wire.fault import Fault, Kind
from ..wire.structured import Form
from .account_benches import AccountBenches
from .blame import Blame
from .crowding import Crowds
from .guessed_bench import ANY_FAILURE, BenchRule
from .health import Health
from .outage import Outage
from .ruling import Ruling
from .suspicion import Conclusion
from .timings import PLAIN, Pool, Timings
from .usage_stats import UsageStats, written
from .ways import form_way

FORM_FAILED = 1.5
"""Failures that one in a first form counts as: others come first, and it is no inability yet."""

APART = frozenset({"embedding", "rerank"})
"""Ways of asking whose times say nothing of a chat's."""

LATEST = 32
"""Models that are remembered because they answered last."""

NO_OUTAGE = Outage()
"""What is believed of a server whose models did not fail."""


@dataclass(kw_only=True)
class HealthBook:
    """What a runtime knows about its models and accounts. Touched on the runtime's loop only."""

    models: dict[ModelIdentity, Health] = field(default_factory=dict)
    """The records of the models that something was learnt about."""
    accounts: AccountBenches = field(default_factory=AccountBenches)
    pool: Pool = field(default_factory=Pool)
    """What answers here are like: expected of a model that has not answered yet."""
    outages: dict[tuple[str, str], Outage] = field(default_factory=dict)
    """What is believed of the servers whose models failed, by provider and origin."""
    blame: Blame = field(default_factory=Blame)
    """Requests that make servers fail."""
    usage: UsageStats = field(default_factory=UsageStats)
    crowds: Crowds = field(default_factory=Crowds)
    """Models that turn requests away without a word."""
    in_flight: dict[ModelIdentity, int] = field(default_factory=dict)
    """Attempts of this process under way, by model."""
    repeats: dict[ModelIdentity, int] = field(default_factory=dict)
    """Of them, those beside a silent attempt of the same request."""
    latest: dict[ModelIdentity, None] = field(default_factory=dict)
    """The models that answered last, the latest at the end."""
    doubted_parts: dict[tuple[ModelIdentity, str], int] = field(default_factory=dict)
    """What models refused last that takes more to be believed: a word of what they may lack, and a
    print of the request; see `part_doubts`."""
    touched: set[str] = field(default_factory=set)
    """What other processes were not told yet: "m|" and a model's identity as JSON, or "a|" and an
    account's scope (its bench), or "g|" and an account's scope (its price cap)."""

    # -- reading --------------------------------------------------------------------------------

    def of(self, identity: ModelIdentity) -> Health:
        """A model's record, to be read; a blank one, which is not kept, if nothing was learnt."""
        record = self.models.get(identity)
        return self.blank() if record is None else record

    def blank(self) -> Health:
        """The record of a model that was never asked: as fast as all models are on average."""
        return Health(first_token=self.pool.first_token, speed=self.pool.speed)

    def timings(self, identity: ModelIdentity) -> Timings:
        """The times expected of a model: its own, or the pool's while nothing tells its own."""
        record = self.models.get(identity)
        if record is not None and (record.answers or record.provider_facts):
            return record
        return Timings(self.pool.first_token, self.pool.speed)

    def outage_of(self, identity: ModelIdentity) -> Outage:
        """Whether the server of a model seems to be down, to be read."""
        return self.outages.get(identity[:2], NO_OUTAGE)

    # -- one attempt ----------------------------------------------------------------------------

    def sent(self, identity: ModelIdentity, now: float) -> None:
        """An attempt is on its way. After a guessed bench it is the probe."""
        record = self._record(identity)
        self.in_flight[identity] = self.in_flight.get(identity, 0) + 1
        if (outage := self.outages.get(identity[:2])) is not None:
            outage.looked_at = now
        if record.strikes and not record.bench_stated and record.benched_until <= now:
            record.probing = True

    def repeated(self, identity: ModelIdentity) -> None:
        """The attempt that is on its way is one beside a silent one of the same request."""
        self.repeats[identity] = self.repeats.get(identity, 0) + 1

    def ended(self, identity: ModelIdentity, *, repeats: bool = False) -> None:
        """An attempt is no longer under way, however it ended. `repeats`: whether it was one beside
        a silent one of the same request."""
        for counts in (self.in_flight, self.repeats) if repeats else (self.in_flight,):
            counts[identity] -= 1
            if not counts[identity]:
                del counts[identity]

    def called_off(self, identity: ModelIdentity) -> None:
        """An attempt was cancelled before it said anything about the model: the probe is free."""
        self._record(identity).probing = False

    def outlasted(
        self, identity: ModelIdentity, seconds: float, tokens: int, *, streamed: bool
    ) -> None:
        """An attempt was silent until another answered: it would have taken about so many seconds
        to so many tokens, or to the first one (`streamed`)."""
        self._touched_record(identity).outlasted(seconds if streamed else None, seconds, tokens)

    def answered(
        self,
        identity: ModelIdentity,
        now: float,
        *,
        first_token: float | None,
        seconds: float,
        tokens: int,
        ways: Iterable[str] = (),
        way: str = PLAIN,
    ) -> None:
        """A model answered. Seconds count from when the attempt was sent. `ways`: the ways of
        asking that it did; `way`: the one that decides how long answers are."""
        self.latest.pop(identity, None)
        self.latest[identity] = None
        if len(self.latest) > LATEST:
            del self.latest[next(iter(self.latest))]
        self.usage.answered(identity, now, first_token=first_token, seconds=seconds, tokens=tokens)
        self.outages.pop(identity[:2], None)
        self._touched_record(identity).answered(
            now, first_token=first_token, seconds=seconds, tokens=tokens
        )
        for done in ways:
            self._record(identity).did(done)
            self.doubted_parts.pop((identity, done), None)
        if way not in APART:
            self.pool.answered(first_token, seconds, tokens, way)

    def failed(
        self,
        identity: ModelIdentity,
        fault: Fault,
        now: float,
        rng: Random,
        *,
        rule: BenchRule = ANY_FAILURE,
        seconds: float | None = None,
    ) -> None:
        """An attempt failed after so many seconds. `rule`: when and how long that benches."""
        self.usage.failed(identity, now, fault)
        record = self._record(identity)
        chance = record.odds(now)[0] if record.seen else self.pool.success
        outage = self.outages.setdefault(identity[:2], Outage())
        outage.failed(identity[2], fault, now, chance)
        if fault.effect.way is not None:  # it answered: only this way of asking went wrong
            self.pool.failed()
            if fault.effect.way != "structured" and fault.teaches:
                record.failed_at(fault.effect.way, now)
            record.probing = False
            self._touch(identity)
            return
        if fault.lacks or fault.context is not None or fault.teaches or fault.kind is Kind.BUSY:
            self._touch(identity)
        if fault.teaches:
            self.pool.failed()
        record.failed(fault, now, rng, rule, seconds)

    def failed_way(self, identity: ModelIdentity, way: str, now: float) -> None:
        """It refused a way of asking that another model then did."""
        self._touched_record(identity).failed_at(way, now)

    def failed_form(self, identity: ModelIdentity, form: Form, now: float, *, last: bool) -> None:
        """A model did a form of structured output badly. `last`: it has failed at all of them;
        else it may do the next, so it only comes after others."""
        record = self._touched_record(identity)
        record.failed_at(form_way(form), now)
        if last:
            record.failed_at("structured", now)
        else:
            record.failed_at("structured", 0.0, weight=FORM_FAILED)

    # -- what else is learnt about a model ------------------------------------------------------

    def described(
        self,
        identity: ModelIdentity,
        *,
        first_token: float | None,
        speed: float | None,
        tool_choice: bool,
        now: float,
    ) -> None:
        """Its provider published times of a model, and whether it takes `tool_choice`."""
        self._record(identity).learn_facts(first_token, speed, tool_choice, now)

    def limit_spent(self, identity: ModelIdentity, until: float) -> None:
        """An answer's headers said that nothing is left of a limit until then."""
        self._touched_record(identity).limit_spent(until)

    def graded(self, identity: ModelIdentity, points: float) -> None:
        """One of its answers got a grade, 0 to 10."""
        self._touched_record(identity).graded(points)

    def judged(self, identity: ModelIdentity, ruling: Ruling) -> None:
        """The guards judged one of its answers. Nothing is learnt if one of them failed."""
        if not ruling.unsure:
            self._touched_record(identity).judged(ruling)

    def vanished(
        self, identity: ModelIdentity, fetched: float, now: float, *, proved: bool = False
    ) -> None:
        """A model seems gone, although the catalogue fetched then lists it."""
        self._touched_record(identity).vanished(fetched, now, proved=proved)

    def charged(self, identity: ModelIdentity, usd: float) -> None:
        """An answer cost money although the model should be free."""
        self._touched_record(identity).charged += usd

    def reappeared(self, identity: ModelIdentity) -> None:
        """A model that seemed gone was not: something else refused it."""
        self._record(identity).gone = None

    # -- accounts -------------------------------------------------------------------------------

    def account_refused(
        self,
        scope: str,
        fault: Fault,
        now: float,
        rng: Random,
        *,
        model: str = "",
        sent: float | None = None,
        proved: bool | None = None,
    ) -> None:
        """A fault concerns a whole account; see `AccountBenches.refused`."""
        self.touched.add(f"a|{scope}")
        self.accounts.refused(scope, fault, now, rng, model=model, sent=sent, proved=proved)

    def account_suspected(
        self, scope: str, model: str, fault: Fault, now: float
    ) -> Conclusion | None:
        """A fault may concern a whole account; what to conclude."""
        self.touched.add(f"a|{scope}")
        return self.accounts.suspect(scope, model, fault, now)

    def account_disturbed(self, scope: str, now: float, sent: float, rng: Random) -> None:
        """An account refuses everything alike; see `AccountBenches.disturbed`."""
        self.touched.add(f"a|{scope}")
        self.accounts.disturbed(scope, now, sent, rng)

    def account_believed(self, scope: str) -> None:
        """It goes on doing so; see `AccountBenches.believed`."""
        self.touched.add(f"a|{scope}")
        self.accounts.believed(scope)

    def account_answered(self, scope: str, model: str, sent: float) -> str | None:
        """A model of an account answered; see `AccountBenches.answered`."""
        if self.accounts.suspected(scope):
            self.touched.add(f"a|{scope}")
        return self.accounts.answered(scope, model, sent)

    def reconcile_day(self, scope: str, spent: bool, ends: float) -> None:
        """The provider's own count of an account's day came; see `AccountBenches`."""
        if self.accounts.reconcile_day(scope, spent, ends):
            self.touched.add(f"a|{scope}")

    # -- all of it ------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget benches, records and averages. What was used or paid stays counted."""
        self.pool = Pool()
        self.outages.clear()
        self.doubted_parts.clear()
        self.blame = Blame()
        self.touched |= {f"a|{scope}" for scope in self.accounts.benches}
        self.accounts.reset()
        self.crowds.reset()
        for identity, record in self.models.items():
            self._touch(identity)
            self.models[identity] = Health(charged=record.charged)

    def _record(self, identity: ModelIdentity) -> Health:
        """A model's record, to be written."""
        record = self.models.get(identity)
        if record is None:
            record = self.models[identity] = self.blank()
        return record

    def _touched_record(self, identity: ModelIdentity) -> Health:
        self._touch(identity)
        return self._record(identity)

    def _touch(self, identity: ModelIdentity) -> None:
        self.touched.add("m|" + written(identity))
