"""When a request has failed for good, and with which error.

Only proof ends a request early (law 11): while there is time and a candidate that may be asked, it
goes on. `proof` says what is proof. Every error lists all refusals, and says what can be done about
each, by provider.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..catalogue.durations import until_words
from ..catalogue.model import Model
from ..catalogue.providers import Account
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
from ..wire.fault import Cause, Fault, Kind
from .account_benches import LATELY
from .candidates import Candidates
from .disturbance import Disturbance
from .fit import NO_LOGPROBS, TOO_LONG, quality_of
from .health_book import HealthBook
from .journal import Journal
from .plan import Plan
from .proof import Faults, enough, of_request, proved
from .refusals import Waiting, hints_of, tell
from .steps import Attempt
from .waits import models_resting, told

LONG_WAIT = 3_600.0
"""Seconds from which on nobody is advised to wait."""
REFUSED_HINT = "correct the request; the message has the words of those who refused it"
"""The hint of a `BadRequest` that models raised, where no fault has a better one."""
NAMED_REASONS = 4
"""Models whose reasons `NoCandidates` spells out."""


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
        return None if candidates.pending else _no_candidates(plan, candidates)
    decided = _decided(plan, faults, candidates, journal, now, exhausted=exhausted)
    if decided is not None:
        return decided
    if not exhausted and _somebody_returns(candidates, now):
        return None
    error = _exhausted(plan, candidates, journal, faults, now)
    if isinstance(error, Exhausted):
        error.answer = rejected
    return error


def deadline_exceeded(journal: Journal, plan: Plan) -> DeadlineExceeded:
    """The error of a request whose deadline has passed. It names the caller's own timeout."""
    seconds = (plan.deadline or journal.started) - journal.started
    what = "first token" if plan.stream and plan.run_guards is None else "answer"
    refusals = tell(journal.failures)
    return DeadlineExceeded(
        f"no {what} within {seconds:g} s" + (f": {refusals}" if refusals else ""),
        hint="; ".join(hints_of(journal.failures)) or None,
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
    if NO_LOGPROBS in reasons:
        return BadRequest("no free model gives logprobs", hint="leave logprobs out")
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


def _decided(
    plan: Plan,
    faults: Faults,
    candidates: Candidates,
    journal: Journal,
    now: float,
    *,
    exhausted: bool,
) -> FreeRouterError | None:
    """The error of a request that is itself at fault; None: that is not proved."""
    if not faults:
        return None
    alive = [candidate for candidate in candidates.all if not candidate.out]
    nobody = not alive and not candidates.pending
    certain = proved(faults) or enough(faults, alive)
    guarded = exhausted and faults[-1][1].effect.by_guard
    if not (nobody or certain or guarded):
        return None
    last = faults[-1][0].model.id
    refused = [fault for _, fault in faults if of_request(fault)]
    if refused and not (nobody and any(fault.kind.passing for _, fault in faults)):
        contents = [fault for fault in refused if fault.kind is Kind.REFUSED]
        kind = Refused if contents else BadRequest
        fault = (contents or refused)[-1]
        alone = len({candidate.model.identity for candidate, _ in faults}) == 1
        return kind(
            fault.message if alone and fault.message else tell(faults),
            hint=fault.hint or (None if contents else _refused_hint(plan, faults, candidates, now)),
            status_code=fault.status,
            model=last,
            attempts=journal.attempts,
        )
    if nobody and all(fault.effect.too_long for _, fault in faults):
        fault = faults[-1][1]
        return ContextTooLong(
            fault.message or "the prompt is too long for every candidate",
            hint=fault.hint or None,
            status_code=fault.status,
            model=last,
            attempts=journal.attempts,
        )
    return None


def _refused_hint(plan: Plan, faults: Faults, candidates: Candidates, now: float) -> str:
    """What to do about a request that was refused. One account alone may be at fault, if it lately
    answered what is made alike (law 11)."""
    accounts = {candidate.account.scope: candidate.account for candidate, _ in faults}
    (scope, account), *others = accounts.items()
    answered = candidates.book.accounts.disturbances.last_answer(scope, plan.likeness)
    if others or now - answered > LATELY:
        return REFUSED_HINT
    return (
        f"{REFUSED_HINT}. {account.provider} answered others like it, the last"
        f" {now - answered:.0f} s ago: if the request is right, ask again or add a provider"
    )


# -- everybody failed ---------------------------------------------------------------------------


def _somebody_returns(candidates: Candidates, now: float) -> bool:
    """Whether a candidate can be asked again, now or later. One with a refused key never can."""
    if candidates.pending:
        return True
    if not any(map(candidates.alive, candidates.all)):
        return False
    turn = candidates.next(now)
    return turn.candidate is not None or turn.until is not None


def _exhausted(
    plan: Plan, candidates: Candidates, journal: Journal, faults: Faults, now: float
) -> FreeRouterError:
    last = faults[-1] if faults else None
    model = last[0].model.id if last else None
    benched = _waiting(candidates, now)
    hints = hints_of(faults, benched)
    disturbed = _disturbed(candidates)
    if _all_keys_refused(candidates, faults, now):
        if not faults:
            hints.append("once it is mended, router.reset() asks at once")
        return AuthenticationFailed(
            f"every key was refused: {tell(faults, benched)}",
            hint="; ".join(hints) or None,
            status_code=(last[1].status if last else None) or 401,
            model=model,
            attempts=journal.attempts,
        )
    if not faults and candidates.waits:
        return _line_too_long(plan, candidates, journal, now)
    returns = candidates.returns(now)
    retry_after = max(0.0, returns - now) if returns is not None else None
    waiting = not faults
    passing = waiting or any(
        f.kind.passing or f.until is not None or f.cause is Cause.GATEWAY_FORBIDS for _, f in faults
    )
    limited = all(f.status == 429 or f.effect.limit == "account" for _, f in faults)
    limited = limited and not disturbed
    if retry_after:
        hints.append(f"the earliest candidate returns {until_words(now + retry_after, now)}")
    number = len(candidates.all)
    who = (
        "the only candidate is waiting or has failed"
        if number == 1
        else f"all {number} candidates are waiting or have failed"
    )
    wait = "it waits" if number == 1 else "each of them waits"
    known = [found.told(account.provider, now) for account, found in disturbed]
    refusals = tell(faults, [] if known else benched)
    if not (refusals or known):
        refusals = models_resting(candidates.all, candidates.book, now) or wait
    statuses = [found.status for _, found in disturbed]
    return Exhausted(
        f"{who}: {'; '.join(filter(None, [*known, refusals]))}",
        retry_after=retry_after,
        hint="; ".join(hints)
        or (
            "wait a little, or add a provider"
            if passing
            else "choose another model, or let any follow it"
        ),
        status_code=last[1].status if last else statuses[-1] if statuses else 429,
        model=model,
        rate_limited=limited,
        should_retry=passing,
        attempts=journal.attempts,
    )


def _line_too_long(plan: Plan, candidates: Candidates, journal: Journal, now: float) -> Exhausted:
    """Nothing was sent: the request's own limits have no room before it must be answered."""
    wait = min(candidates.waits.values(), key=lambda wait: wait.ends)
    returns = candidates.returns(now)
    bound, option = "", "timeout=…"
    if plan.max_wait is not None:
        option = "max_wait=…"
        bound = _later_than("max_wait", plan.max_wait, wait.ends, journal.started, now)
    elif plan.deadline is not None:
        seconds = plan.deadline - journal.started
        bound = _later_than("timeout", seconds, wait.ends, journal.started, now)
    longer = "" if wait.ends - now > LONG_WAIT else f"allow a longer wait with {option}, "
    return Exhausted(
        told(wait, now) + bound * (wait.ends < math.inf),
        retry_after=None if returns in (None, math.inf) else max(0.0, returns - now),
        hint=f"{longer}add a provider, or leave the waiting to a job: router.bulk(…); "
        "router.quota() shows limits and lines",
        status_code=429,
        rate_limited=True,
        should_retry=True,
        attempts=journal.attempts,
    )


def _later_than(option: str, seconds: float, ends: float, started: float, now: float) -> str:
    """Why a wait that ends then is too long. The bound counts from the beginning."""
    if ends - now >= seconds:
        return f", which is later than {option}={seconds:g} s allows"
    return f", and {min(now - started, seconds):.0f} s of {option}={seconds:g} s are over"


def _all_keys_refused(candidates: Candidates, faults: Faults, now: float) -> bool:
    """Whether every account has refused its key, now or lately."""
    forbidden = {
        candidate.account.scope
        for candidate, fault in faults
        if fault.cause is Cause.FORBIDDEN
        and not candidates.book.accounts.worked_lately(candidate.account.scope, now)
    }
    others = {
        candidate.account.scope for candidate, fault in faults if fault.cause is not Cause.FORBIDDEN
    }
    refused = {
        candidate.account.scope
        for candidate in candidates.all
        if (bench := candidates.book.accounts.get(candidate.account.scope)) is not None
        and bench.until > now
        and bench.cause.effect.key_refused
        and (bench.firm or not candidates.book.accounts.worked_lately(candidate.account.scope, now))
    }
    scopes = {candidate.account.scope for candidate in candidates.all}
    return bool(scopes) and scopes <= refused | (forbidden - others)


def _disturbed(candidates: Candidates) -> list[tuple[Account, Disturbance]]:
    """The accounts that refuse everything alike, or this request, although they answered lately."""
    accounts = {candidate.account.scope: candidate.account for candidate in candidates.all}
    book = candidates.book.accounts
    found = (
        (account, book.disturbances.of(scope))
        for scope, account in accounts.items()
        if book.is_disturbed(scope)
    )
    return [(account, one) for account, one in found if one is not None]


def _waiting(candidates: Candidates, now: float) -> Waiting:
    """The accounts that are benched now, and their benches."""
    accounts = {candidate.account.scope: candidate.account for candidate in candidates.all}
    benches = ((accounts[scope], candidates.book.accounts.get(scope)) for scope in accounts)
    return [(account, bench) for account, bench in benches if bench and bench.until > now]
