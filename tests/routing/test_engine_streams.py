"""Streams: the first visible token decides, and what a broken stream leads to."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.errors import DeadlineExceeded, StreamBroken
from freerouter_core.routing import steps as s
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.ruling import Ruling
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest

from .driver import HANGS, Fates, Play, answers, busy, fails, model, plan, play, token

A, B, C, D = model("a"), model("b", "two"), model("c", "three"), model("d", "four")


def stream(*models: Any, **more: Any) -> Plan:
    return plan(*(models or (A, B, C)), stream=True, **more)


def continuing(*models: Any, **more: Any) -> Plan:
    return stream(*models, on_stream_break="continue", **more)


# -- before the first visible token -------------------------------------------------------------


def test_a_stream_commits_at_its_first_visible_token() -> None:
    fates = {"a": answers(3.0, "x", token(0.5, visible=False), token(1.0))}
    played = play(stream(A), fates)

    at = [at for at, step in played.steps if isinstance(step, s.Commit)]
    assert (at, played.all(s.Commit)[0].attempt) == ([1.0], played.sent[0])


def test_whole_answers_and_guarded_streams_commit_to_nothing() -> None:
    fates = {"a": answers(3.0, "x", token(1.0))}
    guarded = stream(A, extra={"run_guards": lambda answer, name: Ruling()})

    assert play(plan(A), fates).all(s.Commit) == []
    assert play(guarded, fates).all(s.Commit) == []


def test_a_failure_before_it_is_invisible() -> None:
    fates = {"a": fails(None, 1.0, token(0.5, visible=False)), "b": answers(1.0, "x", token(0.5))}
    played = play(stream(), fates)

    assert played.asked == ["a", "b"]
    assert [c.attempt.model for c in played.all(s.Commit)] == [B]


def test_the_first_attempt_that_speaks_wins_and_the_others_are_cancelled() -> None:
    fates = {"a": HANGS, "b": answers(3.0, "x", token(0.5))}
    played = play(stream(), fates)

    assert [(c.attempt.model, c.why) for c in played.all(s.Cancel)] == [(A, "another was first")]
    assert [at for at, step in played.steps if isinstance(step, (s.Commit, s.Cancel))] == [6.5, 6.5]


def test_a_committed_stream_commits_once_and_takes_all_the_time_it_needs() -> None:
    fates = {"a": answers(300.0, "x", token(1.0), token(2.0))}
    played = play(stream(A, B, timeout=20.0), fates)

    assert (len(played.all(s.Commit)), played.asked, played.seconds) == (1, ["a"], 300.0)


def test_a_stream_without_a_token_ends_at_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded, match="no first token within 10 s"):
        play(stream(A, timeout=10.0), {"a": HANGS})


# -- after it -----------------------------------------------------------------------------------


def test_a_failure_after_text_was_shown_breaks_the_stream() -> None:
    fates = {"a": fails(busy(message="gone"), 2.0, token(1.0), shown="Once upon")}
    played = Play(stream(), fates)
    with pytest.raises(StreamBroken, match="the stream of a broke: gone") as error:
        played.run()

    assert played.asked == ["a"]
    assert (error.value.status_code, error.value.model, error.value.should_retry) == (
        502,
        "a",
        True,
    )


def test_a_broken_stream_has_the_whole_answer_if_only_its_form_was_wrong() -> None:
    request = ChatRequest.of("x").but(validate=lambda answer: None)
    judged = s.Judged(0.0, "too short")
    with pytest.raises(StreamBroken) as error:
        play(
            stream(A, request=request),
            {"a": answers(2.0, "All of it.", token(1.0))},
            judge=lambda step: judged,
        )

    assert error.value.answer.text == "All of it."
    with pytest.raises(StreamBroken) as error:
        play(stream(A), {"a": fails(None, 2.0, token(1.0))})
    assert error.value.answer is None


def test_a_validator_of_a_committed_stream_has_no_deadline() -> None:
    request = ChatRequest.of("x").but(validate=lambda answer: None)
    fates = {"a": answers(2.0, "All of it.", token(1.0))}

    assert play(stream(A, request=request, timeout=9.0), fates).all(s.Validate)[0].deadline is None


def test_an_answer_that_was_shown_may_be_cut_by_the_callers_own_limit() -> None:
    error = {"message": "Token limit reached", "code": 400}
    fates = {"a": answers(2.0, "Once", token(1.0), finish_reason="length", error=error)}
    played = play(stream(A), fates)

    assert played.outcome is not None
    assert played.outcome.answer.error is None


def test_another_model_continues_a_broken_stream() -> None:
    fates = {
        "a": fails(None, 2.0, token(1.0), shown="Once upon"),
        "b": answers(2.0, " a time.", token(1.0)),
    }
    played = play(continuing(), fates)

    assert [attempt.resumes for attempt in played.sent] == [None, "Once upon"]
    assert [c.attempt.model for c in played.all(s.Commit)] == [A, B]
    assert played.outcome is not None
    seam = {"at": 9, "model": "a", "provider": "one", "fault": "busy"}
    assert played.outcome.metadata["seams"] == [seam]


def test_a_continuation_has_as_long_for_its_first_token_as_the_first_attempt() -> None:
    """The stream broke long after the deadline for its own first token."""
    fates: Fates = {
        "a": [fails(None, 100.0, token(1.0), shown="Once upon"), HANGS],
        "b": answers(9.0, " a time.", token(8.0)),
    }
    played = play(continuing(A, B, timeout=10.0), fates)
    assert played.seconds == 109.0

    fates = {**fates, "b": HANGS}
    late = Play(continuing(A, B, timeout=10.0), fates)
    with pytest.raises(StreamBroken, match="nobody could continue it: no first token within"):
        late.run()
    assert late.seconds == 110.0


def test_a_stream_that_no_model_continues_is_broken() -> None:
    fates = {"a": fails(None, 2.0, token(1.0), shown="Once upon"), "b": fails()}
    with pytest.raises(StreamBroken, match="the stream of a broke") as error:
        play(continuing(A, B, max_retries=1), fates)

    assert "nobody could continue it" in error.value.message


def test_a_continuation_that_breaks_the_rules_of_a_stream_keeps_its_own_error() -> None:
    fates = {
        "a": fails(None, 2.0, token(1.0), shown="Once upon"),
        "b": fails(busy(message="again"), 2.0, token(1.0), shown=s.Shown("Once", True, 4)),
    }
    with pytest.raises(StreamBroken, match="the stream of b broke: again"):
        play(continuing(A, B), fates)


def test_two_models_with_nothing_to_add_end_a_broken_stream_that_is_whole() -> None:
    fates = {
        "a": fails(None, 2.0, token(1.0), shown="Once upon a time."),
        "b": answers(text=""),
        "c": answers(text=""),
    }
    assert Play(continuing(), fates).run().text == "Once upon a time."


def test_after_a_second_break_two_models_must_agree_again() -> None:
    fates: Fates = {
        "a": fails(None, 2.0, token(1.0), shown="Once upon"),
        "b": answers(text=""),
        "c": fails(None, 2.0, token(1.0), shown="Once upon a time."),
        "d": [answers(text=""), answers(text="")],
    }
    with pytest.raises(StreamBroken):
        play(continuing(A, B, C, D, max_retries=3), fates)


def test_news_of_a_cancelled_attempt_changes_nothing() -> None:
    class Slow(Play):
        """Its cancellations come after the news."""

        def _forget(self, number: int) -> None:
            pass

    fates = {"a": fails(after=7.0), "b": answers(3.0, "x", token(0.5))}
    played = Slow(stream(), fates)

    assert played.run().attempt.model is B
    assert [t.fault for t in played.journal.tries] == ["slow", None]
    assert any(isinstance(e.what, s.Failed) for e in played.journal.entries), "it is written down"


def test_no_refusal_of_the_content_is_continued() -> None:
    refused = Fault(Kind.REFUSED, Cause.MODERATION, "no", status=403)
    fates = {"a": fails(refused, 2.0, token(1.0), shown="Once"), "b": answers()}
    with pytest.raises(StreamBroken) as error:
        play(continuing(A, B), fates)

    assert not error.value.should_retry
