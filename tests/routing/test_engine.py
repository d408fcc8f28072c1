"""How one request is brought to an answer: failover, late attempts, deadlines, guards."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.errors import (
    BadRequest,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    NoCandidates,
)
from freerouter_core.routing import steps as s
from freerouter_core.routing.congestion import Congestion
from freerouter_core.routing.engine import route
from freerouter_core.routing.health_book import FORM_FAILED
from freerouter_core.routing.in_flight import MAX_IN_FLIGHT
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.need import Need
from freerouter_core.routing.ruling import Flag, Ruling
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.timings import USUAL_TOKENS, Timings
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured

from .driver import (
    HANGS,
    NOW,
    Play,
    account,
    answers,
    busy,
    fails,
    model,
    plan,
    play,
    token,
)

A, B, C, D = model("a"), model("b", "two"), model("c", "three"), model("d", "four")


# -- one answer ---------------------------------------------------------------------------------


def test_a_plain_request_is_sent_watched_and_answered() -> None:
    played = play(plan(A), {"a": answers(1.5)})

    assert [type(step) for _, step in played.steps] == [s.Send, s.Watch]
    assert played.outcome is not None
    assert (played.outcome.text, played.seconds) == ("Hello.", 1.5)
    assert [tried.fault for tried in played.journal.tries] == [None]


def test_what_an_answer_teaches() -> None:
    state = RoutingState()
    usage = {"completion_tokens": 90}
    play(plan(A), {"a": answers(3.0, "x", token(1.0), usage=usage)}, state=state)
    record = state.health.models[A.identity]

    assert (record.answers, record.first_token, record.speed) == (1, 1.0, 45.0)
    assert (state.requests, state.health.in_flight) == (1, {})


def test_an_answer_without_a_token_teaches_only_its_whole_time() -> None:
    state = RoutingState()
    play(plan(A), {"a": answers(3.0)}, state=state)

    assert "timed" not in next(iter(state.health.usage.untold.values()))


def test_an_answer_and_a_bad_one_teach_the_way_of_asking() -> None:
    state = RoutingState()
    schema = Structured({"type": "object"})
    request = ChatRequest.of("x").but(structured=schema)
    fates = {"a": answers(text="no JSON"), "b": answers(text="{}")}
    play(plan(A, B, request=request, need=Need(structured=True)), fates, state=state)

    assert state.health.models[A.identity].ways["structured"].bad == FORM_FAILED
    assert state.health.models[B.identity].ways["structured"].good == 1.0


def test_the_headers_of_an_answer_say_when_a_limit_is_spent() -> None:
    state = RoutingState()
    play(plan(A), {"a": answers(spent_until=NOW + 90.0)}, state=state)

    assert state.health.models[A.identity].stated_wait(NOW + 89.0)


def test_an_error_inside_an_answer_is_a_failure() -> None:
    error = {"message": "overloaded", "code": 503}
    played = play(plan(A, B), {"a": answers(error=error), "b": answers()})

    assert played.asked == ["a", "b"]
    assert played.journal.tries[0].status == 503


def test_an_empty_answer_is_a_failure_with_status_200() -> None:
    played = play(plan(A, B), {"a": answers(text=""), "b": answers()})

    assert [(t.fault, t.status) for t in played.journal.tries] == [("broken", 200), (None, 200)]


# -- failover -----------------------------------------------------------------------------------


def test_the_next_model_is_asked_at_once_after_a_failure() -> None:
    played = play(plan(A, B), {"a": fails(after=0.5), "b": answers()})

    assert played.asked_at == [(0.0, "a"), (0.5, "b")]
    assert played.state.health.models[A.identity].failures == 1


def test_with_no_candidate_left_the_error_lists_every_attempt() -> None:
    with pytest.raises(Exhausted) as error:
        play(plan(A, B, max_retries=1), {"a": fails(), "b": fails()})

    assert [record["model"] for record in error.value.attempts] == ["a", "b"]


def test_no_key_is_in_the_journal_nor_in_the_error() -> None:
    quoting = busy(message="wrong key secret-key")
    played = Play(plan(A, max_retries=0), {"a": fails(quoting)})
    with pytest.raises(Exhausted) as error:
        played.run()

    assert "secret-key" not in f"{error.value!r} {error.value} {played.journal.entries}"


@pytest.mark.parametrize(("retries", "models"), [(0, "a"), (1, "ab"), (2, "abc"), (None, "abcd")])
def test_max_retries_counts_attempts_after_the_first(retries: int | None, models: str) -> None:
    fates = {name: fails() for name in "abc"} | {"d": answers()}
    played = Play(plan(A, B, C, D, max_retries=retries), fates)
    if retries is None:
        played.run()
    else:
        with pytest.raises(Exhausted):
            played.run()

    assert "".join(played.asked) == models


def test_a_request_that_no_model_can_serve_is_sent_to_none() -> None:
    played = Play(plan(model("a", free=False)), {})
    with pytest.raises(NoCandidates):
        played.run()

    assert played.steps == []


def test_no_number_of_refusals_that_are_not_understood_is_proof() -> None:
    wrong = Fault(Kind.UNFIT, Cause.BAD_REQUEST, "no such field", status=400)
    played = Play(plan(A, B, C), {name: fails(wrong) for name in "abc"})
    with pytest.raises(BadRequest, match=r"a: bad-request \(no such field\).*b:.*c:"):
        played.run()

    assert played.asked == ["a", "b", "c"]


def test_two_independent_models_that_agree_end_a_request() -> None:
    value = Fault(Kind.UNFIT, Cause.BAD_VALUE, "temperature must be less than 2", status=400)
    hot = replace(ChatRequest.of("Good morning"), parameters={"temperature": 3.0})
    played = Play(plan(A, B, C, request=hot), {name: fails(value) for name in "abc"})
    with pytest.raises(BadRequest, match="temperature"):
        played.run()

    assert played.asked == ["a", "b"]


# -- lists that come during the call --------------------------------------------------------------

PENDING: dict[str, Any] = {
    "accounts": [account("two"), account("three")],
    "extra": {"pending": True},
    "order": {"a": 0, "b": 1, "c": 2},
}


def test_a_model_of_a_late_list_is_asked_if_nobody_else_is_left() -> None:
    gone = Fault(Kind.GONE, Cause.NOT_A_MODEL, status=400)
    fates = {"a": fails(gone), "b": answers()}
    played = play(plan(A, **PENDING), fates, lists=[(0.2, [A]), (7.0, [A, B])])

    assert played.asked_at == [(0.0, "a"), (7.0, "b")]
    assert len(played.all(s.Sleep)) < 20


def test_a_request_that_found_nobody_waits_for_the_list_on_its_way() -> None:
    nobody = plan(timeout=30.0, **PENDING)

    assert play(nobody, {"b": answers()}, lists=[(3.0, [B])]).asked_at == [(3.0, "b")]
    played = Play(nobody, {}, lists=[(3.0, ())])
    with pytest.raises(NoCandidates):
        played.run()
    assert played.seconds == 3.0
    hopeless = Play(nobody, {}, lists=[(99.0, [B])])
    with pytest.raises(FreeRouterError):
        hopeless.run()
    assert hopeless.seconds <= 30.0


def test_a_list_that_comes_during_an_attempt_joins_it() -> None:
    request = plan(preferred=("two:b",), stream=True, **PENDING)
    played = play(request, {"two:b": HANGS, "c": answers()}, lists=[(1.0, [B, C])])

    assert played.asked == ["two:b", "c"]


# -- limits -------------------------------------------------------------------------------------

LIMITED = account("one", limits=(Limit(requests=20),))


def test_a_share_of_every_limit_is_reserved_before_the_request_is_sent() -> None:
    played = play(plan(A, accounts=[LIMITED]), {"a": answers()})
    reserve = played.all(s.Reserve)[0]

    assert [type(step) for _, step in played.steps] == [s.Reserve, s.Send, s.Watch]
    assert (reserve.tokens, reserve.keep) == (512, 0.0)


def test_a_full_account_is_passed_over_with_all_its_models() -> None:
    second = model("a2")
    played = play(
        plan(A, second, B, accounts=[LIMITED]),
        {"b": answers()},
        full={LIMITED.scope: NOW + 30.0},
    )

    assert (played.asked, len(played.all(s.Reserve))) == (["b"], 1)


def test_a_request_waits_in_line_for_the_limit_that_frees_first() -> None:
    played = play(
        plan(A, accounts=[LIMITED], timeout=60.0),
        {"a": answers()},
        full={LIMITED.scope: NOW + 30.0},
    )

    assert played.all(s.Sleep) == [s.Sleep(NOW + 30.0, LIMITED.scope, NOW + 60.0, stays=True)]
    assert played.asked_at == [(30.0, "a")]


def test_an_earlier_wake_from_the_line_asks_the_limit_again() -> None:
    """Who is woken in line asks again, although the time that was named has not come."""

    class Early(Play):
        def _event(self, step: s.Step) -> s.Event:
            if isinstance(step, s.Sleep):
                self.full = {}
                return s.Woke(self.now + 1.0)
            return super()._event(step)

    played = Early(plan(A, accounts=[LIMITED]), {"a": answers()}, full={LIMITED.scope: NOW + 30.0})
    played.run()

    assert len(played.all(s.Reserve)) == 2


def test_a_spent_budget_holds_only_the_paid_model() -> None:
    by_ip = account("one", limits=(Limit(requests=20, scope="ip"),))
    paid = model("p", free=False, prompt_price=1e-6, completion_price=1e-6)
    budgeted = plan(
        paid, B, accounts=[by_ip], allow_paid=True, daily_budget_usd=9.0, preferred=("p",)
    )
    scope = f"{by_ip.scope}|usd"
    played = play(budgeted, {"b": answers()}, full={scope: NOW + 30.0})

    assert played.asked == ["b"]
    assert played.all(s.Reserve)[0].charges[0].scope == scope


def test_a_limit_that_frees_after_the_deadline_is_not_waited_for() -> None:
    played = Play(plan(A, accounts=[LIMITED], timeout=20.0), {}, full={LIMITED.scope: NOW + 20.0})
    with pytest.raises(Exhausted) as error:
        played.run()

    assert (error.value.retry_after, error.value.status_code, played.now) == (20.0, 429, NOW)


# -- standing in line ---------------------------------------------------------------------------


def in_line(max_wait: float, timeout: float | None = None, started: float = NOW) -> Play:
    """A request whose account is full for thirty seconds."""
    request = plan(A, accounts=[LIMITED], timeout=timeout, extra={"max_wait": max_wait})
    played = Play(request, {"a": HANGS}, full={LIMITED.scope: NOW + 30.0})
    played.journal.started = started
    return played


def test_a_deadline_does_not_count_the_time_in_line_for_the_callers_own_limits() -> None:
    played = in_line(60.0, timeout=10.0)
    with pytest.raises(DeadlineExceeded):
        played.run()

    assert played.all(s.Sleep) == [s.Sleep(NOW + 30.0, LIMITED.scope, NOW + 60.0, stays=True)]
    assert (played.asked_at[0], played.seconds) == ((30.0, "a"), 40.0)


def test_a_request_stands_in_line_no_longer_than_its_max_wait() -> None:
    played = in_line(30.0, timeout=99.0)
    with pytest.raises(Exhausted):
        played.run()

    assert played.now == NOW


def test_a_deadline_counts_from_the_first_step_if_the_line_has_its_own() -> None:
    """What came before, such as the first list of models, is not counted.

    The timeout is fourteen seconds: the call began four seconds before.
    """
    played = in_line(60.0, timeout=10.0, started=NOW - 4.0)
    with pytest.raises(DeadlineExceeded):
        played.run()

    assert played.seconds == 30.0 + 14.0, "the whole timeout, after the line"


def test_without_a_deadline_only_the_line_is_bounded() -> None:
    played = in_line(60.0)
    played.fates = {"a": answers()}
    played.run()

    assert played.all(s.Sleep)[0].deadline == NOW + 60.0


def test_any_other_wait_counts_against_the_deadline() -> None:
    request = plan(A, timeout=10.0, extra={"max_wait": 99.0})
    played = Play(request, {"a": [fails(after=0.0), HANGS]})
    with pytest.raises(DeadlineExceeded):
        played.run()

    assert played.all(s.Sleep) == [s.Sleep(NOW + 1.0, None, NOW + 10.0)]
    assert played.seconds == 10.0


# -- late attempts ------------------------------------------------------------------------------


def test_a_late_attempt_goes_on_and_may_still_win() -> None:
    late = play(plan(A, B, timeout=60.0), {"a": answers(22.0), "b": answers(20.0)})

    assert late.asked_at[1][1] == "b"
    assert late.outcome is not None
    assert late.outcome.attempt.model is A
    assert [(c.attempt.model, c.why) for c in late.all(s.Cancel)] == [(B, "another answered")]


def test_the_soft_timeout_of_a_model_decides_when_another_is_asked() -> None:
    played = play(plan(A, B, stream=True), {"a": HANGS, "b": answers()})

    assert played.asked_at == [(0.0, "a"), (6.0, "b")], "three times the usual first token"
    assert played.sent[0].soft_timeout == 6.0


def test_an_overdue_attempt_that_is_cancelled_has_failed() -> None:
    played = play(plan(A, B, stream=True), {"a": HANGS, "b": answers(1.0)})
    record = played.state.health.models[A.identity]

    assert (record.failures, record.last_fault) == (1, "no-token")
    assert record.failure_seconds == pytest.approx(6.0), "then another was asked beside it"
    assert [(t.model, t.fault) for t in played.journal.tries] == [("a", "slow"), ("b", None)]


def test_a_failure_costs_the_time_until_another_was_asked() -> None:
    """What it took afterwards kept nobody waiting."""
    fates = {"a": fails(busy(), after=9.0), "b": answers(5.0)}
    played = play(plan(A, B, stream=True), fates)

    assert played.asked_at == [(0.0, "a"), (6.0, "b")]
    assert played.state.health.models[A.identity].failure_seconds == pytest.approx(6.0)


def test_an_attempt_that_is_cancelled_in_time_teaches_nothing() -> None:
    fates = {"a": answers(9.0, "x", token(8.0)), "b": answers(2.6)}
    played = play(plan(A, B, stream=True), fates)

    assert played.outcome is not None
    assert played.outcome.attempt.model is A
    assert played.state.health.models[B.identity].failures == 0


def test_a_probe_that_is_cancelled_leaves_the_probe_to_others() -> None:
    state = RoutingState()
    state.health.failed(B.identity, busy(), NOW - 3_600.0, Random(0))
    fates = {"a": answers(9.0, "x", token(8.0)), "b": HANGS}
    played = play(plan(A, B, stream=True), fates, state=state)

    assert played.asked == ["a", "b"]
    assert state.health.models[B.identity].strikes == 1, "b was the probe, not overdue"
    assert not state.health.models[B.identity].probing


def test_a_probe_that_is_abandoned_leaves_the_probe_to_others() -> None:
    """The caller gives up: the generator is closed with the attempt under way."""
    state = RoutingState()
    state.health.failed(A.identity, busy(), NOW - 3_600.0, Random(0))
    steps = route(plan(A), state, Journal(started=NOW), Random(0), now=NOW)
    assert isinstance(next(steps), s.Send)
    assert state.health.models[A.identity].probing
    assert state.health.in_flight == {A.identity: 1}
    steps.close()

    assert not state.health.models[A.identity].probing
    assert state.health.in_flight == {}
    assert set(state.adaptive_limits.in_flight.values()) == {0}


def test_no_more_than_three_attempts_are_in_flight() -> None:
    played = play(
        plan(A, B, C, D, stream=True),
        {"a": HANGS, "b": HANGS, "c": HANGS, "d": answers(0.1)},
    )

    assert MAX_IN_FLIGHT == 3
    assert played.asked == ["a", "b", "c", "d"]
    assert [(c.attempt.model, c.why) for c in played.all(s.Cancel)][:1] == [(A, "silent too long")]
    order = [type(step) for _, step in played.steps if isinstance(step, (s.Send, s.Cancel))]
    assert order[:5] == [s.Send, s.Send, s.Send, s.Cancel, s.Send]


def test_the_next_candidate_is_waited_for_beside_a_late_attempt() -> None:
    """Nobody else can be asked yet: as soon as one can, it is."""
    state = RoutingState()
    state.health.limit_spent(B.identity, NOW + 10.0)
    played = play(plan(A, B, stream=True), {"a": HANGS, "b": answers(1.0)}, state=state)

    assert played.asked_at == [(0.0, "a"), (10.0, "b")]


def test_a_late_attempt_that_speaks_is_late_no_more() -> None:
    """Its first token is hidden reasoning, so the stream does not commit."""
    fates = {"a": answers(40.0, "x", token(9.0, visible=False)), "b": fails(after=4.0), "c": HANGS}
    played = play(plan(A, B, C, stream=True), fates)

    assert played.asked == ["a", "b"], "c is not asked: a speaks"


def test_what_is_expected_of_an_unknown_model_is_reviewed_as_others_answer() -> None:
    """The pool learns meanwhile that models here are slow, so the attempt is not late yet."""
    state = RoutingState()

    class Learning(Play):
        def _event(self, step: s.Step) -> s.Event:
            if isinstance(step, s.Watch) and self.now == NOW + 5.0:
                self.state.health.pool.first_token = 10.0
            return super()._event(step)

    played = Learning(plan(A, B, stream=True), {"a": answers(20.0), "b": HANGS}, state=state)
    played.run()

    assert played.asked == ["a"]


# -- the deadline -------------------------------------------------------------------------------


def test_at_the_deadline_all_attempts_are_cancelled() -> None:
    played = Play(plan(A, B, timeout=10.0), {"a": HANGS, "b": HANGS})
    with pytest.raises(DeadlineExceeded, match="no answer within 10 s"):
        played.run()

    assert played.seconds == 10.0
    assert {c.why for c in played.all(s.Cancel)} == {"out of time"}
    assert len(played.all(s.Cancel)) == 2


def test_no_model_is_asked_after_the_deadline() -> None:
    """The news of a failure reaches a busy process only after the deadline."""

    class Busy(Play):
        def _watch(self, until: float) -> s.Event:
            return super()._watch(float("inf"))

    played = Busy(plan(A, B, timeout=10.0), {"a": fails(after=11.0), "b": answers()})
    with pytest.raises(Exhausted):
        played.run()

    assert played.asked == ["a"]


def test_one_attempt_has_only_a_share_of_the_time_left_alone() -> None:
    """A hanging model leaves time for others."""
    played = play(plan(A, B, C, timeout=20.0), {"a": HANGS, "b": HANGS, "c": answers(0.5)})

    assert played.asked_at[:2] == [(0.0, "a"), (8.0, "b")]


def test_the_share_is_never_less_than_the_time_that_an_answer_takes() -> None:
    """Near the deadline, attempts would cut each other short, and none would answer."""
    played = play(plan(A, B, C, timeout=20.0), {"a": HANGS, "b": HANGS, "c": answers(0.5)})
    usual = Timings().expected(USUAL_TOKENS)

    assert usual > 0.4 * 12.0
    assert played.asked_at[2] == (round(8.0 + usual, 3), "c")


QUEUED = {"one": Congestion(waiting=3)}


def test_a_model_that_could_hardly_answer_in_time_is_not_asked_while_others_wait() -> None:
    state = RoutingState()
    for _ in range(20):
        state.health.answered(A.identity, NOW, first_token=8.0, seconds=9.0, tokens=40)
    waiting = plan(A, B, timeout=5.0, extra={"congestion": QUEUED})
    played = play(waiting, {"b": answers()}, state=state)

    assert played.asked == ["b"]

    only = Play(plan(A, timeout=5.0, extra={"congestion": QUEUED}), {"a": answers()}, state=state)
    with pytest.raises(DeadlineExceeded):
        only.run()
    assert only.steps == []
    free = play(plan(A, timeout=5.0), {"a": answers()}, state=state)
    assert free.asked == ["a"], "where nobody waits it may be tried"


# -- validators and guards ----------------------------------------------------------------------

VALIDATED = ChatRequest.of("Good morning").but(validate=lambda answer: None)


def test_without_a_validator_and_guards_no_answer_is_validated() -> None:
    assert play(plan(A), {"a": answers()}).all(s.Validate) == []


def test_a_rejected_answer_is_followed_by_the_next_model() -> None:
    def judge(step: s.Validate) -> s.Judged:
        return s.Judged(0.0, "too short" if step.attempt.model is A else None)

    request = plan(A, B, request=VALIDATED, timeout=30.0)
    played = play(request, {"a": answers(), "b": answers()}, judge=judge)

    assert played.asked == ["a", "b"]
    assert played.journal.tries[0].cause == "invalid"
    assert played.all(s.Validate)[0].deadline == NOW + 30.0


def test_the_last_rejected_answer_is_kept_for_the_error() -> None:
    judged = s.Judged(0.0, "too short")
    with pytest.raises(Exhausted) as error:
        play(
            plan(A, request=VALIDATED, max_retries=0),
            {"a": answers(text="Hm, secret-key.")},
            judge=lambda step: judged,
        )

    assert error.value.answer.text == "Hm, [key]."


def test_guards_judge_the_model_and_their_flags_reach_the_outcome() -> None:
    ruling = Ruling(flags=(Flag("pii", "a name"),))
    before = Flag("prompt", "an address")
    guarded = plan(A, extra={"run_guards": lambda answer, name: ruling, "flags": (before,)})
    played = play(guarded, {"a": answers()}, judge=lambda step: s.Judged(0.0, None, True, ruling))

    assert played.outcome is not None
    assert played.outcome.flags == (before, *ruling.flags)
    assert played.state.health.models[A.identity].unsafe == 0.5


def test_an_answer_that_guards_reject_is_followed_by_the_next_model() -> None:
    rejected = Ruling(refused="unsafe")

    def judge(step: s.Validate) -> s.Judged:
        return s.Judged(0.0, None, True, rejected if step.attempt.model is A else Ruling())

    guarded = plan(A, B, extra={"run_guards": lambda answer, name: rejected})
    played = play(guarded, {"a": answers(), "b": answers()}, judge=judge)

    assert played.asked == ["a", "b"]
    assert played.state.health.models[A.identity].unsafe == 1.0


def test_an_event_that_is_no_judgement_accepts_the_answer() -> None:
    class Silent(Play):
        def _event(self, step: s.Step) -> s.Event:
            return s.Woke(self.now) if isinstance(step, s.Validate) else super()._event(step)

    assert Silent(plan(A, request=VALIDATED), {"a": answers()}).run().text == "Hello."


# -- the background lane ------------------------------------------------------------------------


def test_a_background_request_begins_and_ends_where_its_lane_is_counted() -> None:
    state = RoutingState()
    play(plan(A, extra={"lane": "background"}), {"a": answers()}, state=state)

    assert state.held(account("one"), NOW) is None


def test_after_a_refusal_of_the_account_a_background_request_goes_elsewhere() -> None:
    state = RoutingState()
    state.slow_start.refused(account("one").scope, NOW)
    played = play(
        plan(A, B, extra={"lane": "background"}),
        {"a": answers(), "b": answers()},
        state=state,
    )

    assert played.asked == ["b"]
    held = state.held(account("one"), NOW)
    assert held is not None
    assert held.reason == "a job begins slowly at one"
