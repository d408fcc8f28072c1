"""Who would be asked now, who waits and for what, and who is no candidate and why: what `health` and `explain` tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..catalogue.model import Catalogue, Model
from ..reports.data import Candidacy
from ..routing.candidates import Field, explain
from ..routing.health import Health
from ..routing.limits import charges_of
from ..routing.need import Need, Policy
from .resolve import Resolved

if TYPE_CHECKING:
    from ..runtime.runtime import Runtime


async def candidacies(
    runtime: Runtime, catalogue: Catalogue, resolved: Resolved, need: Need, policy: Policy
) -> list[Candidacy]:
    """The candidates in the order they would be asked, by means in place of samples, then the others."""
    now, book, accounts = runtime.clock.now(), runtime.state.health, resolved.accounts
    turn, prices = runtime.state.requests + 1, runtime.ledger.prices(accounts.values())
    field = Field.of(catalogue, accounts, need, policy, book, now, None, turn, prices)
    blank = Health(first_token=book.pool.first_token, speed=book.pool.speed)
    charges = {c.model.key: charges_of(c.account, c.model) for c in field.candidates}
    free = await runtime.ledger.free_at(
        dict.fromkeys(one for found in charges.values() for one in found)
    )
    rows = []
    for candidate, state, until in explain(field.candidates, book, now):
        spent = max(
            (free.get(charge.key, 0.0) for charge in charges[candidate.model.key]), default=0.0
        )
        if spent == math.inf:
            rows.append(Candidacy(candidate.model, "its limit allows none"))
            continue
        if spent > (until or now):
            state, until = "its limit is spent", spent
        known = book.models.get(candidate.model.key)
        believed = known or blank
        back = None if until is None else until - now
        chance, seconds = believed.odds(now)[0], believed.expected(book.size)
        rows.append(Candidacy(candidate.model, None, state, back, known, chance, seconds))
    by_id = {model.id: model for model in catalogue}
    for name, reason in field.skipped.items():
        rows.append(Candidacy(by_id.get(name) or Model(name, listed=False), reason))
    return rows
