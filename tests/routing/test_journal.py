"""The journal of a request: the log, the trail of an error, the golden file of a test."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.errors import Exhausted
from freerouter_core.routing import steps as s
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.plan import Cached, Outcome
from freerouter_core.routing.resume import Seam
from freerouter_core.routing.ruling import Flag, Ruling
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.request import ChatRequest

from .driver import HANGS, NOW, Play, account, answers, busy, fails, model, plan, play, token

A, B = model("a"), model("b", "two")


def test_a_request_reads_line_by_line() -> None:
    fates = {
        "a": fails(busy(until=NOW + 90.0), 1.5),
        "b": answers(2.0, "x", token(0.5, visible=False), token(1.0)),
    }
    request = plan(A, B, stream=True, request=ChatRequest.of("x").but(validate=lambda answer: None))
    journal = play(request, fates).journal

    assert journal.render() == [
        "   0.000  send     #1 a",
        "   1.500  failed   #1 a: busy server [502] until +90.0 s",
        "   1.500  send     #2 b",
        "   2.000  token    #2 b (not shown)",
        "   2.500  token    #2 b",
        "   2.500  commit   #2 b",
        "   3.500  done     #2 b: stop",
        "   3.500  judged   accepted",
    ]
    assert repr(journal) == f"<Journal {len(journal.entries)} entries, 2 attempts>"


def test_a_journal_shows_limits_waits_hedges_and_cancellations() -> None:
    limited = account("one", limits=(Limit(requests=20),))
    played = play(plan(A, accounts=[limited]), {"a": answers()}, full={limited.scope: NOW + 30.0})
    assert played.journal.render()[:2] == [
        "   0.000  limit    reached until +30.0 s",
        "   0.000  sleep    until +30.0 s",
    ]

    late = play(plan(A, B, stream=True), {"a": HANGS, "b": answers()})
    assert "   7.000  cancel   #1 a: another answered" in late.journal.render()


def test_how_an_attempt_without_the_price_cap_and_a_hedge_read() -> None:
    attempt = s.Attempt(
        number=3,
        model=A,
        account=account(),
        soft_timeout=5.0,
        stall_timeout=20.0,
        price_cap=False,
        hedge=True,
    )
    journal = Journal(started=NOW)
    journal.add(NOW, s.Send(attempt))
    journal.add(NOW, s.Failed(NOW, 3, busy(status=None)))
    journal.add(NOW, s.Token(NOW, 9, True))

    assert [line[10:] for line in journal.render()] == [
        "send     #3 a (hedge) (without price cap)",
        "failed   #3 a: busy server",
        "token    #9 ?",
    ]


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        (s.Judged(NOW, "too short"), "rejected: too short"),
        (s.Judged(NOW, None, True, Ruling(refused="unsafe")), "rejected: unsafe"),
        (s.Judged(NOW, None), "accepted"),
        (
            s.Judged(NOW, None, True, Ruling(flags=(Flag("a", "x"), Flag("b", "y")))),
            "flagged: a: x; b: y",
        ),
    ],
)
def test_how_an_opinion_reads(judged: s.Judged, message: str) -> None:
    journal = Journal(started=NOW)
    journal.add(NOW, judged)

    assert journal.render() == [f"   0.000  judged   {message}"]


def test_attempts_as_metadata_and_errors_tell_them() -> None:
    with pytest.raises(Exhausted) as error:
        play(plan(A, max_retries=0), {"a": fails(after=1.23456)})

    assert error.value.attempts == [
        {"model": "a", "provider": "one", "fault": "busy", "status": 502, "seconds": 1.2346}
    ]


def test_failures_are_kept_with_all_that_was_understood() -> None:
    fault = busy(hint="wait")
    played = play(plan(A, B), {"a": fails(fault), "b": answers()})

    assert [(attempt.model, f) for attempt, f in played.journal.failures] == [(A, fault)]


def test_no_line_holds_a_key() -> None:
    fates = {
        "a": fails(busy(message="secret-key")),
        "b": answers(1.0, "my secret-key", id="secret-key"),
    }
    played = play(plan(A, B), fates)

    ended = [e.what for e in played.journal.entries if isinstance(e.what, (s.Failed, s.Done))]
    assert len(ended) == 2
    assert "secret-key" not in repr(ended)


def test_the_trace_tells_attempts_under_way_as_cancelled() -> None:
    played = Play(plan(A, B, timeout=60.0), {"a": answers(20.0), "b": HANGS})
    played.run()
    trace = played.journal.trace(NOW, NOW + 20.0, "auto", streamed=False)
    assert [(t.model, t.fault) for t in trace.tries] == [("b", "cancelled"), ("a", None)]
    assert (trace.asked, trace.streamed, trace.at) == ("auto", False, NOW)

    open_journal = Journal(started=NOW)
    open_journal.add(NOW + 1.0, s.Send(played.sent[0]))
    (attempt,) = open_journal.trace(NOW, NOW + 9.0, "auto", streamed=True).tries
    assert (attempt.fault, attempt.seconds, attempt.status) == ("cancelled", 8.0, None)


def test_an_answered_attempt_has_status_200_and_no_cause() -> None:
    (tried,) = play(plan(A), {"a": answers()}).journal.tries

    assert (tried.fault, tried.cause, tried.status, tried.seconds) == (None, "", 200, 1.0)


def test_why_models_were_no_candidates_is_in_the_journal() -> None:
    old = model("old", expires=NOW - 1.0)

    assert play(plan(A, old), {"a": answers()}).journal.skipped == {
        "old": "its catalogue entry has expired"
    }


# -- the outcome --------------------------------------------------------------------------------


def test_what_both_adapters_tell_of_an_answer() -> None:
    outcome = Play(plan(A), {"a": answers(model="a-1", id="7", usage={"cost": 0.5})}).run()

    assert outcome.metadata == {
        "model_name": "a-1",
        "requested_model": "a",
        "model_id": "a",
        "upstream_provider": "one",
        "provider": "one",
        "finish_reason": "stop",
        "native_finish_reason": None,
        "cost": 0.5,
        "id": "7",
        "attempts": [
            {"model": "a", "provider": "one", "fault": None, "status": 200, "seconds": 1.0}
        ],
    }


def test_optional_metadata_appears_only_if_it_is_known() -> None:
    played = play(plan(A), {"a": answers()})
    further: dict[str, Any] = Outcome(
        answer=Answer("x", simulated=True, upstream="host", logprobs={"content": []}),
        attempt=played.sent[0],
        journal=played.journal,
        seams=(Seam(4, played.sent[0], busy()),),
        flags=(Flag("pii", "a name"),),
        aside="Call 112.",
        cached=Cached(2.0),
    ).metadata

    assert further["cached"] == {"age": 2.0, "model": "a", "joined": False}
    assert further["logprobs"] == {"content": []}
    assert further["upstream_provider"] == "host"
    assert further["seams"][0]["at"] == 4
    assert further["flags"] == [{"guard": "pii", "reason": "a name"}]
    assert (further["prepend"], further["simulated"]) == ("Call 112.", True)
