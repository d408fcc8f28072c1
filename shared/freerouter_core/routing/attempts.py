"""`new_attempt`: what one candidate is asked with, and how long it may be silent. `understood`:
what its fault is, by who was asked."""

from __future__ import annotations

from dataclasses import replace

from ..wire.fault import Cause, Fault, Kind
from ..wire.redact import redact_fault
from ..wire.remedies import remedy
from ..wire.stated_limit import of_requests_a_minute
from ..wire.structured import FORMATS
from .adaptive_limits import limits_each_model
from .candidate import Candidate
from .fit import forces_calls
from .part_doubts import checked_part
from .plan import Plan
from .plausible import checked_length, checked_value
from .state import RoutingState
from .steps import Attempt
from .suspicion import names_model, speaks_of
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
    lacks = record.lacks_at(now) | form_lacks(record.ways, now) | candidate.forgoes
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


def understood(fault: Fault, attempt: Attempt, plan: Plan, state: RoutingState) -> Fault:
    """The fault as it is told: without keys, and with what the owner of the account can do. What
    cannot be true of the request, or may be an accident, is not believed; see `plausible` and
    `part_doubts`.

    A refusal of the key that speaks of the model may be of the model alone. An account without a
    key has none that could be refused: it is at a limit for such accounts. A limit is the model's
    if the refusal names the model; so is a full minute, where each model has a limit of the minute
    and the account has none. Who refuses the plainer format takes the stronger one no more. Who
    could not be made to call, and did not, has not failed at it.
    """
    account, model = attempt.account, attempt.model.wire_name
    fault = redact_fault(fault, account)
    if attempt.form == "json_object" and fault.lacks & FORMATS:
        fault = replace(fault, lacks=fault.lacks | FORMATS)
    if fault.cause is Cause.NO_TOOL_CALL and not forces_calls(attempt.known, None, 0.0):
        fault = replace(fault, teaches=False)
    fault = checked_length(fault, attempt.model, plan.need)
    fault = checked_value(fault, plan.request)
    fault = checked_part(fault, attempt.model.identity, plan, state.health)
    if fault.effect.key_refused and speaks_of(model, fault.message):
        fault = replace(fault, kind=Kind.BUSY, cause=Cause.FORBIDDEN, teaches=True)
    elif fault.effect.key_refused and not account.key and not account.local:
        fault = replace(fault, cause=Cause.ANONYMOUS_LIMIT)
    elif fault.cause in _LIMITS_OF_MODELS and names_model(model, fault.message):
        fault = replace(fault, kind=Kind.BUSY, cause=_LIMITS_OF_MODELS[fault.cause])
    elif (
        fault.cause is Cause.AMBIGUOUS_429
        and limits_each_model(account)
        and of_requests_a_minute(fault.message)
    ):
        fault = replace(fault, cause=Cause.MODEL_MINUTE, teaches=False)
    return fault if fault.hint else replace(fault, hint=remedy(fault.cause, account))


_LIMITS_OF_MODELS = {
    Cause.ACCOUNT_MINUTE: Cause.MODEL_MINUTE,
    Cause.ACCOUNT_DAY: Cause.MODEL_DAY,
    Cause.ACCOUNT_WINDOW: Cause.MODEL_LIMIT,
    Cause.ACCOUNT_WEEK: Cause.MODEL_LIMIT,
    Cause.ACCOUNT_MONTH: Cause.MODEL_LIMIT,
}
"""What a limit is if it is a model's own."""
