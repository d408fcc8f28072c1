"""The status of every model for a request: what `Router.health` and `Router.explain` report."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..catalogue.model import Catalogue, Model, ModelIdentity
from ..reports import Candidacy
from ..routing.candidate import Candidate
from ..routing.candidates import Candidates
from ..routing.need import Need
from ..routing.policy import Policy
from ..routing.situation import Situation
from ..routing.standing import explain
from ..runtime.runtime import Runtime
from .resolve import Resolved


async def model_statuses(
    runtime: Runtime, catalogue: Catalogue, resolved: Resolved, need: Need, policy: Policy
) -> list[Candidacy]:
    """The candidates in the order they would be asked, then the other models.

    The order is that of a request, with means in place of samples.
    """
    now, book, accounts = runtime.clock.now(), runtime.state.health, resolved.accounts
    situation = Situation(
        need=need,
        policy=policy,
        book=book,
        now=now,
        turn=runtime.state.requests + 1,
        congestion=runtime.congestion(accounts.values()),
    )
    candidates = Candidates.of(catalogue, accounts, situation)
    free_at = await _free_at(runtime, candidates.all)
    rows = [
        _candidacy(candidate, state, until, free_at[candidate.model.identity], situation)
        for candidate, state, until in explain(candidates.all, book, now)
    ]
    by_id = {model.id: model for model in catalogue}
    for name, reason in candidates.skipped.items():
        model = by_id.get(name) or Model(name, listed=False)
        rows.append(Candidacy(model=model, reason=reason))
    return rows


async def _free_at(runtime: Runtime, candidates: list[Candidate]) -> Mapping[ModelIdentity, float]:
    """By model, when all its limits allow a request (unix seconds). Asks the store once."""
    charges = dict.fromkeys(charge for candidate in candidates for charge in candidate.charges)
    by_window = await runtime.ledger.free_at(charges)
    return {
        candidate.model.identity: max(
            (by_window.get(charge.window, 0.0) for charge in candidate.charges), default=0.0
        )
        for candidate in candidates
    }


def _candidacy(
    candidate: Candidate,
    state: str,
    until: float | None,
    free_at: float,
    situation: Situation,
) -> Candidacy:
    """`until`: when its bench ends. `free_at`: when its limits allow a request."""
    model, book, now = candidate.model, situation.book, situation.now
    if free_at == math.inf:
        return Candidacy(model=model, reason="its limit allows none")
    if free_at > (until or now):
        state, until = "its limit is spent", free_at
    health = book.models.get(model.identity)
    believed = health or book.blank()
    return Candidacy(
        model=model,
        reason=None,
        state=state,
        returns=None if until is None else until - now,
        seen=now,
        health=health,
        chance=believed.odds(now)[0] * believed.way_chance(situation.need.ways, now),
        seconds=believed.expected(book.pool.size_of(situation.need.way).mean),
    )
