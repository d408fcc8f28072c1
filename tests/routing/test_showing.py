"""What the caller of a stream sees: thoughts commit nobody, objects begin again, calls are told."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.errors import DeadlineExceeded, Exhausted, StreamBroken
from freerouter_core.routing import steps as s
from freerouter_core.routing.candidate import Candidate
from freerouter_core.routing.in_flight import InFlight
from freerouter_core.routing.plan import Outcome, Plan
from freerouter_core.routing.ruling import Ruling
from freerouter_core.routing.showing import Showing
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured
from freerouter_core.wire.tool_calls import ToolCall

from .driver import (
    HANGS,
    Fates,
    Play,
    account,
    answers,
    busy,
    fails,
    model,
    plan,
    play,
    thought,
    token,
)

A, B, C = model("a"), model("b", "two"), model("c", "three")
TOOL = {"type": "function", "function": {"name": "find", "parameters": {}}}
TOOLS = ChatRequest.of("x").but(tools=[TOOL])
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
OBJECT = ChatRequest.of("x").but(structured=Structured(SCHEMA), replaces=True)
CUT = ToolCall("1", "find", '{"path": "/home/me')
WHOLE = ToolCall("2", "find", '{"path": "/"}')
UNKNOWN = ToolCall("3", "delete", "{}")


def stream(*models: Any, **more: Any) -> Plan:
    return plan(*(models or (A, B, C)), stream=True, **more)


def outcome_of(played: Play) -> Outcome:
    assert played.outcome is not None
    return played.outcome


# -- thoughts ------------------------------------------------------------------------------------


def test_thoughts_are_shown_and_commit_nobody() -> None:
    fates = {
        "a": fails(busy(), 9.0, thought(0.5)),
        "b": answers(2.0, "x", thought(0.5), token(1.0)),
    }
    played = play(stream(), fates)

    assert [show.attempt.model for show in played.all(s.Show)] == [A, B]
    assert [commit.attempt.model for commit in played.all(s.Commit)] == [B]
    assert outcome_of(played).metadata["replaced"] == [
        {"what": "reasoning", "model": "a", "provider": "one", "fault": "busy"}
    ]


@pytest.mark.parametrize(
    "flaw",
    [
        answers(2.0, "", thought(0.5)),
        answers(2.0, "", thought(0.5), finish_reason="length"),
        answers(2.0, "", thought(0.5), tool_calls=(CUT,)),
        answers(2.0, "", thought(0.5), tool_calls=(UNKNOWN,)),
        answers(2.0, "half", thought(0.5), finish_reason=None, complete=False),
        answers(2.0, "", thought(0.5), error={"code": 429}),
        fails(Fault(Kind.SLOW, Cause.STALL), 30.0, thought(0.5)),
    ],
)
def test_after_thoughts_any_flaw_is_another_models_turn(flaw: Any) -> None:
    played = play(stream(request=TOOLS), {"a": flaw, "b": answers(tool_calls=(WHOLE,))})

    assert (played.asked, outcome_of(played).answer.tool_calls) == (["a", "b"], (WHOLE,))


def test_the_thoughts_of_one_attempt_are_shown_at_a_time() -> None:
    """The late one goes on silently; when the other fails, its thoughts are shown."""
    fates = {
        "a": answers(20.0, "x", thought(9.0), token(15.0)),
        "b": fails(busy(), 6.0, thought(1.0)),
        "c": HANGS,
    }
    played = play(stream(), fates)

    shows = [(at, show.attempt.model) for at, show in played.steps if isinstance(show, s.Show)]
    assert shows == [(7.0, B), (12.0, A)]
    assert outcome_of(played).attempt.model is A


def test_text_of_one_attempt_takes_the_place_of_anothers_thoughts() -> None:
    fates = {"a": answers(30.0, "x", thought(7.0)), "b": answers(3.0, "y", token(2.0))}
    played = play(stream(A, B), fates)

    assert (outcome_of(played).attempt.model, played.all(s.Cancel)[0].attempt.model) == (B, A)
    assert outcome_of(played).metadata["replaced"][0]["fault"] is None


def test_guarded_streams_and_whole_answers_show_no_thoughts() -> None:
    fates = {"a": answers(3.0, "x", thought(1.0))}
    guarded = stream(A, extra={"run_guards": lambda answer, name: Ruling()})

    assert play(guarded, fates).all(s.Show) == play(plan(A), fates).all(s.Show) == []


def test_the_deadline_does_not_cut_an_attempt_that_thinks() -> None:
    fates = {"a": answers(99.0, "x", thought(1.0), token(90.0))}

    assert play(stream(A, timeout=10.0), fates).seconds == 99.0


def test_time_spent_on_thoughts_that_led_nowhere_does_not_count() -> None:
    """Nobody waited for a first token meanwhile: the others have what was left at the first."""
    fates: Fates = {
        "a": [fails(busy(), 99.0, thought(1.0)), HANGS],
        "b": answers(9.0, "x", token(8.0)),
    }
    assert outcome_of(play(stream(A, B, timeout=10.0), fates)).attempt.model is B

    with pytest.raises(DeadlineExceeded):
        play(stream(A, B, timeout=10.0), {**fates, "b": HANGS})


# -- objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        fails(busy(), 2.0, token(1.0)),
        answers(2.0, '{"n": ', token(1.0)),
        answers(2.0, '{"n": "x"}', token(1.0)),
        fails(Fault(Kind.REFUSED, Cause.MODERATION), 2.0, token(1.0)),
    ],
)
def test_an_object_begins_again_on_another_model(broken: Any) -> None:
    fates = {"a": broken, "b": answers(2.0, '{"n": 1}', token(1.0))}
    played = play(stream(request=OBJECT), fates)

    assert [commit.attempt.model for commit in played.all(s.Commit)] == [A, B]
    assert played.sent[1].resumes is None
    assert outcome_of(played).text == '{"n": 1}'
    assert outcome_of(played).metadata["replaced"][0]["what"] == "object"
    assert "seams" not in outcome_of(played).metadata


def test_an_object_that_nobody_finishes_is_a_broken_stream_with_the_last_answer() -> None:
    fates = {name: answers(2.0, '{"n": "x"}', token(1.0)) for name in ("a", "b")}
    with pytest.raises(StreamBroken, match="nobody could continue it") as caught:
        play(stream(A, B, request=OBJECT, max_retries=1), fates)

    assert caught.value.answer.text == '{"n": "x"}'


def test_an_object_whose_reader_takes_only_text_does_not_begin_again() -> None:
    with pytest.raises(StreamBroken):
        play(stream(request=OBJECT.but(replaces=False)), {"a": fails(busy(), 2.0, token(1.0))})


def test_where_streams_are_continued_an_object_is_too_and_begins_again_only_then() -> None:
    fates = {
        "a": fails(busy(), 2.0, token(1.0), shown='{"n"'),
        "b": answers(2.0, ": x}", token(1.0), shown=s.Shown('{"n": x}', False, 8)),
        "c": answers(2.0, '{"n": 1}', token(1.0)),
    }
    played = play(stream(request=OBJECT, on_stream_break="continue"), fates)

    assert [attempt.resumes for attempt in played.sent] == [None, '{"n"', None]
    assert outcome_of(played).seams == ()


# -- flawed calls --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "finish", "valid", "problem"),
    [
        ((CUT,), "stop", (), "no complete JSON object"),
        ((CUT,), "length", (), "no complete JSON object"),
        ((ToolCall("1", "find", ""),), "length", (), "no complete JSON object"),
        ((UNKNOWN,), "tool_calls", (), "was not offered"),
        ((ToolCall("1", "", "{}"),), "tool_calls", (), "was not offered"),
        ((WHOLE, CUT), "tool_calls", (WHOLE,), "no complete JSON object"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_flawed_call_reaches_the_caller_as_an_invalid_one_if_nobody_is_left(
    calls: Any, finish: str, valid: Any, problem: str, streamed: bool
) -> None:
    text = "I look." if streamed else ""
    news = [token(1.0)] if streamed else []
    fates = {"a": answers(2.0, text, *news, tool_calls=calls, finish_reason=finish)}
    asked = stream(A, B, request=TOOLS) if streamed else plan(A, request=TOOLS, max_retries=1)
    answer = outcome_of(play(asked, fates)).answer

    assert (answer.text, answer.tool_calls, answer.error) == (text, valid, None)
    assert [problem in call.problem for call in answer.invalid_calls] == [True]


def test_before_that_another_model_is_asked() -> None:
    played = play(plan(A, B, request=TOOLS), {"a": answers(tool_calls=(CUT,)), "b": answers()})

    assert (played.asked, outcome_of(played).answer.invalid_calls) == (["a", "b"], ())


def test_a_call_as_text_is_an_invalid_call_too() -> None:
    text = '<tool_call>{"name": "find", "arguments": {}}</tool_call>'
    answer = outcome_of(
        play(plan(A, request=TOOLS, max_retries=0), {"a": answers(1.0, text)})
    ).answer

    assert (answer.text, [call.name for call in answer.invalid_calls]) == ("", ["find"])
    assert answer.invalid_calls[0].arguments == text


@pytest.mark.parametrize(
    ("choice", "problem"),
    [("none", "no tool may be called now"), ({"function": {"name": "look"}}, "only 'look' may")],
)
def test_a_call_that_was_not_wanted_is_an_invalid_one(choice: Any, problem: str) -> None:
    look = {"type": "function", "function": {"name": "look"}}
    request = TOOLS.but(tools=[TOOL, look], tool_choice=choice)
    played = play(
        plan(A, request=request, max_retries=0), {"a": answers(1.0, "", tool_calls=(WHOLE,))}
    )

    assert problem in outcome_of(played).answer.invalid_calls[0].problem


def test_a_stream_that_breaks_in_the_middle_of_a_call_is_an_invalid_call() -> None:
    partial = Answer("I look.", tool_calls=(CUT,), complete=False)
    fates = {"a": fails(busy(), 2.0, token(1.0), partial=partial)}
    answer = outcome_of(play(stream(request=TOOLS), fates)).answer

    assert (answer.text, len(answer.invalid_calls)) == ("I look.", 1)
    mid_error = answers(2.0, "I look.", token(1.0), tool_calls=(CUT,), error={"code": 502})
    answer = outcome_of(play(stream(request=TOOLS), {"a": mid_error})).answer
    assert len(answer.invalid_calls) == 1


@pytest.mark.parametrize(
    "fate",
    [
        fails(busy(), 2.0, token(1.0), partial=Answer("x")),
        fails(busy(), 2.0, token(1.0)),
        answers(2.0, "I look.", token(1.0), finish_reason=None, complete=False),
    ],
)
def test_text_that_breaks_off_without_a_call_is_a_broken_stream(fate: Any) -> None:
    with pytest.raises(StreamBroken):
        play(stream(request=TOOLS), {"a": fate})


def test_where_no_tools_are_offered_nobody_waits_for_an_invalid_call() -> None:
    with pytest.raises(Exhausted):
        play(plan(A, max_retries=0), {"a": answers(1.0, "", tool_calls=(CUT,))})


def test_guards_see_every_answer_so_a_flawed_one_is_no_way_around_them() -> None:
    guarded = plan(
        A, request=TOOLS, max_retries=0, extra={"run_guards": lambda answer, name: Ruling()}
    )
    with pytest.raises(Exhausted):
        play(guarded, {"a": answers(tool_calls=(CUT,))})


def test_a_text_that_was_shown_and_cut_by_the_callers_limit_is_judged_again() -> None:
    """A call in it is cut as well (LangChain would run `delete_file("/home/me")`)."""
    error = {"message": "Token limit reached", "code": 400}
    cut: dict[str, Any] = {"finish_reason": "length", "error": error}
    text = outcome_of(play(stream(), {"a": answers(2.0, "Once", token(1.0), **cut)})).answer
    assert (text.text, text.error, text.finish_reason) == ("Once", None, "length")

    fates = {"a": answers(2.0, "I look.", token(1.0), tool_calls=(CUT,), **cut)}
    answer = outcome_of(play(stream(request=TOOLS), fates)).answer
    assert (answer.tool_calls, len(answer.invalid_calls)) == ((), 1)

    begun = {"a": answers(2.0, '{"n": ', token(1.0), **cut), "b": answers(1.0, '{"n": 1}')}
    assert outcome_of(play(stream(request=OBJECT), begun)).attempt.model is B


def test_the_journal_keeps_no_key_of_what_a_broken_stream_was_about_to_call() -> None:
    secret = Answer("x", tool_calls=(ToolCall("1", "find", '{"k": "secret-key'),))
    fates = {"a": fails(busy(), 2.0, token(1.0), partial=secret)}
    played = play(stream(request=TOOLS), fates)

    kept = [e.what.partial for e in played.journal.entries if isinstance(e.what, s.Failed)]
    assert kept[0] is not None
    assert "secret-key" not in repr(kept)
    assert "(a thought)" not in "".join(played.journal.render())


def test_a_thinking_attempt_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    """The first of three silent ones goes when a fourth is sent."""
    first = s.Attempt(number=1, model=A, account=account(), soft_timeout=9.0, stall_timeout=9.0)
    flight = InFlight(
        attempt=first,
        candidate=Candidate(model=A, account=account()),
        sent=0.0,
        review_at=0.0,
        hedge_at=0.0,
    )
    showing = Showing(stream())

    assert showing.token(flight, s.Token(1.0, 1, False, True)) == s.Show(flight.attempt)
    showing.cancelled(flight)
    assert showing.thinking is None
    assert [one.record()["fault"] for one in showing.replaced] == [None]
    assert showing.next_thought((flight,)) == s.Show(flight.attempt)
