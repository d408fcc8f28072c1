"""Whose turn it is: the order among candidates, last resorts, and waits that are kept."""

from __future__ import annotations

from random import Random

import pytest

from freerouter_core import Limit
from freerouter_core.errors import Exhausted
from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.candidates import ACCOUNT_PROBES, Candidates, Turn
from freerouter_core.routing.congestion import Congestion
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.outage import SOONEST_LOOK
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.standing import explain
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, Fates, Play, account, answers, busy, fails, model, plan, play

A, A2, B = model("a"), model("a2"), model("b", "two")
PAID = model("paid", "two", free=False, prompt_price=1e-6, completion_price=1e-6)
STATED = busy(until=NOW + 40.0)


def of(request: Plan, book: HealthBook | None = None) -> Candidates:
    situation = request.situation(book or HealthBook(), NOW, Random(0), 1)
    return Candidates.of(request.catalogue, request.accounts, situation)


def book_with(*faults: tuple[Fault, float]) -> HealthBook:
    """Model A failed so, so many seconds ago."""
    book = HealthBook()
    for fault, ago in faults:
        book.failed(A.identity, fault, NOW - ago, Random(0))
    return book


# -- the order ----------------------------------------------------------------------------------


def test_candidates_are_asked_in_the_order_of_the_selection() -> None:
    candidates = of(plan(A, A2, B))

    assert [c.model for c in candidates.all] == [A, A2, B]
    assert candidates.next(NOW) == Turn(candidates.all[0])
    assert not candidates.empty
    assert of(plan(PAID)).empty


def test_candidates_are_made_only_as_they_are_looked_at() -> None:
    candidates = of(plan(A, A2, B))
    candidates.next(NOW)

    assert [c.model for c in candidates._made] == [A]


def test_after_a_failure_another_account_comes_before_the_same_accounts_next_model() -> None:
    """Breadth first: a second model of a failing account would probably fail, too."""
    fates = {"a": fails(), "a2": answers(), "b": answers()}

    assert play(plan(A, A2, B), fates).asked == ["a", "b"]


def test_a_named_model_keeps_its_place_though_its_account_failed() -> None:
    fates = {"a": fails(), "a2": answers(), "b": answers()}

    assert play(plan(A, B, A2, preferred=("one:a", "one:a2")), fates).asked == ["a", "a2"]


def test_a_model_that_was_not_tried_comes_before_one_that_failed() -> None:
    candidates = of(plan(A, B))
    first, second = candidates.all
    first.tries = 1

    assert candidates.next(NOW).candidate is second
    second.tries = 2
    assert candidates.next(NOW).candidate is first


def test_a_failed_account_weighs_less_than_a_try() -> None:
    candidates = of(plan(A, B))
    first, second = candidates.all
    first.tries, second.tries = 2, 1
    candidates.kinship.failed(second.account)

    assert candidates.next(NOW).candidate is second


def test_after_a_refusal_those_with_plenty_come_first_among_equals() -> None:
    scarce, plenty = model("b", "two"), model("c", "three")
    candidates = of(plan(A, scarce, plenty, extra={"congestion": {"two": Congestion(delay=9.0)}}))
    first = candidates.all[0]
    assert candidates.next(NOW, avoid=frozenset("a")).candidate is candidates.all[1]
    first.out = True
    candidates.kinship.refused(first.model, first.account)

    assert candidates.next(NOW).candidate is candidates.all[2]
    candidates.kinship.failed(candidates.all[2].account)
    assert candidates.next(NOW).candidate is candidates.all[1], "kin weigh more"


def test_a_last_resort_weighs_more_than_a_failed_account() -> None:
    candidates = of(plan(A, B), book_with((busy(), 1.0)))
    benched, other = candidates.all
    candidates.kinship.failed(other.account)
    assert candidates.next(NOW).candidate is other

    other.tries = 1
    assert candidates.next(NOW).candidate is benched, "what failed in this call is one, too"
    assert candidates.next(NOW, fresh_only=True).candidate is None


def test_every_free_model_comes_before_a_paid_one() -> None:
    candidates = of(plan(PAID, A, allow_paid=True), book_with((busy(), 1.0)))

    assert [c.model for c in candidates.all] == [A, PAID], "the selection sorts it so"
    assert candidates.next(NOW).candidate is candidates.all[0], "though it is a last resort"


def test_a_paid_model_that_was_named_comes_first() -> None:
    candidates = of(plan(PAID, A, allow_paid=True, preferred=("two:paid",)))

    assert candidates.next(NOW).candidate is candidates.all[0]
    assert candidates.all[0].model is PAID
    assert candidates.all[0].named


def test_a_paid_model_waits_for_a_free_one_that_only_pauses() -> None:
    fates: Fates = {"a": [fails(), answers()], "paid": answers()}
    played = play(plan(A, PAID, allow_paid=True, timeout=60.0), fates)

    assert played.asked_at == [(0.0, "a"), (2.0, "a")], "after its pause of a second"


def test_a_paid_model_does_not_wait_for_a_free_one_at_its_limit() -> None:
    limited = account("one", limits=(Limit(requests=20),))
    request = plan(A, PAID, allow_paid=True, accounts=[limited])
    played = play(request, {"paid": answers()}, full={limited.scope: NOW + 30.0})

    assert played.asked_at == [(0.0, "paid")]


def test_a_model_is_tried_no_more_often_than_the_policy_says() -> None:
    played = Play(plan(A, retry_attempts=2), {"a": fails(Fault(Kind.BROKEN, Cause.EMPTY))})
    with pytest.raises(Exhausted):
        played.run()
    assert played.asked == ["a", "a"]

    assert of(plan(A, retry_attempts=0)).max_tries == 1


def test_models_in_flight_are_passed_over() -> None:
    candidates = of(plan(A, B))

    assert candidates.next(NOW, avoid=frozenset({"a"})).candidate is candidates.all[1]
    assert candidates.next(NOW, avoid=frozenset({"a", "b"})) == Turn()


def test_a_candidate_that_is_put_first_is_asked_next() -> None:
    candidates = of(plan(A, B))
    candidates.put_first(candidates.all[1])

    assert candidates.next(NOW).candidate is not None
    assert candidates.all[0].model is B


def test_a_candidate_that_is_out_is_not_asked() -> None:
    candidates = of(plan(A))
    candidates.all[0].out = True

    assert candidates.next(NOW) == Turn()


# -- waits --------------------------------------------------------------------------------------


def test_a_stated_wait_is_kept_to_the_second() -> None:
    candidates = of(plan(A), book_with((STATED, 1.0)))

    assert candidates.next(NOW) == Turn(until=NOW + 40.0)
    assert candidates.next(NOW + 39.9).candidate is None
    assert candidates.next(NOW + 40.0).candidate is not None


def test_a_guessed_bench_makes_a_last_resort() -> None:
    candidates = of(plan(A, B), book_with((busy(), 1.0)))

    assert candidates.next(NOW).candidate is candidates.all[1]
    candidates.all[1].out = True
    assert candidates.next(NOW, fresh_only=True) == Turn()


def test_background_requests_ask_no_last_resort() -> None:
    """Whoever nobody waits for can wait until a guessed bench has ended."""
    later = {"lane": "background"}
    limit = Fault(Kind.BUSY, Cause.AMBIGUOUS_429, status=429)
    model = of(plan(A, extra=later), book_with((limit, 1.0)))
    assert model.next(NOW).candidate is None
    assert model.next(NOW).until == model.book.models[A.identity].benched_until

    book = HealthBook()
    book.account_refused(account("one").scope, Fault(Kind.ACCOUNT, Cause.DEBT), NOW, Random(0))
    whole = of(plan(A, extra=later), book)
    assert whole.next(NOW) == Turn(until=book.accounts.benches[account("one").scope].until)


def test_one_background_request_looks_whether_a_server_in_trouble_answers() -> None:
    """It does not wait for the end of the guess. Who failed there itself does: a request that is to
    blame would find out nothing."""
    book = book_with((busy(), 1.0))
    book.account_refused(
        account("one").scope, Fault(Kind.ACCOUNT, Cause.ACCOUNT_DOWN), NOW, Random(0)
    )
    candidates = of(plan(A, extra={"lane": "background"}), book)
    ends = max(
        book.models[A.identity].benched_until, book.accounts.benches[account("one").scope].until
    )

    assert candidates.next(NOW) == Turn(until=NOW - 1.0 + SOONEST_LOOK)
    assert candidates.next(NOW - 1.0 + SOONEST_LOOK).candidate is candidates.all[0]

    candidates.all[0].tries = 1
    assert candidates.next(NOW - 1.0 + SOONEST_LOOK) == Turn(until=ends)

    candidates.all[0].tries = 0
    book.sent(A.identity, NOW + SOONEST_LOOK)
    assert candidates.next(NOW + SOONEST_LOOK) == Turn(until=NOW + 2 * SOONEST_LOOK), "it looks"


def test_no_background_request_looks_at_a_limit() -> None:
    book = book_with((busy(), 1.0))
    full = Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED)
    book.account_refused(account("one").scope, full, NOW, Random(0))
    candidates = of(plan(A, extra={"lane": "background"}), book)

    assert candidates.next(NOW) == Turn(until=book.accounts.benches[account("one").scope].until)


def test_a_stated_wait_of_the_account_holds_all_its_models() -> None:
    book = HealthBook()
    minute = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, until=NOW + 30.0)
    book.account_refused(account("one").scope, minute, NOW, Random(0))
    candidates = of(plan(A, A2, B), book)

    assert candidates.next(NOW).candidate is candidates.all[2]
    candidates.all[2].out = True
    assert candidates.next(NOW) == Turn(until=NOW + 30.0)


def test_a_guessed_bench_of_the_account_makes_last_resorts_of_all_its_models() -> None:
    book = HealthBook()
    debt = Fault(Kind.ACCOUNT, Cause.DEBT)
    book.account_refused(account("one").scope, debt, NOW, Random(0))
    candidates = of(plan(A, A2, B), book)

    assert candidates.next(NOW).candidate is candidates.all[2]
    candidates.all[2].out = True
    assert candidates.next(NOW, fresh_only=True) == Turn()


def test_the_longer_of_two_stated_waits_counts() -> None:
    book = book_with((STATED, 1.0))
    for until, expected in ((NOW + 30.0, NOW + 40.0), (NOW + 50.0, NOW + 50.0)):
        minute = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, until=until)
        book.account_refused(account("one").scope, minute, NOW, Random(0))
        assert of(plan(A), book).next(NOW) == Turn(until=expected)


def test_the_earliest_of_several_waits_is_waited_for() -> None:
    candidates = of(plan(A, B))
    first, second = candidates.all
    first.not_before, second.not_before = NOW + 9.0, NOW + 5.0

    assert candidates.next(NOW) == Turn(until=NOW + 5.0)


def test_a_blocked_limit_names_its_line() -> None:
    limited = account("one", limits=(Limit(requests=20),))
    candidates = of(plan(A, accounts=[limited]))
    candidates.blocked[limited.scope] = NOW + 7.0
    assert candidates.next(NOW) == Turn(until=NOW + 7.0, scope=limited.scope)

    candidates.all[0].not_before = NOW + 8.0
    assert candidates.next(NOW) == Turn(until=NOW + 8.0), "a longer pause is in no line"


def test_a_candidate_that_waits_for_the_callers_own_limits_is_in_line() -> None:
    def in_line(cause: Cause, pause: float = 0.0) -> bool:
        book = HealthBook()
        fault = Fault(Kind.ACCOUNT, cause, until=NOW + 30.0)
        book.account_refused(account("one").scope, fault, NOW, Random(0))
        candidates = of(plan(A), book)
        candidates.all[0].not_before = NOW + pause
        return candidates.next(NOW).in_line

    assert in_line(Cause.ACCOUNT_DAY)
    assert not in_line(Cause.ACCOUNT_DAY, pause=31.0), "it waits for itself"
    assert not in_line(Cause.DEBT)
    assert not of(plan(A), book_with((STATED, 1.0))).next(NOW).in_line
    blocked = of(plan(A))
    blocked.blocked[account("one").scope] = NOW + 7.0
    assert blocked.next(NOW).in_line


def test_one_request_probes_while_the_others_hold_back() -> None:
    """A guessed bench has ended: the first request is the probe, the second asks another model."""
    state = RoutingState()
    state.health.failed(A.identity, busy(), NOW - 3_600.0, Random(0))
    probe = of(plan(A, B), state.health).next(NOW).candidate
    assert probe is not None
    assert probe.model is A
    state.health.sent(A.identity, NOW)

    held_back = of(plan(A, B), state.health).next(NOW).candidate
    assert held_back is not None
    assert held_back.model is B
    assert of(plan(A), state.health).next(NOW, fresh_only=True) == Turn()


# -- faults of accounts -------------------------------------------------------------------------


def test_a_second_guessed_fault_of_an_account_proves_the_first() -> None:
    models = [model(f"a{n}") for n in range(4)]
    debt = Fault(Kind.ACCOUNT, Cause.DEBT, status=402)
    played = Play(plan(*models), {m.id: fails(debt) for m in models})
    with pytest.raises(Exhausted):
        played.run()

    assert len(played.asked) == ACCOUNT_PROBES


def test_a_stated_wait_of_the_account_says_nothing_against_the_model() -> None:
    minute = Fault(Kind.ACCOUNT, Cause.ACCOUNT_MINUTE, status=429, until=NOW + 31.0)
    fates = {"a": [fails(minute)] * 1 + [answers()]}
    played = play(plan(A, retry_attempts=1, timeout=60.0), fates)

    assert played.asked_at == [(0.0, "a"), (31.0, "a")]


# -- when the first returns ---------------------------------------------------------------------


def test_a_guessed_bench_is_no_promise_and_a_stated_one_is() -> None:
    guessed = book_with((busy(), 0.0))
    assert guessed.models[A.identity].benched_until > NOW
    assert of(plan(A), guessed).returns(NOW) == NOW  # the last resort is asked at once

    stated = book_with((busy(until=NOW + 30.0), 0.0))
    assert of(plan(A), stated).returns(NOW) == NOW + 30.0
    assert of(plan(A, B), stated).returns(NOW) == NOW


def test_a_caller_is_told_no_longer_wait_than_there_is() -> None:
    """A bench of 532 s is a guess: the next request asks its model as a last resort."""
    book = book_with(*[(busy(), 0.0)] * 6)
    assert book.models[A.identity].benched_until > NOW + 300.0
    assert of(plan(A), book).returns(NOW) == NOW


def test_a_refused_key_never_returns() -> None:
    book = HealthBook()
    refused = Fault(Kind.ACCOUNT, Cause.KEY_REFUSED)
    book.account_refused(account("one").scope, refused, NOW, Random(0))

    assert of(plan(A), book).returns(NOW) is None
    out = of(plan(A))
    out.all[0].out = True
    assert out.returns(NOW) is None


# -- where limits are counted -------------------------------------------------------------------


def test_the_scopes_of_a_candidate_are_its_account_and_its_model() -> None:
    limited = account("one", limits=(Limit(requests=20), Limit(requests=5, scope="model")))
    candidate = Candidate(model=A, account=limited)

    assert candidate.scopes == (limited.scope, f"{limited.scope}|a")
    assert len(candidate.charges) == 2


def test_a_paid_candidate_falls_under_no_limit_of_the_free_tier() -> None:
    limited = account("two", limits=(Limit(requests=20),))

    assert Candidate(model=PAID, account=limited).scopes == ()


# -- in words -----------------------------------------------------------------------------------


def test_explain_says_which_models_are_ready_and_what_others_wait_for() -> None:
    book = book_with((STATED, 1.0))
    book.failed(A2.identity, busy(), NOW, Random(0))
    book.account_refused(account("two").scope, Fault(Kind.ACCOUNT, Cause.DEBT), NOW, Random(0))
    fresh = model("c", "three")
    rows = [
        (c.model.id, state, until)
        for c, state, until in explain(of(plan(A, A2, B, fresh), book).all, book, NOW)
    ]
    debt = book.accounts.get(account("two").scope)
    assert debt is not None

    assert rows == [
        ("a", "benched (stated): server", NOW + 40.0),
        ("a2", "benched (guessed): server", book.models[A2.identity].benched_until),
        ("b", "account waits: debt", debt.until),
        ("c", "ready", None),
    ]
    assert {state for _, state, _ in explain(of(plan(A, A2, B), book).all, book, NOW + 9e3)} == {
        "ready"
    }
