"""What a request's failures change: for the rest of it, and for the requests after it.

The price guard (law 9) is unverified against the live service, so it is suspected before a model is: where an answer blames
it, or a second model in a row is GONE, one model is tried without it, and what comes of that is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from ..wire.body import shape
from ..wire.judge import Fault, Kind
from .adaptive_limits import Paces
from .candidates import Candidate, Field
from .fit import ready
from .health import LOCAL_GUESS, LONGEST_GUESS, HealthBook
from .limits import Charge, budget
from .plan import Plan
from .steps import Attempt

PLAINER = 3
"""Times in a call that one model is asked again because it said what it does not take."""

CROWDED = 2.0
"""The longest guessed bench, in seconds, of a model whose account had too many requests under way."""
LONGEST_HOLD = 4.0
"""Seconds for which a call leaves an account alone that only seems to be at its limit."""


@dataclass
class State:
    """What requests learn from each other. One per runtime, touched on its loop only."""

    health: HealthBook = field(default_factory=HealthBook)
    guards: dict[str, bool] = field(default_factory=dict)
    """By account scope: whether the price guard is known to be understood (True) or to do harm (False)."""
    paces: Paces = field(default_factory=Paces)
    requests: int = 0
    hedges: int = 0


def charged(plan: Plan, state: State, candidate: Candidate, now: float) -> tuple[Charge, ...]:
    """The limits a request falls under, known and learnt; where it costs money, the owner's for a day among them."""
    most, need = plan.policy.daily_budget_usd, plan.need
    if most is None or candidate.model.free:
        return candidate.charges + state.paces.charges(candidate.account, candidate.model, now)
    cost = candidate.model.cost(need.prompt_tokens, need.output_tokens)
    return (*candidate.charges, budget(candidate.account, most, cost))


class Lessons:
    """One request's failures so far."""

    def __init__(self, plan: Plan, state: State, field: Field, rng: Random) -> None:
        self.policy, self.need, self.catalogue = plan.policy, plan.need, plan.catalogue
        self.request = plan.request
        self.state, self.field, self.rng = state, field, rng
        self.faults: list[tuple[Candidate, Fault]] = []
        self._gone_streak: list[Candidate] = []
        self._holds = 0

    def take(
        self,
        candidate: Candidate,
        attempt: Attempt,
        fault: Fault,
        now: float,
        seconds: float | None = None,
    ) -> None:
        """Take a failure in, which took so many seconds: who is benched, who is out, who is asked again and when."""
        book = self.state.health
        self.faults.append((candidate, fault))
        longest = LOCAL_GUESS if candidate.account.local else LONGEST_GUESS
        if fault.cause == "concurrency":
            longest = CROWDED
            self.state.paces.crowded(candidate.account, now)
        most, exclude = self.policy.max_failures, self.policy.exclude_failed
        key = candidate.model.key
        book.failed(
            key,
            fault,
            now,
            self.rng,
            max_failures=most,
            exclude=exclude,
            longest=longest,
            seconds=seconds,
        )
        if fault.kind is not Kind.GONE:
            self._gone_streak.clear()
        scope = candidate.account.scope
        self.state.paces.refused(candidate.account, candidate.model, fault, now, candidate.place)
        if fault.cause == "ambiguous-429" and book.ambiguous(scope, candidate.model.key, now):
            promoted = replace(fault, kind=Kind.ACCOUNT, cause="account-guessed")
            self.state.paces.refused(
                candidate.account, candidate.model, promoted, now, candidate.place
            )
            book.bench_account(scope, promoted, now, self.rng)
            self._hold(scope, now)
        if fault.kind is Kind.ACCOUNT:
            book.bench_account(candidate.account.scope, fault, now, self.rng)
            if fault.until is not None:
                candidate.tries -= 1  # a stated wait of the account says nothing against the model
            else:
                self._account_failed(scope)
        elif fault.cause == "price-guard" and attempt.guard:
            candidate.guard = False
            candidate.tries -= 1
        elif fault.lacks and self._plainer(candidate, attempt, now):
            candidate.tries -= (
                1  # it said what to change: asked again at once, in the form it takes
            )
            candidate.plainer += 1
        elif fault.kind in (Kind.UNFIT, Kind.REFUSED, Kind.FATAL):
            candidate.out = True
        elif fault.kind is Kind.GONE:
            self._gone(candidate, attempt, fault.cause)
        if fault.cause == "context":
            self._only_larger(candidate, fault)
        if fault.kind in (Kind.BUSY, Kind.SLOW, Kind.BROKEN):
            self.field.failed_scopes.add(candidate.account.scope)
            policy = self.policy
            pause = min(policy.backoff_max, policy.backoff_base * 2.0 ** (candidate.tries - 1))
            rest = pause * (1 + policy.backoff_jitter * (2 * self.rng.random() - 1))
            candidate.not_before = max(candidate.not_before, now + rest)

    def answered(
        self,
        candidate: Candidate,
        attempt: Attempt,
        cost: float | None,
        now: float,
        rests: float | None = None,
    ) -> None:
        """An answer came; with the last of a limit, its headers may say (`rests`). Without the guard where one with it was refused: remember, and forgive the models it cost; unless it
        cost money, for then the guard was right, and this model is not asked again."""
        self.state.health.account_answers(candidate.account.scope)
        self.state.paces.answered(candidate.account, candidate.model, candidate.place)
        if cost:
            self.state.health.history.paid(candidate.model.key, now, cost)
        if rests is not None:
            self.state.health.rests(candidate.model.key, rests)
        if cost and not self.policy.allow_paid:
            self._guard(candidate.account.scope, True)
            self.state.health.gone(candidate.model.key, self.catalogue.fetched)
        elif not attempt.guard and not candidate.guard:
            self._guard(candidate.account.scope, False)
            for gone in self._gone_streak:
                self.state.health.of(gone.model.key).gone = None

    def _hold(self, scope: str, now: float) -> None:
        """It looks as if an account were at its limit: none of its models is asked for a moment, each time a longer one. An answer to
        somebody else may prove it wrong meanwhile."""
        self._holds += 1
        pause = min(LONGEST_HOLD, self.policy.backoff_base * 2.0 ** (self._holds - 1))
        for other in self.field.candidates:
            if other.account.scope == scope:
                other.not_before = max(other.not_before, now + pause)

    def _account_failed(self, scope: str) -> None:
        faults = self.field.account_faults
        faults[scope] = faults.get(scope, 0) + 1

    def _guard(self, scope: str, understood: bool) -> None:
        if self.state.guards.get(scope) is not understood:
            self.state.guards[scope] = understood
            self.state.health.touched.add(f"g|{scope}")

    def _plainer(self, candidate: Candidate, attempt: Attempt, now: float) -> bool:
        """Whether it can serve the need without what it has just proved to lack, and would be asked differently."""
        health = self.state.health.of(candidate.model.key)
        if (
            candidate.plainer >= PLAINER
            or ready(candidate.model, self.need, self.policy, health, now) is not None
        ):
            return False
        told = replace(attempt, lacks=health.lacks_at(now))
        sent, changed = (
            shape(self.request, a.known, a.account, stream=True, guard=a.guard, resumes=a.resumes)[
                0
            ]
            for a in (attempt, told)
        )
        return sent != changed

    def _only_larger(self, candidate: Candidate, fault: Fault) -> None:
        """On a context error only larger windows follow (strands#2256)."""
        known = fault.context if fault.context is not None else candidate.model.context
        for other in self.field.candidates:
            if other.model.listed and other.model.context <= known:
                other.out = True

    def _gone(self, candidate: Candidate, attempt: Attempt, cause: str) -> None:
        """A model is gone; the second in a row is first suspected to be the price guard's doing."""
        scope = candidate.account.scope
        if (
            cause != "gone"
        ):  # it was said why; only a bare "no endpoints" could be the guard's doing
            candidate.out = True
            self.state.health.gone(candidate.model.key, self.catalogue.fetched)
            return
        self._gone_streak.append(candidate)
        suspected = (
            attempt.guard
            and candidate.account.dialect == "openrouter"
            and scope not in self.state.guards
            and not self.policy.allow_paid
            and len(self._gone_streak) == 2
        )
        if suspected:
            candidate.guard = False
            candidate.tries -= 1
            candidate.not_before = 0.0
            self.field.put_first(candidate)
            return
        candidate.out = True
        if len(self._gone_streak) >= 2 and not attempt.guard:
            self._guard(scope, True)  # gone with and without: the guard is innocent
        for gone in self._gone_streak:
            self.state.health.gone(gone.model.key, self.catalogue.fetched)
