"""When a request has failed for good, and with which error."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.errors import (
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    NoCandidates,
    Refused,
)
from freerouter_core.events import AttemptTrace
from freerouter_core.routing import steps as s
from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.candidates import Candidates
from freerouter_core.routing.final_error import (
    REFUSED_HINT,
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

    def error(
        self, *, exhausted: bool = False, started: float = NOW, **more: Any
    ) -> FreeRouterError | None:
        return final_error(
            self.plan,
            self.candidates,
            Journal(started=started),
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


def test_refusals_that_are_not_understood_are_no_proof() -> None:
    assert Case(WRONG).error() is None
    assert Case(WRONG, WRONG, WRONG).error() is None


def test_enough_of_them_end_the_request_and_all_are_told() -> None:
    many = [model(f"m{n}", "p0") for n in range(10)]
    assert Case(*[WRONG] * 7, models=many).error() is None
    error = Case(*[WRONG] * 8, models=many).error()

    assert isinstance(error, BadRequest)
    assert (error.message, error.hint, error.status_code, error.model) == (
        "8 models of p0: bad-request (no such field)",
        "drop it",
        400,
        "m7",
    )


def test_two_accounts_and_families_that_agree_prove_that_a_value_is_wrong() -> None:
    value = Fault(Kind.UNFIT, Cause.BAD_VALUE, "temperature must be less than 2", status=400)
    error = Case(value, value).error()

    assert type(error) is BadRequest
    assert error.message.count("temperature must be less than 2") == 2
    assert error.hint == REFUSED_HINT, (
        "models were asked: the hint of our own checks would be wrong"
    )
    twins = [model("x", "p0"), model("x", "p1"), C]
    assert Case(value, value, models=twins).error() is None, "the same model is one"


def test_one_fault_is_proof_if_no_candidate_is_left() -> None:
    error = Case(WRONG).out().error()

    assert type(error) is BadRequest
    assert error.message == "no such field"
    assert type(Case(WRONG, busy()).out().error()) is Exhausted, "it may pass"


def test_what_a_model_cannot_do_proves_nothing() -> None:
    assert Case(UNFIT, UNFIT).error() is None
    assert type(Case(UNFIT, UNFIT).out().error()) is Exhausted


def test_two_refusals_of_the_content_by_independent_models_are_proof() -> None:
    neighbours = [model("a", "p0"), model("b", "p0"), C]
    assert Case(MODERATION).error() is None
    assert type(Case(MODERATION, MODERATION).error()) is Refused
    assert Case(MODERATION, MODERATION, models=neighbours).error() is None
    assert Case(MODERATION, GUARD).error() is None
    assert type(Case(WRONG, MODERATION).out().error()) is Refused, "what was understood counts"


def test_guards_must_reject_four_models_answers() -> None:
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
    assert (error.message, error.hint, error.model) == (
        "a: server; b: guard (unsafe)",
        "change the prompt",
        "b",
    )
    assert type(Case(GUARD, busy()).error(exhausted=True)) is Exhausted


# -- everybody failed ---------------------------------------------------------------------------


def exhausted(case: Case, **more: Any) -> Exhausted:
    error = case.error(exhausted=True, **more)
    assert isinstance(error, Exhausted)
    return error


def test_the_error_tells_every_fault_and_counts_the_candidates() -> None:
    error = exhausted(Case(WRONG, busy(message="overloaded")))

    assert error.message == (
        "all 6 candidates are waiting or have failed: "
        "a: bad-request (no such field); b: server (overloaded)"
    )
    assert (error.status_code, error.model) == (502, "b")
    silent = exhausted(Case(busy()))
    assert silent.message.endswith("failed: a: server")


def test_faults_alike_are_told_once_and_of_many_the_last_six() -> None:
    alike = [model(name, "p0") for name in "abc"]
    assert exhausted(Case(busy(), busy(), busy(), models=alike)).message.endswith(
        "failed: 3 models of p0: server"
    )
    many = [model(f"m{n}") for n in range(9)]
    told = exhausted(Case(*[busy(message=f"no {n}") for n in range(9)], models=many)).message
    assert "failed: 3 more; m3: server (no 3); m4" in told
    assert told.endswith("m8: server (no 8)")


def test_an_account_that_was_not_asked_says_why_it_waits() -> None:
    case = Case(busy(), models=[A, B])
    day = Fault(Kind.ACCOUNT, Cause.ACCOUNT_DAY, until=NOW + 90.0)
    case.book.account_refused(account("p1").scope, day, NOW, Random(0))
    error = exhausted(case)

    assert error.message.endswith("a: server; p1 waits: account-day")
    assert error.hint.startswith("the day's free requests of p1 are spent")


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
    assert error.message == "the only candidate is waiting or has failed: it waits"
    assert error.hint == "the earliest candidate returns in 30 s"


def test_a_model_that_was_told_to_wait_is_named_with_its_reason() -> None:
    case = Case(models=[A])
    limited = Fault(Kind.BUSY, Cause.MODEL_MINUTE, until=NOW + 50.0)
    case.book.failed(A.identity, limited, NOW, Random(0))

    assert exhausted(case).message == (
        "the only candidate is waiting or has failed: a waits: model-minute"
    )


@pytest.mark.parametrize(
    ("bound", "waited", "ends", "words"),
    [
        ({"timeout": 10.0}, 0.0, 30.0, "in 30 s, which is later than timeout=10 s allows"),
        ({"timeout": 10.0}, 0.0, 10.0, "in 10 s, which is later than timeout=10 s allows"),
        ({"timeout": 10.0}, 9.4, 2.0, "in 2 s, and 9 s of timeout=10 s are over"),
        ({"timeout": 10.0}, 9.9, 0.3, "in less than 1 s, and 10 s of timeout=10 s are over"),
        ({"timeout": 10.0}, 10.2, 0.3, "in less than 1 s, and 10 s of timeout=10 s are over"),
        (
            {"max_wait": 600.0},
            1.0,
            700.0,
            "in 11 min 40 s, which is later than max_wait=600 s allows",
        ),
        ({"max_wait": 600.0}, 599.0, 2.0, "in 2 s, and 599 s of max_wait=600 s are over"),
        ({}, 9.0, 2.0, "in 2 s"),
    ],
)
def test_a_bound_of_a_wait_is_told_as_it_is_counted(
    bound: dict[str, float], waited: float, ends: float, words: str
) -> None:
    """From the beginning, and not from now: "in 2 s, later than 600 s allows" says nothing."""
    case = Case(models=[A], timeout=None)
    deadline = NOW - waited + bound["timeout"] if "timeout" in bound else None
    case.plan = replace(case.plan, deadline=deadline, max_wait=bound.get("max_wait"))
    first, until = case.candidates.all[0], NOW + ends
    case.candidates.limited(first, first.account.scope, until, s.Wait("x", until))

    assert exhausted(case, started=NOW - waited).message == f"x; its turn would come {words}"


def test_a_line_without_an_end_is_told_without_a_bound() -> None:
    case = Case(models=[A])
    first, wait = case.candidates.all[0], s.Wait("the 9 tokens a day of p0 are used", math.inf)
    case.candidates.limited(first, first.account.scope, math.inf, wait)

    assert exhausted(case).message == "the 9 tokens a day of p0 are used, and no wait would help"


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
    assert hinted.hint == "last; first"
    four = exhausted(Case(*[busy(hint=str(n)) for n in range(4)]))
    assert four.hint == "3; 2; 1"
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
    assert error.message == (
        "every key was refused: a: key-refused (invalid key); b: key-refused (invalid key)"
    )
    assert (error.status_code, error.model) == (401, "b")
    assert error.hint.startswith("check the api_key of p0")
    later = Case(models=[A, B])
    later.book.accounts = case.book.accounts
    asked_nobody = later.error(exhausted=True)
    assert type(asked_nobody) is AuthenticationFailed
    assert asked_nobody.message == (
        "every key was refused: p0 waits: key-refused; p1 waits: key-refused"
    )

    lately = Case(refused, models=[A])
    lately.book.account_answered(account("p0").scope, "a", NOW - 9.0)
    lately.book.account_refused(account("p0").scope, refused, NOW, Random(0))
    assert type(lately.error(exhausted=True)) is Exhausted, "once may be chance"
    lately.book.account_refused(account("p0").scope, refused, NOW, Random(0))
    assert type(lately.error(exhausted=True)) is AuthenticationFailed

    debt = Case(refused, models=[A])
    owing = Fault(Kind.ACCOUNT, Cause.DEBT)
    debt.book.account_refused(account("p0").scope, owing, NOW, Random(0))
    assert type(debt.error(exhausted=True)) is Exhausted


def test_accounts_that_forbid_every_model_are_a_failed_authentication_too() -> None:
    forbidden = Fault(Kind.BUSY, Cause.FORBIDDEN, "Forbidden", status=403)
    error = Case(forbidden, models=[A]).error(exhausted=True)

    assert type(error) is AuthenticationFailed
    assert error.status_code == 403
    lately = Case(forbidden, models=[A])
    lately.book.account_answered(account("p0").scope, "a", NOW - 9.0)
    assert type(lately.error(exhausted=True)) is Exhausted, "it worked a moment ago"
    other = [model("a", "p0"), model("b", "p0")]
    assert type(Case(forbidden, busy(), models=other).error(exhausted=True)) is Exhausted


def test_a_gateway_that_forbids_everything_says_nothing_of_a_key() -> None:
    page = Fault(
        Kind.ACCOUNT, Cause.GATEWAY_FORBIDS, "Just a moment...", status=403, hint="look at a VPN"
    )
    error = exhausted(Case(page, page, models=[A]))

    assert (error.should_retry, error.status_code, error.hint) == (True, 403, "look at a VPN")


def test_while_a_list_is_on_its_way_there_is_no_error() -> None:
    for case in (Case(models=[model("x", free=False)]), Case(WRONG, models=[A]).out()):
        assert case.error() is not None
        case.candidates.pending = True
        assert case.error() is None
    assert case.error(exhausted=True) is not None


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


def test_if_nobody_gives_logprobs_the_request_is_wrong() -> None:
    models = [model("a", parameters={"stop"}), model("b", expires=NOW)]
    case = Case(models=models)
    case.plan = replace(case.plan, need=Need(logprobs=True))
    situation = case.plan.situation(case.book, NOW, Random(0), 1)
    case.candidates = Candidates.of(case.plan.catalogue, case.plan.accounts, situation)
    error = case.error()

    assert isinstance(error, BadRequest)
    assert str(error) == "no free model gives logprobs (leave logprobs out)"


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
        "the nearest, good, has its first token after 5.5 s"
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
    assert error.hint == DeadlineExceeded.default_hint


def test_a_deadline_tells_every_refusal_too() -> None:
    refused = journal()
    attempt = s.Attempt(
        number=1, model=A, account=account("p0"), soft_timeout=5.0, stall_timeout=20.0
    )
    refused.failures += [(attempt, busy(message="full", hint="wait")), (attempt, busy(hint="go"))]
    error = deadline_exceeded(refused, plan(A, timeout=7.5))

    assert error.message == "no answer within 7.5 s: a: server (full); a: server"
    assert error.hint == "go; wait"


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
