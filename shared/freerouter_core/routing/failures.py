"""`Failures`: what a request's failures change, for the rest of it and for later requests.

A fault says what changes next, not which status came (law 5). Its kind decides:

    | BUSY, SLOW, BROKEN | this model pauses; models of other accounts come first
    | ACCOUNT            | the whole account rests
    | UNFIT, REFUSED     | this model is out for this request
    | GONE               | this model is out until the next catalogue
    | FATAL              | nothing helps

**Who it was.** A refusal that does not say is put together with others (`suspicion`): several of
one account may mean the account. An answer says more: whoever refused what another model then
answered was itself at fault, or its account.

**Trouble that passes.** What an account refuses that answered lately is a disturbance at first
(`doubts`): nobody is gone or to blame for a gateway's bad minute.

**The price cap** (law 9) is not verified against the live service, so it is suspected before a
model is. If an answer blames it, or a second model in a row is GONE, one model is tried without
it, and the result is remembered for the account.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ..catalogue.model import ModelIdentity
from ..wire.fault import Cause, Fault, Kind
from .candidate import Candidate
from .candidates import Candidates
from .crowding import LONGEST_LOOK, PATIENCE
from .doubts import Doubts
from .guessed_bench import LONGEST_CROWDED, LONGEST_GUESS, LONGEST_LOCAL, BenchRule
from .in_flight import InFlight
from .outage import symptom_of
from .pauses import Pauses
from .plainer import Plainer
from .plan import Plan
from .plausible import refused_window
from .silence import leave_alone, outlasted
from .state import RoutingState
from .steps import Attempt

MAX_HOLD = 4.0
"""Most seconds for which others leave a model alone because one call pauses."""
SERVER_FAILED = frozenset({Cause.SERVER, Cause.TIMEOUT, Cause.CUT})
"""What shows that a server is in trouble."""
NEWCOMER = 20.0
"""Seconds for which a call waits for a server in trouble that has answered nobody lately."""
ENOUGH_OWN = 3
"""Failures that are a row's own after which it asks nobody else in this try."""
GONE_IN_A_ROW = 2
"""Models in a row that are GONE before the price cap is suspected."""


class Failures:
    """One request's failures so far."""

    def __init__(
        self, plan: Plan, state: RoutingState, candidates: Candidates, rng: Random, now: float
    ) -> None:
        self._plan, self._state, self._candidates, self._rng = plan, state, candidates, rng
        self.faults: list[tuple[Candidate, Fault]] = []
        """Every failed attempt of the request, in order."""
        self._own_failures = 0
        """Failures for which the request is to blame."""
        self.blamed = False
        """Whether the last failure was the request's own; see `blame`."""
        self._doubts = Doubts(plan, state, candidates, self.faults, rng)
        self.plainer = Plainer(plan, state, candidates)
        """Who is asked again in a plainer form."""
        self._gone_streak: list[Candidate] = []
        """Models in a row that are gone, and nobody said why."""
        self._holds = 0
        self._began = now
        self._pauses = Pauses(plan.policy, candidates.max_tries)

    # -- events -----------------------------------------------------------------------------------

    def record(
        self,
        candidate: Candidate,
        attempt: Attempt,
        fault: Fault,
        now: float,
        seconds: float | None = None,
        time_left: float | None = None,
    ) -> None:
        """Take in a failure that came after so many seconds. Once another was asked beside it, it
        cost no more time. `time_left`: seconds until the deadline; None: there is none."""
        self.faults.append((candidate, fault))
        if self._doubts.take(candidate, fault, now, now - (seconds or 0.0)):
            self._gone_streak.clear()
            return
        self._find_who_is_to_blame(candidate, fault, now)
        turned_away = self._turned_away(candidate, fault, now, time_left)
        if fault.cause in SERVER_FAILED and not turned_away:
            candidate.turned_away = 0  # what was borne with counts now
        candidate.turned_away += turned_away
        candidate.in_line = fault.until is not None and fault.effect.own_limit
        cost = None if seconds is None else min(seconds, attempt.soft_timeout)
        self._teach(candidate, attempt, fault, now, cost)
        if fault.kind is not Kind.GONE:
            self._gone_streak.clear()
        if fault.kind is Kind.ACCOUNT:
            self._account_refused(candidate, fault, now, now - (seconds or 0.0))
        elif fault.effect.blames_price_cap and attempt.price_cap:
            candidate.price_cap = False
            candidate.tries -= 1
        elif fault.lacks and self.plainer.serves(candidate, attempt, now):
            self.plainer.ask_again(candidate, fault, now)
        elif fault.kind in (Kind.UNFIT, Kind.REFUSED, Kind.FATAL):
            candidate.out = True
            self.plainer.refused(candidate, attempt, fault)
            self._candidates.kinship.refused(candidate.model, candidate.account)
        elif fault.kind is Kind.GONE:
            self._gone(candidate, attempt, fault, now)
        if fault.effect.context:
            self._only_larger(candidate, fault)
        if fault.kind.passing:
            pause = self._pause(candidate, now, time_left)
            if fault.effect.limit == "unclear":
                self._spare_siblings(candidate, now)
            if turned_away:
                self._state.health.crowds.refused(
                    candidate.key,
                    now,
                    ahead=candidate.ahead,
                    sent=candidate.sent_at,
                    pause=min(MAX_HOLD, pause) if fault.until is None else None,
                    longest=LONGEST_LOCAL if candidate.account.local else LONGEST_LOOK,
                )
        if not (turned_away or fault.effect.unreached or fault.effect.ours or symptom_of(fault)):
            self._state.health.crowds.let_in(candidate.key)

    def cancelled(self, flight: InFlight, now: float, deadline: float | None) -> Fault | str:
        """An attempt was cancelled: the fault of its model if it was overdue, else "cancelled".

        Of a model that still had time no failure is learnt. If it was silent for longer than was
        expected, it is slower than was thought. `deadline`: the caller's, unix seconds.
        """
        identity = flight.candidate.model.identity
        if not flight.overdue:
            self._state.health.called_off(identity)
            if flight.token_at is None:
                outlasted(self._plan, self._state.health, flight, now)
            return "cancelled"
        leave_alone(self._plan, self._state.health, flight, deadline)
        fault = Fault(Kind.SLOW, Cause.NO_TOKEN if flight.token_at is None else Cause.SLOW)
        self._state.health.failed(
            identity,
            fault,
            now,
            self._rng,
            rule=self._bench_rule(LONGEST_GUESS),
            seconds=min(now - flight.sent, flight.attempt.soft_timeout),
        )
        return fault

    def answered(self, flight: InFlight, now: float, spent_until: float | None = None) -> None:
        """Take in a success. `spent_until`: when a limit resets, from the headers.

        If it succeeded without the price cap after a refusal with it, the cap is not understood
        there, and the models that it cost are not gone.
        """
        candidate, attempt = flight.candidate, flight.attempt
        state, identity = self._state, candidate.model.identity
        self._disproved(candidate, flight.sent, now)
        self.plainer.answered(candidate, now)
        account, likeness = candidate.account, self._plan.likeness
        state.health.accounts.disturbances.did(account.scope, identity[2], likeness, now)
        state.adaptive_limits.answered(account, candidate.model, flight.place, now)
        blame = state.health.blame
        request = self._plan.fingerprint if blame.suspects else None  # it takes a while to work out
        blame.answered(request, identity, flight.sent, now)
        state.health.crowds.answered(candidate.key, now)
        if spent_until is not None:
            state.health.limit_spent(identity, spent_until)
        charged = state.health.of(identity).charged
        if not charged and not attempt.price_cap and not candidate.price_cap:
            state.remember_price_cap(candidate.account.scope, False)
            for gone in self._gone_streak:
                state.health.reappeared(gone.model.identity)

    def told_cost(self, candidate: Candidate, usd: float | None, now: float) -> None:
        """Take in what an answer said that it cost, whether or not it is of use.

        If that was not to be, the model is not asked again, and the price cap was right.
        """
        if not usd or usd < 0:
            return
        state, identity = self._state, candidate.model.identity
        state.health.usage.paid(identity, now, usd)
        if not (self._plan.policy.allow_paid or candidate.account.notional_costs):
            state.remember_price_cap(candidate.account.scope, True)
            state.health.charged(identity, usd)

    # -- for later requests -----------------------------------------------------------------------

    def _teach(
        self,
        candidate: Candidate,
        attempt: Attempt,
        fault: Fault,
        now: float,
        seconds: float | None,
    ) -> None:
        """What the failure says about the model, the account's limits, and the account."""
        account, model = candidate.account, candidate.model
        book, limits = self._state.health, self._state.adaptive_limits
        if self.blamed:
            book.usage.failed(model.identity, now, fault)
            book.called_off(model.identity)
            return
        longest = LONGEST_LOCAL if account.local else LONGEST_GUESS
        if fault.effect.crowded:
            longest = LONGEST_CROWDED
            limits.crowded(account, now)
        rule = self._bench_rule(longest)
        book.failed(model.identity, fault, now, self._rng, rule=rule, seconds=seconds)
        if fault.effect.way == "structured" and attempt.form is not None:
            last = self.plainer.is_last_form(attempt, now)
            book.failed_form(model.identity, attempt.form, now, last=last)
        let_in = fault.cause in SERVER_FAILED
        if let_in or symptom_of(fault):
            limits.failed(account, model, now, let_in=let_in)
        if fault.effect.paced:
            limits.took_nothing(account, model, candidate.sent_at)
        self._limit_refused(candidate, fault, now)
        if fault.cause is Cause.ACCOUNT_DAY:
            self._state.days.spent(account.scope, now)
        if fault.effect.crowded or (fault.kind is Kind.ACCOUNT and fault.effect.own_limit):
            self._state.slow_start.refused(account.scope, now)
        if fault.effect.suspect and not self._doubts.open:
            self._suspect(candidate, fault, now)

    def _limit_refused(self, candidate: Candidate, fault: Fault, now: float) -> None:
        """A limit may have been full. Nobody said that it was a rate: then too many at once must be
        ruled out."""
        limits, crowds = self._state.adaptive_limits, self._state.health.crowds
        account, model, sent = candidate.account, candidate.model, candidate.sent_at
        tests = limits.tests(account, model, candidate.place)
        if (
            not fault.effect.paced
            or tests
            or crowds.rules_out(candidate.key, now, ahead=candidate.ahead, sent=sent)
        ):
            let_in = crowds.inside(candidate.key, now)
            limits.refused(account, model, fault, now, candidate.place, let_in)

    def _suspect(self, candidate: Candidate, fault: Fault, now: float) -> None:
        """It may have been the account that was refused."""
        account, model, book = candidate.account, candidate.model, self._state.health
        conclusion = book.account_suspected(account.scope, model.wire_name, fault, now)
        if conclusion is None:
            return
        promoted = replace(fault, kind=Kind.ACCOUNT, cause=conclusion.cause)
        self._limit_refused(candidate, promoted, now)
        if promoted.effect.own_limit:
            self._state.slow_start.refused(account.scope, now)
        book.account_refused(account.scope, promoted, now, self._rng, proved=conclusion.proved)

    def _disproved(self, answering: Candidate, sent: float, now: float) -> None:
        """What an answer says of those who refused the same request, and of its own account."""
        book, scope = self._state.health, answering.account.scope
        own = book.account_answered(scope, answering.model.wire_name, sent)
        if own is not None:
            provider, origin, _ = answering.model.identity
            fetched = self._plan.catalogue.fetched
            book.vanished((provider, origin, own), fetched, now, proved=True)
        for candidate, fault in self.faults:
            blamed = candidate is not answering and not answering.forgoes
            if fault.effect.unrecognised and blamed:
                self._was_wrong(candidate.model.identity, fault, now)
                if candidate.account.scope != scope:
                    self._suspect(candidate, fault, now)

    def _was_wrong(self, identity: ModelIdentity, fault: Fault, now: float) -> None:
        """A model refused what another one answered: it cannot do this way of asking, or it is
        down."""
        ways = self._plan.need.ways
        for way in ways:
            self._state.health.failed_way(identity, way, now)
        if not ways:
            failure = replace(fault, kind=Kind.BUSY, teaches=not fault.teaches)  # counted once
            rule = self._bench_rule(LONGEST_GUESS)
            self._state.health.failed(identity, failure, now, self._rng, rule=rule)

    def _bench_rule(self, longest: float) -> BenchRule:
        policy = self._plan.policy
        return BenchRule(policy.max_failures, policy.exclude_failed, longest)

    # -- for the rest of this one -----------------------------------------------------------------

    def _account_refused(self, candidate: Candidate, fault: Fault, now: float, sent: float) -> None:
        scope, name = candidate.account.scope, candidate.model.wire_name
        self._state.health.account_refused(scope, fault, now, self._rng, model=name, sent=sent)
        if fault.until is not None:
            candidate.tries -= 1  # a stated wait of the account says nothing against the model
        else:
            faults = self._candidates.account_faults
            faults[scope] = faults.get(scope, 0) + 1

    def _turned_away(
        self, candidate: Candidate, fault: Fault, now: float, time_left: float | None
    ) -> bool:
        """Whether a failure is no try of the model, because there was no room. A server that
        fails or cannot be reached will answer again, if it answered lately. One that says itself
        that it fails is waited for a while in any case; where nobody listens, the address may be
        wrong."""
        if time_left is None and now - self._began > PATIENCE:
            return False
        if fault.turned_away:
            return True
        if candidate.out:
            return False
        failed = fault.cause in SERVER_FAILED
        if self._state.health.accounts.worked_lately(candidate.account.scope, now):
            return failed or fault.effect.unreached
        return failed and now - self._began < NEWCOMER

    def _pause(self, candidate: Candidate, now: float, time_left: float | None) -> float:
        """The model may answer a little later; until then others come first. Returns how many
        seconds later."""
        self._candidates.kinship.failed(candidate.account)
        return self._pauses.after(candidate, now, time_left, self._rng)

    def _find_who_is_to_blame(self, failed: Candidate, fault: Fault, now: float) -> None:
        """Find out whether the request is to blame. A row of a job then asks each model once, and
        few of them: it is tried again later, and others need the quota."""
        request, blame = self._plan.fingerprint, self._state.health.blame
        self.blamed = request is not None and blame.failed(
            request, failed.model.identity, fault, now
        )
        if not self.blamed or self._plan.lane != "background":
            return
        failed.out = True
        self._own_failures += 1
        if self._own_failures >= ENOUGH_OWN:
            for other in self._candidates.all:
                other.out = True

    def _spare_siblings(self, refused: Candidate, now: float) -> None:
        """If an account seems to be at its limit, this call asks none of its models for a moment,
        and each time that moment is longer."""
        scope = refused.account.scope
        if not self._state.health.accounts.seems_full(scope):
            return
        self._holds += 1
        pause = min(MAX_HOLD, self._plan.policy.backoff_base * 2.0 ** (self._holds - 1))
        until = now + self._pauses.jittered(pause, self._rng)
        for other in self._candidates.all:
            if other.account.scope == scope:
                other.not_before = max(other.not_before, until)

    def _only_larger(self, candidate: Candidate, fault: Fault) -> None:
        """The prompt was too long: only larger windows follow (strands#2256)."""
        window = refused_window(fault, candidate.model, self._plan.need)
        for other in self._candidates.all:
            if other.model.listed and other.model.context <= window:
                other.out = True

    def _gone(self, candidate: Candidate, attempt: Attempt, fault: Fault, now: float) -> None:
        """A model is gone. If nobody says why, a second one in a row points to the price cap."""
        fetched = self._plan.catalogue.fetched
        if not fault.effect.unexplained:
            candidate.out = True
            proved = fault.cause not in (Cause.GONE, Cause.NOT_A_MODEL)
            self._state.health.vanished(candidate.model.identity, fetched, now, proved=proved)
            return
        self._gone_streak.append(candidate)
        if self._suspects_price_cap(candidate, attempt):
            candidate.price_cap = False
            candidate.tries -= 1
            candidate.not_before = 0.0
            self._candidates.put_first(candidate)
            return
        candidate.out = True
        if len(self._gone_streak) >= GONE_IN_A_ROW and not attempt.price_cap:
            # Gone with the price cap and without it: the cap is innocent.
            self._state.remember_price_cap(candidate.account.scope, True)
        for gone in self._gone_streak:
            self._state.health.vanished(gone.model.identity, fetched, now)

    def _suspects_price_cap(self, candidate: Candidate, attempt: Attempt) -> bool:
        return (
            attempt.price_cap
            and candidate.account.dialect == "openrouter"
            and candidate.account.scope not in self._state.price_caps
            and not self._plan.policy.allow_paid
            and len(self._gone_streak) == GONE_IN_A_ROW
        )
