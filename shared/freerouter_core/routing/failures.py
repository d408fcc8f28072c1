"""What a request's failures change: for the rest of it, and for the requests after it.

The price cap (law 9) is unverified against the live service, so it is suspected before a model is: where an answer blames
it, or a second model in a row is GONE, one model is tried without it, and what comes of that is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from ..wire.body import build_body
from ..wire.fault import Cause, Fault, Kind
from .adaptive_limits import AdaptiveLimits
from .candidates import Candidate, Candidates
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
class RoutingState:
    """What requests learn from each other. One per runtime, touched on its loop only."""

    health: HealthBook = field(default_factory=HealthBook)
    price_caps: dict[str, bool] = field(default_factory=dict)
    """By account scope: whether the price cap is known to be understood (True) or to do harm (False)."""
    adaptive_limits: AdaptiveLimits = field(default_factory=AdaptiveLimits)
    requests: int = 0
    hedges: int = 0


def charged(
    plan: Plan, state: RoutingState, candidate: Candidate, now: float
) -> tuple[Charge, ...]:
    """The limits a request falls under, known and learnt; where it costs money, the owner's for a day among them."""
    most, need = plan.policy.daily_budget_usd, plan.need
    if most is None or candidate.model.free:
        return candidate.charges + state.adaptive_limits.charges(
            candidate.account, candidate.model, now
        )
    cost = candidate.model.cost(need.prompt_tokens, need.output_tokens)
    return (*candidate.charges, budget(candidate.account, most, cost))


class Failures:
    """One request's failures so far."""

    def __init__(
        self, plan: Plan, state: RoutingState, candidates: Candidates, rng: Random
    ) -> None:
        self.policy, self.need, self.catalogue = plan.policy, plan.need, plan.catalogue
        self.request = plan.request
        self.state, self.candidates, self.rng = state, candidates, rng
        self.faults: list[tuple[Candidate, Fault]] = []
        self._gone_streak: list[Candidate] = []
        self._holds = 0

    def record(
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
        if fault.effect.crowded:
            longest = CROWDED
            self.state.adaptive_limits.crowded(candidate.account, now)
        most, exclude = self.policy.max_failures, self.policy.exclude_failed
        key = candidate.model.identity
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
        self.state.adaptive_limits.refused(
            candidate.account, candidate.model, fault, now, candidate.place
        )
        if fault.effect.limit == "unclear" and book.ambiguous(scope, candidate.model.identity, now):
            promoted = replace(fault, kind=Kind.ACCOUNT, cause=Cause.ACCOUNT_GUESSED)
            self.state.adaptive_limits.refused(
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
        elif fault.effect.blames_price_cap and attempt.price_cap:
            candidate.price_cap = False
            candidate.tries -= 1
        elif fault.lacks and self._plainer(candidate, attempt, now):
            candidate.tries -= (
                1  # it said what to change: asked again at once, in the form it takes
            )
            candidate.plainer += 1
        elif fault.kind in (Kind.UNFIT, Kind.REFUSED, Kind.FATAL):
            candidate.out = True
        elif fault.kind is Kind.GONE:
            self._gone(candidate, attempt, fault)
        if fault.effect.context:
            self._only_larger(candidate, fault)
        if fault.kind in (Kind.BUSY, Kind.SLOW, Kind.BROKEN):
            self.candidates.failed_scopes.add(candidate.account.scope)
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
        """An answer came; with the last of a limit, its headers may say (`rests`). Without the price cap where one with it was refused: remember, and forgive the models it cost; unless it
        cost money, for then the price cap was right, and this model is not asked again."""
        self.state.health.account_answers(candidate.account.scope)
        self.state.adaptive_limits.answered(candidate.account, candidate.model, candidate.place)
        if cost:
            self.state.health.usage.paid(candidate.model.identity, now, cost)
        if rests is not None:
            self.state.health.rests(candidate.model.identity, rests)
        if cost and not self.policy.allow_paid:
            self._remember_price_cap(candidate.account.scope, True)
            self.state.health.gone(candidate.model.identity, self.catalogue.fetched)
        elif not attempt.price_cap and not candidate.price_cap:
            self._remember_price_cap(candidate.account.scope, False)
            for gone in self._gone_streak:
                self.state.health.of(gone.model.identity).gone = None

    def _hold(self, scope: str, now: float) -> None:
        """It looks as if an account were at its limit: none of its models is asked for a moment, each time a longer one. An answer to
        somebody else may prove it wrong meanwhile."""
        self._holds += 1
        pause = min(LONGEST_HOLD, self.policy.backoff_base * 2.0 ** (self._holds - 1))
        for other in self.candidates.all:
            if other.account.scope == scope:
                other.not_before = max(other.not_before, now + pause)

    def _account_failed(self, scope: str) -> None:
        faults = self.candidates.account_faults
        faults[scope] = faults.get(scope, 0) + 1

    def _remember_price_cap(self, scope: str, understood: bool) -> None:
        if self.state.price_caps.get(scope) is not understood:
            self.state.price_caps[scope] = understood
            self.state.health.touched.add(f"g|{scope}")

    def _plainer(self, candidate: Candidate, attempt: Attempt, now: float) -> bool:
        """Whether it can serve the need without what it has just proved to lack, and would be asked differently."""
        health = self.state.health.of(candidate.model.identity)
        if (
            candidate.plainer >= PLAINER
            or ready(candidate.model, self.need, self.policy, health, now) is not None
        ):
            return False
        told = replace(attempt, lacks=health.lacks_at(now))
        sent, changed = (
            build_body(
                self.request,
                a.known,
                a.account,
                stream=True,
                price_cap=a.price_cap,
                prefill=a.resumes,
            )[0]
            for a in (attempt, told)
        )
        return sent != changed

    def _only_larger(self, candidate: Candidate, fault: Fault) -> None:
        """On a context error only larger windows follow (strands#2256)."""
        known = fault.context if fault.context is not None else candidate.model.context
        for other in self.candidates.all:
            if other.model.listed and other.model.context <= known:
                other.out = True

    def _gone(self, candidate: Candidate, attempt: Attempt, fault: Fault) -> None:
        """A model is gone; the second in a row is first suspected to be the price cap's doing."""
        scope = candidate.account.scope
        if (
            not fault.effect.unexplained
        ):  # it was said why; only a bare "no endpoints" could be the price cap's doing
            candidate.out = True
            self.state.health.gone(candidate.model.identity, self.catalogue.fetched)
            return
        self._gone_streak.append(candidate)
        suspected = (
            attempt.price_cap
            and candidate.account.dialect == "openrouter"
            and scope not in self.state.price_caps
            and not self.policy.allow_paid
            and len(self._gone_streak) == 2
        )
        if suspected:
            candidate.price_cap = False
            candidate.tries -= 1
            candidate.not_before = 0.0
            self.candidates.put_first(candidate)
            return
        candidate.out = True
        if len(self._gone_streak) >= 2 and not attempt.price_cap:
            self._remember_price_cap(
                scope, True
            )  # gone with and without: the price cap is innocent
        for gone in self._gone_streak:
            self.state.health.gone(gone.model.identity, self.catalogue.fetched)
