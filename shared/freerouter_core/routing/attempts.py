"""`new_attempt`: what one candidate is asked with, and how long it may be silent."""

from __future__ import annotations

from dataclasses import replace

from .candidate import Candidate
from .plan import Plan
from .state import RoutingState
from .steps import Attempt
from .timeouts import quiet_timeout, soft_timeout, stall_timeout
from .ways import form_lacks


def new_attempt(
    candidate: Candidate,
    plan: Plan,
    state: RoutingState,
    *,
    number: int,
    now: float,
    deadline: float | None,
    hedge: bool,
    resumes: str | None,
) -> Attempt:
    """The attempt at a candidate. `resumes`: the text of a broken stream that it continues."""
    model, account, book = candidate.model, candidate.account, state.health
    record = book.of(model.identity)
    lacks = record.lacks_at(now) | form_lacks(record.ways, now)
    known = replace(model, lacks=lacks) if lacks else model
    stall = stall_timeout(book, model)
    return Attempt(
        number=number,
        model=model,
        account=account,
        soft_timeout=soft_timeout(plan, book, model, now, deadline),
        stall_timeout=stall,
        quiet_timeout=quiet_timeout(plan, stall),
        price_cap=candidate.price_cap and state.price_caps.get(account.scope, True),
        hedge=hedge,
        resumes=resumes,
        lacks=lacks,
        form=plan.operation.form(known, account, prefill=resumes),
    )
