"""`Doubts`: what a request does about refusals of an account that answered lately.

`disturbance` says when such refusals are believed. Until then no model is gone, no key is refused
and no request is to blame: the models stay candidates, and the request waits for the next look.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ..wire.fault import Cause, Fault, Kind
from ..wire.remedies import remedy
from .account_benches import LATELY, AccountBenches
from .candidate import Candidate
from .candidates import Candidates
from .disturbance import ENOUGH_MODELS, Disturbance, hold
from .plan import Plan
from .proof import of_request
from .state import RoutingState
from .suspicion import speaks_of

LONE_LOOKS = 2
"""Looks after which a request is to blame that alone is refused."""
IN_A_ROW = 2
"""Refusals of a key in a row from which on everybody is held: one may be chance."""


class Doubts:
    """Those of one request. `faults`: its failures, the last of them the newest."""

    def __init__(
        self,
        plan: Plan,
        state: RoutingState,
        candidates: Candidates,
        faults: list[tuple[Candidate, Fault]],
        rng: Random,
    ) -> None:
        self._plan, self._state, self._candidates = plan, state, candidates
        self._faults, self._rng = faults, rng
        disturbances = state.health.accounts.disturbances
        disturbances.requests += 1
        self._number = disturbances.requests
        self._doubted: dict[int, Fault] = {}
        """The refusals that are doubted, by their place among the faults."""
        self.open = False
        """Whether the last fault is doubted: then it is no proof of anything, yet."""
        self._looks: dict[str, int] = {}
        """Looks of this request alone, by account."""
        self._held: set[str] = set()
        """Accounts that it has waited for."""
        self._since: dict[str, float] = {}
        """When the first refusal of each account came."""

    @property
    def _accounts(self) -> AccountBenches:
        return self._state.health.accounts

    def take(self, candidate: Candidate, fault: Fault, now: float, sent: float) -> bool:
        """Whether the last fault is dealt with: it is only a disturbance, so far, or about how this
        request asks."""
        self.open = False
        if self._refuses_way(candidate, fault, now):
            self._learn_way(candidate, fault, now)
            return True
        return self._is_disturbed(candidate, fault, now, sent)

    def _is_disturbed(self, candidate: Candidate, fault: Fault, now: float, sent: float) -> bool:
        scope, model = candidate.account.scope, candidate.model.wire_name
        if not (
            fault.effect.of_gateway
            and not (fault.names_part and fault.cause is Cause.BAD_REQUEST)
            and self._accounts.worked_lately(scope, now)
            and not speaks_of(model, fault.message)
            and (fault.effect.key_refused or self._like_answered(candidate, fault, now))
        ):
            return False
        if fault.cause is Cause.BAD_REQUEST and (
            self._may_ask_elsewhere(scope) or self._refused_elsewhere(scope)
        ):
            return False  # what other accounts say tells more
        self._doubted[len(self._faults) - 1] = fault
        self.open = True
        since, worked = self._since.setdefault(scope, now), self._accounts.worked[scope]
        own = fault.cause in (Cause.BAD_REQUEST, Cause.GONE)
        if own and scope in self._held and worked > since and not self._did_since(candidate, fault):
            self._give_up(scope)  # others were answered meanwhile
            return False
        found = self._accounts.disturbances.refused(
            scope, model, fault, now, request=self._number, sent=sent, worked=worked
        )
        if found.lasts(now):
            return self._believe(candidate, fault, now)
        if self._holds_everybody(candidate, fault, found):
            self._state.health.account_disturbed(scope, now, sent, self._rng)
        elif not self._accounts.is_disturbed(scope):
            if not own or not self._is_all(candidate, found, now):
                return False
            looks = self._looks.get(scope, 0)
            if looks >= LONE_LOOKS:
                self._give_up(scope)
                return False
            self._looks[scope] = looks + 1
            self._pause(scope, now + hold(looks))
        self._wait(candidate, fault, found, now)
        return True

    # -- who is held ------------------------------------------------------------------------------

    def _like_answered(self, candidate: Candidate, fault: Fault, now: float) -> bool:
        """Whether the account lately answered what is made as this request. A refusal of
        everything says nothing of that."""
        if fault.cause is Cause.FORBIDDEN:
            return True
        scope, likeness = candidate.account.scope, self._plan.likeness
        answered = self._accounts.disturbances.last_answer(scope, likeness)
        return now - answered <= LATELY

    def _did_since(self, candidate: Candidate, fault: Fault) -> bool:
        """Whether a model that seems gone has answered others since it was refused first."""
        scope, model = candidate.account.scope, candidate.model.wire_name
        answered = self._accounts.disturbances.last_answer(scope, self._plan.likeness, model)
        return fault.cause is Cause.GONE and answered > self._since[scope]

    def _holds_everybody(self, candidate: Candidate, fault: Fault, found: Disturbance) -> bool:
        several = len(found.requests) > 1
        if fault.cause is not Cause.BAD_REQUEST:
            several = several or found.row >= IN_A_ROW
        if fault.effect.key_refused or not several:
            return several
        return len(found.models) >= ENOUGH_MODELS or not self._others_listed(candidate, found)

    def _others_listed(self, candidate: Candidate, found: Disturbance) -> bool:
        """Whether the account has models that were not refused."""
        mode, account = self._plan.need.mode, candidate.account
        return any(
            model.provider == account.provider
            and model.mode == mode
            and model.free
            and (model.chat or mode != "chat")
            and model.wire_name not in found.models
            and self._state.health.of(model.identity).gone is None
            for model in self._plan.catalogue
        )

    def _is_all(self, candidate: Candidate, found: Disturbance, now: float) -> bool:
        """Whether this request has nobody else to ask, or asked enough; and each that it may ask
        answered others of its likeness, if they are few."""
        if len(found.models) >= ENOUGH_MODELS or not self._others_listed(candidate, found):
            return True
        scope, likeness = candidate.account.scope, self._plan.likeness
        answered = self._accounts.disturbances.last_answer
        return all(
            other.model.wire_name in found.models
            and now - answered(scope, likeness, other.model.wire_name) <= LATELY
            for other in self._candidates.all
            if other.account.scope == scope
        )

    def _may_ask_elsewhere(self, scope: str) -> bool:
        """Whether another account may still be asked."""
        return any(
            other.account.scope != scope and self._candidates.alive(other)
            for other in self._candidates.all
        )

    def _refused_elsewhere(self, scope: str) -> bool:
        """Whether another account refused the request, too: so it is to blame (law 11)."""
        return any(
            asked.account.scope != scope and of_request(fault) for asked, fault in self._faults
        )

    # -- a way of asking --------------------------------------------------------------------------

    def _refuses_way(self, candidate: Candidate, fault: Fault, now: float) -> bool:
        """Whether "not found" is an answer to how the request asks, and not about the model: the
        account answered others lately, and nobody who asked for this."""
        scope, plan = candidate.account.scope, self._plan
        return (
            fault.cause is Cause.GONE
            and bool(plan.need.ways)
            and self._accounts.worked_lately(scope, now)
            and not speaks_of(candidate.model.wire_name, fault.message)
            and not self._like_answered(candidate, fault, now)
        )

    def _learn_way(self, candidate: Candidate, fault: Fault, now: float) -> None:
        """The model does not do it, and is not gone."""
        book, ways = self._state.health, self._plan.need.ways
        book.usage.failed(candidate.model.identity, now, fault)
        book.called_off(candidate.model.identity)
        book.crowds.let_in(candidate.key)
        for way in ways:
            book.failed_way(candidate.model.identity, way, now)
        candidate.out = True
        self._candidates.kinship.refused(candidate.model, candidate.account)
        hint = f"ask {candidate.account.provider} without {' and '.join(ways)}, or add a provider"
        self._faults[-1] = (candidate, replace(fault, hint=hint))

    # -- waiting ----------------------------------------------------------------------------------

    def _wait(self, candidate: Candidate, fault: Fault, found: Disturbance, now: float) -> None:
        """The models stay candidates, and nothing is learnt of them."""
        book, account = self._state.health, candidate.account
        book.usage.failed(candidate.model.identity, now, fault)
        book.called_off(candidate.model.identity)
        book.crowds.let_in(candidate.key)
        self._candidates.kinship.failed(account)
        self._candidates.account_faults.pop(account.scope, None)
        candidate.turned_away += 1
        self._held.add(account.scope)
        cause = Cause.ACCOUNT_DISTURBED
        hint = remedy(cause, account)
        for n, doubted in self._doubted.items():
            asked = self._faults[n][0]
            if asked.account.scope == account.scope:
                disturbed = replace(doubted, kind=Kind.BUSY, cause=cause, hint=hint)
                self._faults[n] = (asked, disturbed)
                asked.out, asked.price_cap = False, True
        if fault.cause is Cause.GONE:
            provider, origin, _ = candidate.model.identity
            for name in found.models:
                book.reappeared((provider, origin, name))

    def _pause(self, scope: str, until: float) -> None:
        for other in self._candidates.all:
            if other.account.scope == scope:
                other.not_before = max(other.not_before, until)

    # -- believing --------------------------------------------------------------------------------

    def _believe(self, candidate: Candidate, fault: Fault, now: float) -> bool:
        """It has lasted: what is refused is refused. Models that only a disturbance would have
        spared are asked again, each by itself."""
        account, book = candidate.account, self._state.health
        book.account_believed(account.scope)
        self._give_up(account.scope)
        if fault.cause is Cause.FORBIDDEN:
            forbidden = replace(fault, kind=Kind.ACCOUNT, cause=Cause.ACCOUNT_FORBIDDEN)
            book.account_refused(account.scope, forbidden, now, self._rng, proved=True)
        return False

    def _give_up(self, scope: str) -> None:
        """The refusals are what they say."""
        self.open = False
        for n, fault in self._doubted.items():
            asked = self._faults[n][0]
            if asked.account.scope == scope:
                self._faults[n] = (asked, fault)
                asked.out = asked.out or fault.kind in (Kind.UNFIT, Kind.GONE)
