"""When a request has failed for good, and as which error. Pure, like all that decides."""

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
from ..wire.fault import Cause, Fault, Kind
from ..wire.judge import judge_answer, judge_rejection
from ..wire.rejection import embedded_rejection
from ..wire.request import ChatRequest
from ..wire.schema import schema_name
from ..wire.structured import read_structured
from .candidates import Candidate, Candidates
from .fit import quality_of
from .health import HealthBook
from .journal import Journal
from .plan import Plan
from .steps import Attempt, Judged, Ruling

GUARDED = 4
"""Models whose answers guards reject before it is taken for the prompt's doing."""
Faults = Sequence[tuple[Candidate, Fault]]


def final_error(
    plan: Plan,
    candidates: Candidates,
    book: HealthBook,
    journal: Journal,
    faults: Faults,
    now: float,
    *,
    exhausted: bool,
    rejected: Answer | None = None,
) -> FreeRouterError | None:
    """The error a request must end with now, or None while there is hope. `exhausted`: no attempt is left to it; `rejected`:
    the last answer that was whole and not accepted."""
    if not candidates.all:
        return _none(plan, candidates, book)
    decided = _decided(faults, candidates, journal)
    if decided is not None:
        return decided
    alive = [c for c in candidates.all if candidates.alive(c)]
    if alive and not exhausted and _returns(alive, candidates, book, now):
        return None
    if faults and faults[-1][1].effect.by_guard:
        candidate, fault = faults[-1]
        return Refused(
            fault.message, model=candidate.model.id, hint=fault.hint, attempts=journal.attempts
        )
    error = _exhausted(candidates, book, journal, faults, now)
    if isinstance(error, Exhausted):
        error.answer = rejected
    return error


def _returns(
    alive: Sequence[Candidate], candidates: Candidates, book: HealthBook, now: float
) -> bool:
    """Whether any of them will ever be asked again: a refused key never is."""
    turn = candidates.next(book, now)
    return turn.candidate is not None or turn.until is not None


def _none(plan: Plan, candidates: Candidates, book: HealthBook) -> FreeRouterError:
    reasons = set(candidates.skipped.values())
    if reasons and all(reason.startswith("context of") for reason in reasons):
        return ContextTooLong("the prompt fits no free model's context window")
    detail = "; ".join(f"{name}: {reason}" for name, reason in list(candidates.skipped.items())[:4])
    more = len(candidates.skipped) - 4
    return NoCandidates(
        "no model can do what was asked for"
        + (f" [{detail}{f'; and {more} more' if more > 0 else ''}]" if detail else ""),
        skipped=candidates.skipped,
        hint=_nearest(plan, book),
    )


def _nearest(plan: Plan, book: HealthBook) -> str | None:
    """Of each threshold that was set, who comes nearest to it."""
    policy = plan.policy
    models = [m for m in plan.catalogue if m.chat and m.free and m.provider in plan.accounts]
    if not models:
        return None

    def best(of: Callable[[Model], float], words: str) -> str:
        nearest = max(models, key=of)
        return f"the nearest, {nearest.id}, has {words.format(abs(of(nearest)))}"

    told = []
    if policy.min_quality:
        told.append(best(lambda m: quality_of(m, policy), "a quality prior of {:.1f}"))
    if policy.min_safety:
        told.append(best(lambda m: book.of(m.identity).safety, "a safety score of {:.1f}"))
    if policy.min_context:
        told.append(best(lambda m: m.context, "{:,.0f} tokens of context"))
    if policy.max_latency is not None:
        told.append(
            best(lambda m: -book.of(m.identity).first_token, "its first token after {:.1f} s")
        )
    return "; ".join(told) or None


def _decided(faults: Faults, candidates: Candidates, journal: Journal) -> FreeRouterError | None:
    """What no further model would change: two that agree decide, or one where nobody else is left."""
    alone = sum(not c.out for c in candidates.all) == 0
    for kind, error in (
        (Kind.FATAL, BadRequest),
        (Kind.UNFIT, BadRequest),
        (Kind.REFUSED, Refused),
    ):
        found = [
            (c, f)
            for c, f in faults
            if f.kind is kind and (kind is not Kind.UNFIT or f.effect.wrong_request)
        ]
        models = {c.model.id for c, _ in found}
        agree = GUARDED if found and all(f.effect.by_guard for _, f in found) else 2
        if found and (kind is Kind.FATAL or alone or len(models) >= agree):
            candidate, fault = found[-1]
            return error(
                fault.message or "the request was refused",
                hint=fault.hint or None,
                status_code=fault.status,
                model=candidate.model.id,
                attempts=journal.attempts,
            )
    if alone and faults and all(f.effect.too_long for _, f in faults):
        return ContextTooLong(
            faults[-1][1].message or "the prompt is too long for every candidate",
            status_code=faults[-1][1].status,
            model=faults[-1][0].model.id,
            attempts=journal.attempts,
        )
    return None


def _exhausted(
    candidates: Candidates, book: HealthBook, journal: Journal, faults: Faults, now: float
) -> FreeRouterError:
    last = faults[-1] if faults else None
    benches = [book.accounts.get(c.account.scope) for c in candidates.all]
    refused = [b is not None and b.cause.effect.key_refused for b in benches]
    if refused and all(refused):
        return AuthenticationFailed(
            _say("every key was refused", last),
            status_code=401,
            model=last[0].model.id if last else None,
            attempts=journal.attempts,
        )
    returns = candidates.returns(book, now)
    retry_after = max(0.0, returns - now) if returns is not None else None
    limited = [f.status == 429 or f.effect.limit == "account" for _, f in faults]
    passing = [
        f.kind in (Kind.BUSY, Kind.SLOW, Kind.BROKEN) or f.until is not None for _, f in faults
    ]
    waiting = not faults
    hint = next((f.hint for _, f in reversed(faults) if f.hint), "")
    when = f"the earliest candidate returns in {retry_after:.0f} s" if retry_after else ""
    return Exhausted(
        _say(f"all {len(candidates.all)} candidates are waiting or have failed", last),
        retry_after=retry_after,
        hint="; ".join(part for part in (hint, when) if part)
        or (
            "wait a little, or add a provider"
            if waiting or any(passing)
            else "choose another model, or let any follow it"
        ),
        status_code=last[1].status if last else (429 if waiting else None),
        model=last[0].model.id if last else None,
        rate_limited=waiting or all(limited),
        should_retry=waiting or any(passing),
        attempts=journal.attempts,
    )


def _say(what: str, last: tuple[Candidate, Fault] | None) -> str:
    if last is None:
        return what
    candidate, fault = last
    return f"{what}; the last, {candidate.model.id}: {fault.cause}" + (
        f" ({fault.message})" if fault.message else ""
    )


def checked_answer(
    request: ChatRequest, answer: Answer, now: float, *, pieced: bool = False
) -> tuple[Fault | None, Answer]:
    """(fault, answer): what is wrong with what claims to be an answer, if anything is, and the answer in the form that was asked
    for. `pieced`: its text was put together from what several models said."""
    if request.tool_choice == "none" and answer.tool_calls:
        if not answer.text:
            return Fault(
                Kind.BROKEN, Cause.UNINVITED_CALL, "called a tool though none was to be called"
            ), answer
        answer = answer.with_(tool_calls=())
    if answer.error is not None:
        return judge_rejection(embedded_rejection(answer.error), now), answer
    wish = request.structured
    offered = request.offered
    if wish is not None:
        offered |= {schema_name(wish.name)}
    fault = judge_answer(answer, tools=offered, must_call=request.must_call)
    called = {call.name for call in answer.tool_calls} & request.offered
    if fault is not None or wish is None or called:
        return fault, answer
    parsed = read_structured(answer, wish, bare=pieced)
    if parsed.problem is not None:
        cut = answer.finish_reason == "length"
        hint = "raise max_tokens: the JSON was cut" if cut else ""
        return Fault(
            Kind.BROKEN, Cause.NOT_THE_SCHEMA, parsed.problem, teaches=not cut, hint=hint
        ), answer
    return None, answer.with_(text=parsed.text, tool_calls=())


def ruled(told: Judged, answer: Answer, request: ChatRequest) -> tuple[Fault | None, Answer, str]:
    """What the caller's validator and the guards make of an answer, and what they would put before a text that is none: a JSON object
    would be one no more."""
    if told.problem is not None:
        return Fault(Kind.BROKEN, Cause.INVALID, told.problem, teaches=told.teaches), answer, ""
    ruling = told.ruling or Ruling()
    if ruling.refused is not None:
        hint = "change the prompt or the guard; the answers were whole, and rejected"
        return (
            Fault(Kind.REFUSED, Cause.GUARD, ruling.refused, teaches=False, hint=hint),
            answer,
            "",
        )
    if not ruling.prepend or request.structured is not None or not answer.text:
        return None, answer, ruling.prepend
    return None, answer.with_(text=f"{ruling.prepend}\n\n{answer.text}"), ""


def deadline_exceeded(journal: Journal, plan: Plan) -> DeadlineExceeded:
    """The error of a request whose deadline has passed."""
    seconds = (plan.deadline or journal.started) - journal.started
    last = journal.tries[-1].model if journal.tries else None
    return DeadlineExceeded(
        f"no {'first token' if plan.stream and plan.run_guards is None else 'answer'} within {seconds:g} s",
        model=last,
        attempts=journal.attempts,
    )


def stream_broken(
    journal: Journal, attempt: Attempt, fault: Fault, after: FreeRouterError | None = None
) -> StreamBroken:
    """The error of a stream that failed after text was shown; its driver adds the text. `after`: why nobody continued it."""
    return StreamBroken(
        f"the stream of {attempt.model.id} broke: {fault.message or fault.cause}"
        + (f"; and nobody could continue it: {after.message}" if after is not None else ""),
        hint=fault.hint or None,
        status_code=fault.status,
        model=attempt.model.id,
        should_retry=fault.kind in (Kind.BUSY, Kind.SLOW, Kind.BROKEN) or fault.until is not None,
        attempts=journal.attempts,
    )
