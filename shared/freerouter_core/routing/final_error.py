"""When a request has failed for good, and with which error.

Only proof ends a request early (law 11): while there is time and a candidate that may be asked, it
goes on. Proof is that no further model would change anything, because two of them agree, or because
nobody else is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..catalogue.model import Model
from ..errors import (
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    NoCandidates,
    Refused,
    StreamBroken,
)
from ..wire.answer import Answer
from ..wire.fault import Fault, Kind
from .candidates import Candidate, Candidates
from .fit import TOO_LONG, quality_of
from .health_book import HealthBook
from .journal import Journal
from .plan import Plan
from .steps import Attempt

GUARDED_MODELS = 4
"""Models whose answers guards must reject before that is taken for the prompt's fault."""
AGREEING_MODELS = 2
"""Models that must agree on any other refusal."""
NAMED_REASONS = 4
"""Models whose reasons `NoCandidates` spells out."""
Faults = Sequence[tuple[Candidate, Fault]]


def final_error(
    plan: Plan,
    candidates: Candidates,
    journal: Journal,
    faults: Faults,
    *,
    now: float,
    exhausted: bool,
    rejected: Answer | None = None,
) -> FreeRouterError | None:
    """The error that a request must end with now; None while there is hope.

    `exhausted`: it may make no more attempts. `rejected`: the last whole answer that was not
    accepted.
    """
    if not candidates.all:
        return _no_candidates(plan, candidates)
    decided = _decided(faults, candidates, journal)
    if decided is not None:
        return decided
    if not exhausted and _somebody_returns(candidates, now):
        return None
    if faults and faults[-1][1].effect.by_guard:
        candidate, fault = faults[-1]
        return Refused(
            fault.message, model=candidate.model.id, hint=fault.hint, attempts=journal.attempts
        )
    error = _exhausted(candidates, journal, faults, now)
    if isinstance(error, Exhausted):
        error.answer = rejected
    return error


def deadline_exceeded(journal: Journal, plan: Plan) -> DeadlineExceeded:
    """The error of a request whose deadline has passed. It names the caller's own timeout."""
    seconds = (plan.deadline or journal.started) - journal.started
    what = "first token" if plan.stream and plan.run_guards is None else "answer"
    return DeadlineExceeded(
        f"no {what} within {seconds:g} s",
        model=journal.tries[-1].model if journal.tries else None,
        attempts=journal.attempts,
    )


def stream_broken(
    journal: Journal, attempt: Attempt, fault: Fault, after: FreeRouterError | None = None
) -> StreamBroken:
    """The error of a stream that failed after text was shown; the driver adds the text.

    `after`: why no other model could continue it.
    """
    return StreamBroken(
        f"the stream of {attempt.model.id} broke: {fault.message or fault.cause}"
        + (f"; and nobody could continue it: {after.message}" if after is not None else ""),
        hint=fault.hint or None,
        status_code=fault.status,
        model=attempt.model.id,
        should_retry=fault.kind.passing or fault.until is not None,
        attempts=journal.attempts,
    )


# -- no model to ask ----------------------------------------------------------------------------


def _no_candidates(plan: Plan, candidates: Candidates) -> FreeRouterError:
    reasons = set(candidates.skipped.values())
    if reasons and all(reason.startswith(TOO_LONG) for reason in reasons):
        return ContextTooLong("the prompt fits no free model's context window")
    skipped = list(candidates.skipped.items())
    detail = "; ".join(f"{name}: {reason}" for name, reason in skipped[:NAMED_REASONS])
    more = len(skipped) - NAMED_REASONS
    if more > 0:
        detail += f"; and {more} more"
    return NoCandidates(
        "no model can do what was asked for" + (f" [{detail}]" if detail else ""),
        skipped=candidates.skipped,
        hint=_nearest(plan, candidates.book),
    )


def _nearest(plan: Plan, book: HealthBook) -> str | None:
    """The model that comes nearest to each threshold that was set."""
    policy = plan.policy
    models = [m for m in plan.catalogue if m.chat and m.free and m.provider in plan.accounts]
    if not models:
        return None

    def nearest(measure: Callable[[Model], float], description: str) -> str:
        model = max(models, key=measure)
        return f"the nearest, {model.id}, has {description.format(abs(measure(model)))}"

    hints = []
    if policy.min_quality:
        hints.append(nearest(lambda m: quality_of(m, policy), "a quality prior of {:.1f}"))
    if policy.min_safety:
        hints.append(nearest(lambda m: book.of(m.identity).safety, "a safety score of {:.1f}"))
    if policy.min_context:
        hints.append(nearest(lambda m: m.context, "{:,.0f} tokens of context"))
    if policy.max_latency is not None:
        hints.append(
            nearest(lambda m: -book.of(m.identity).first_token, "its first token after {:.1f} s")
        )
    return "; ".join(hints) or None


# -- no further model would help ----------------------------------------------------------------

_REFUSALS: tuple[tuple[Kind, type[BadRequest | Refused]], ...] = (
    (Kind.FATAL, BadRequest),
    (Kind.UNFIT, BadRequest),
    (Kind.REFUSED, Refused),
)
"""The kinds of faults that can be proof, and the error of each."""


def _decided(faults: Faults, candidates: Candidates, journal: Journal) -> FreeRouterError | None:
    """The error that no further model would change; None: nothing is proved."""
    alone = all(candidate.out for candidate in candidates.all)
    for kind, error in _REFUSALS:
        proof = _proof(kind, faults, alone=alone)
        if proof is not None:
            candidate, fault = proof
            return error(
                fault.message or "the request was refused",
                hint=fault.hint or None,
                status_code=fault.status,
                model=candidate.model.id,
                attempts=journal.attempts,
            )
    if alone and faults and all(fault.effect.too_long for _, fault in faults):
        candidate, fault = faults[-1]
        return ContextTooLong(
            fault.message or "the prompt is too long for every candidate",
            status_code=fault.status,
            model=candidate.model.id,
            attempts=journal.attempts,
        )
    return None


def _proof(kind: Kind, faults: Faults, *, alone: bool) -> tuple[Candidate, Fault] | None:
    """The last fault of that kind, if there is proof enough. `alone`: nobody else is left."""
    refusals = [
        (candidate, fault)
        for candidate, fault in faults
        if fault.kind is kind and (kind is not Kind.UNFIT or fault.effect.wrong_request)
    ]
    if not refusals:
        return None
    models = {candidate.model.id for candidate, _ in refusals}
    by_guards = all(fault.effect.by_guard for _, fault in refusals)
    enough = GUARDED_MODELS if by_guards else AGREEING_MODELS
    if kind is Kind.FATAL or alone or len(models) >= enough:
        return refusals[-1]
    return None


# -- everybody failed ---------------------------------------------------------------------------


def _somebody_returns(candidates: Candidates, now: float) -> bool:
    """Whether a candidate can be asked again, now or later. One with a refused key never can."""
    if not any(map(candidates.alive, candidates.all)):
        return False
    turn = candidates.next(now)
    return turn.candidate is not None or turn.until is not None


def _exhausted(
    candidates: Candidates, journal: Journal, faults: Faults, now: float
) -> FreeRouterError:
    last = faults[-1] if faults else None
    model = last[0].model.id if last else None
    if _all_keys_refused(candidates):
        return AuthenticationFailed(
            _with_last("every key was refused", last),
            status_code=401,
            model=model,
            attempts=journal.attempts,
        )
    returns = candidates.returns(now)
    retry_after = max(0.0, returns - now) if returns is not None else None
    waiting = not faults
    passing = waiting or any(f.kind.passing or f.until is not None for _, f in faults)
    limited = waiting or all(f.status == 429 or f.effect.limit == "account" for _, f in faults)
    return Exhausted(
        _with_last(f"all {len(candidates.all)} candidates are waiting or have failed", last),
        retry_after=retry_after,
        hint=_hint(faults, retry_after, passing=passing),
        status_code=last[1].status if last else 429,
        model=model,
        rate_limited=limited,
        should_retry=passing,
        attempts=journal.attempts,
    )


def _all_keys_refused(candidates: Candidates) -> bool:
    benches = [candidates.book.accounts.get(c.account.scope) for c in candidates.all]
    return bool(benches) and all(b is not None and b.cause.effect.key_refused for b in benches)


def _hint(faults: Faults, retry_after: float | None, *, passing: bool) -> str:
    hints = [fault.hint for _, fault in reversed(faults) if fault.hint][:1]
    if retry_after:
        hints.append(f"the earliest candidate returns in {retry_after:.0f} s")
    if hints:
        return "; ".join(hints)
    if passing:
        return "wait a little, or add a provider"
    return "choose another model, or let any follow it"


def _with_last(what: str, last: tuple[Candidate, Fault] | None) -> str:
    """The message, with the last fault."""
    if last is None:
        return what
    candidate, fault = last
    message = f" ({fault.message})" if fault.message else ""
    return f"{what}; the last, {candidate.model.id}: {fault.cause}{message}"
