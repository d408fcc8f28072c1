"""When a request has failed for good, and with which error."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.errors import (
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    Exhausted,
    FreeRouterError,
    NoCandidates,
    Refused,
)
from freerouter_core.events import AttemptTrace
from freerouter_core.routing import steps as s
from freerouter_core.routing.candidates import Candidate, Candidates
from freerouter_core.routing.final_error import (
    GUARDED_MODELS,
    deadline_exceeded,
    final_error,
    stream_broken,
)
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.need import Need
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.ruling import Ruling
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, account, busy, model, plan

MODELS = [model(name, f"p{n}") for n, name in enumerate("abcdef")]
A, B, C = MODELS[:3]
WRONG = Fault(Kind.UNFIT, Cause.BAD_REQUEST, "no such field", status=400, hint="drop it")
UNFIT = Fault(Kind.UNFIT, Cause.NO_TOOLS, "no tools", status=404)
GUARD = Fault(Kind.REFUSED, Cause.GUARD, "unsafe", status=200, hint="change the prompt")
MODERATION = Fault(Kind.REFUSED, Cause.MODERATION, "no", status=403)
FATAL = Fault(Kind.FATAL, Cause.BAD_REQUEST, "", status=400)
LONG = Fault(Kind.UNFIT, Cause.CONTEXT, "too long", status=400)


class Case:
    """A request whose models failed so."""

    def __init__(self, *faults: Fault, models: list[Model] | None = None, **policy: Any) -> None:
        self.plan: Plan = plan(*(models or MODELS), **policy)
        self.book = HealthBook()
        situation = self.plan.situation(self.book, NOW, Random(0), 1)
        self.candidates = Candidates.of(self.plan.catalogue, self.plan.accounts, situation)
        self.faults: list[tuple[Candidate, Fault]] = list(
            zip(self.candidates.all, faults, strict=False)
        )

    def out(self) -> Case:
        """Nobody else is left."""
        for candidate in self.candidates.all:
            candidate.out = True
        return self

    def error(self, *, exhausted: bool = False, **more: Any) -> FreeRouterError | None:
        return final_error(
            self.plan,
            self.candidates,
            Journal(started=NOW),
            self.faults,
            now=NOW,
            exhausted=exhausted,
            **more,
        )


# -- hope ---------------------------------------------------------------------------------------


def test_while_somebody_can_be_asked_there_is_no_error() -> None:
    assert Case().error() is None
    assert Case(busy(), busy()).error() is None
    assert Case(busy()).error(exhausted=True) is not None


def test_while_somebody_returns_there_is_no_error() -> None:
    case = Case(busy(), models=[A])
    case.candidates.all[0].not_before = NOW + 99.0
    assert case.error() is None
    case.candidates.all[0].tries = 9
    assert isinstance(case.error(), Exhausted)


# -- proof --------------------------------------------------------------------------------------


def test_two_models_prove_that_the_request_is_wrong() -> None:
    error = Case(WRONG, WRONG).error()

    assert isinstance(error, BadRequest)
    assert (error.message, error.hint, error.status_code, error.model) == (
        "no such field",
        "drop it",
        400,
        "b",
    )
    assert Case(WRONG).error() is None


def test_the_same_model_at_two_providers_is_one() -> None:
    twins = [model("x", "p0"), model("x", "p1"), C]

    assert Case(WRONG, WRONG, models=twins).error() is None


def test_one_fault_is_proof_if_no_candidate_is_left() -> None:
    assert type(Case(WRONG).out().error()) is BadRequest


def test_what_a_model_cannot_do_proves_nothing() -> None:
    assert Case(UNFIT, UNFIT).error() is None
    assert type(Case(UNFIT, UNFIT).out().error()) is Exhausted


def test_one_fatal_fault_is_proof() -> None:
    error = Case(FATAL).error()

    assert type(error) is BadRequest
    assert error.message == "the request was refused"
    assert error.hint == BadRequest.default_hint


def test_two_refusals_of_the_content_are_proof() -> None:
    assert Case(MODERATION).error() is None
    assert type(Case(MODERATION, MODERATION).error()) is Refused
    assert type(Case(MODERATION, GUARD).error()) is Refused


def test_guards_must_reject_four_models_answers() -> None:
    assert GUARDED_MODELS == 4
    assert Case(*[GUARD] * 3).error() is None
    assert type(Case(*[GUARD] * 4).error()) is Refused


def test_a_prompt_that_is_too_long_for_everybody_is_proof() -> None:
    error = Case(LONG, LONG).out().error()

    assert type(error) is ContextTooLong
    assert (error.message, error.model) == ("too long", "b")
    assert Case(LONG, LONG).error() is None
    assert type(Case(LONG, busy()).out().error()) is Exhausted
    nameless = Case(Fault(Kind.UNFIT, Cause.TOO_LARGE, status=413)).out().error()
    assert nameless is not None
    assert nameless.message == "the prompt is too long for every candidate"


def test_a_guards_rejection_is_the_error_if_it_came_last() -> None:
    error = Case(busy(), GUARD).error(exhausted=True)

    assert type(error) is Refused
    assert (error.message, error.hint, error.model) == ("unsafe", "change the prompt", "b")
    assert type(Case(GUARD, busy()).error(exhausted=True)) is Exhausted


# -- everybody failed ---------------------------------------------------------------------------


def exhausted(case: Case, **more: Any) -> Exhausted:
    error = case.error(exhausted=True, **more)
    assert isinstance(error, Exhausted)
    return error


def test_the_error_names_the_last_fault_and_counts_the_candidates() -> None:
    error = exhausted(Case(WRONG, busy(message="overloaded")))

    assert error.message == (
        "all 6 candidates are waiting or have failed; the last, b: server (overloaded)"
    )
    assert (error.status_code, error.model) == (502, "b")
    silent = exhausted(Case(busy()))
    assert silent.message.endswith("the last, a: server")


def test_the_error_holds_the_last_answer_that_was_rejected() -> None:
    answer = Answer("Hm.")

    assert exhausted(Case(busy()), rejected=answer).answer is answer
    refused = Case(GUARD).error(exhausted=True, rejected=answer)
    assert not hasattr(refused, "answer")


def test_a_request_that_only_waits_was_rate_limited() -> None:
    case = Case(models=[A])
    case.candidates.all[0].not_before = NOW + 30.0
    error = exhausted(case)

    assert (error.rate_limited, error.should_retry, error.status_code) == (True, True, 429)
    assert (error.retry_after, error.model) == (30.0, None)
    assert error.message == "all 1 candidates are waiting or have failed"
    assert error.hint == "the earliest candidate returns in 30 s"


@pytest.mark.parametrize(
    ("faults", "limited", "retry"),
    [
        ([busy(status=429), busy(status=429)], True, True),
        ([busy(status=429), busy()], False, True),
        ([Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY, until=NOW + 9.0)], True, True),
        ([Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY)], True, False),
        ([UNFIT], False, False),
        ([UNFIT, busy()], False, True),
        ([Fault(Kind.UNFIT, Cause.NO_TOOLS, until=NOW + 9.0)], False, True),
    ],
)
def test_whether_the_same_call_may_work_later(
    faults: list[Fault], limited: bool, retry: bool
) -> None:
    error = exhausted(Case(*faults))

    assert (error.rate_limited, error.should_retry) == (limited, retry)


def test_a_model_that_is_back_already_has_a_retry_after_of_zero() -> None:
    error = exhausted(Case(busy(), models=[A]))
    assert error.retry_after == 0.0

    out = exhausted(Case(busy(), models=[A]).out())
    assert out.retry_after is None


def test_what_to_do() -> None:
    assert exhausted(Case(busy())).hint == "wait a little, or add a provider"
    assert exhausted(Case(UNFIT).out()).hint == "choose another model, or let any follow it"
    hinted = exhausted(Case(busy(hint="first"), busy(hint="last"), busy()))
    assert hinted.hint == "last"
    both = Case(busy(hint="raise it"), models=[A])
    both.candidates.all[0].not_before = NOW + 30.4
    assert exhausted(both).hint == "raise it; the earliest candidate returns in 30 s"


def test_refused_keys_of_all_accounts_are_a_failed_authentication() -> None:
    refused = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED, "invalid key", status=401)
    case = Case(refused, refused, models=[A, B])
    for provider in ("p0", "p1"):
        assert type(case.error(exhausted=True)) is Exhausted
        case.book.account_refused(account(provider).scope, refused, NOW, Random(0))
    error = case.error(exhausted=True)

    assert type(error) is AuthenticationFailed
    assert error.message == "every key was refused; the last, b: key-refused (invalid key)"
    assert (error.status_code, error.model) == (401, "b")

    debt = Case(refused, models=[A])
    owing = Fault(Kind.ACCOUNT, Cause.DEBT)
    debt.book.account_refused(account("p0").scope, owing, NOW, Random(0))
    assert type(debt.error(exhausted=True)) is Exhausted


# -- nobody to ask ------------------------------------------------------------------------------


def test_a_prompt_that_fits_no_window_is_too_long_before_it_is_sent() -> None:
    small = [model(name, context=10) for name in "ab"]
    error = Case(models=small, need=Need(least_tokens=11)).error()
    assert type(error) is ContextTooLong

    mixed = [small[0], model("c", expires=NOW - 1.0)]
    assert type(Case(models=mixed, need=Need(least_tokens=11)).error()) is NoCandidates


def test_four_reasons_are_spelt_out() -> None:
    old = [model(name, expires=NOW - 1.0) for name in "abcdef"]
    error = Case(models=old).error()

    assert isinstance(error, NoCandidates)
    assert error.message.count("its catalogue entry has expired") == 4
    assert error.message.endswith("d: its catalogue entry has expired; and 2 more]")
    assert list(error.skipped) == list("abcdef")
    four = Case(models=old[:4]).error()
    assert four is not None
    assert "more" not in four.message


def test_an_empty_catalogue_has_no_reasons() -> None:
    error = Case(models=[model("p", free=False)]).error()

    assert isinstance(error, NoCandidates)
    assert error.message == "no model can do what was asked for"
    assert error.hint == NoCandidates.default_hint


def test_the_nearest_model_to_each_threshold_is_named() -> None:
    models = [model("wide", context=9_000, quality=3.0), model("good", quality=7.0, context=800)]
    case = Case(models=models, min_quality=9.0, min_safety=9.0, min_context=10_000, max_latency=0.1)
    case.book.answered(models[0].identity, NOW, first_token=9.0, seconds=9.0, tokens=9)
    case.book.judged(models[0].identity, Ruling())
    error = case.error()

    assert error is not None
    assert error.hint == (
        "the nearest, good, has a quality prior of 7.0; "
        "the nearest, wide, has a safety score of 8.2; "
        "the nearest, wide, has 9,000 tokens of context; "
        "the nearest, good, has its first token after 2.7 s"
    )
    assert list(case.book.models) == [models[0].identity], "reading creates no record"


def test_without_a_threshold_the_hint_names_no_nearest_model() -> None:
    error = Case(models=[model("a", expires=NOW - 1.0)]).error()

    assert error is not None
    assert error.hint == NoCandidates.default_hint


# -- deadlines and streams ----------------------------------------------------------------------


def journal() -> Journal:
    trace = AttemptTrace(
        number=1, model="a", provider="p0", at=NOW, seconds=9.0, fault="slow", cause="", status=None
    )
    return Journal(started=NOW, tries=[trace])


def test_a_deadline_names_the_callers_own_timeout() -> None:
    error = deadline_exceeded(journal(), plan(A, timeout=7.5))

    assert (error.message, error.model) == ("no answer within 7.5 s", "a")
    assert [record["model"] for record in error.attempts] == ["a"]
    assert deadline_exceeded(Journal(started=NOW), plan(A, timeout=7.5)).model is None


@pytest.mark.parametrize(
    ("stream", "guards", "what"), [(True, False, "first token"), (True, True, "answer")]
)
def test_a_deadline_is_for_the_first_token_of_an_unguarded_stream(
    stream: bool, guards: bool, what: str
) -> None:
    extra = {"run_guards": (lambda answer, name: Ruling()) if guards else None}
    request = plan(A, timeout=5.0, stream=stream, extra=extra)

    assert deadline_exceeded(journal(), request).message == f"no {what} within 5 s"


@pytest.mark.parametrize(
    ("fault", "retry"),
    [
        (busy(), True),
        (MODERATION, False),
        (Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY, until=NOW + 1.0), True),
        (Fault(Kind.ACCOUNT, Cause.DEBT), False),
    ],
)
def test_whether_a_broken_stream_may_be_asked_again(fault: Fault, retry: bool) -> None:
    attempt = s.Attempt(
        number=1, model=A, account=account("p0"), soft_timeout=5.0, stall_timeout=20.0
    )
    error = stream_broken(journal(), attempt, fault)

    assert error.should_retry is retry
    assert error.message == f"the stream of a broke: {fault.message or fault.cause}"
    after = stream_broken(journal(), attempt, fault, Exhausted("all failed"))
    assert after.message.endswith("; and nobody could continue it: all failed")
