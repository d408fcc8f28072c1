"""One attempt, from its response to the answer and to what a caller may see."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest
from freerouter_core.routing import steps as s
from freerouter_core.routing.engine import Route
from freerouter_core.routing.policy import Policy
from freerouter_core.runtime.attempt import DONE_TIMEOUT, ERROR_BODY_TIMEOUT, FINISH_TIMEOUT
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Kind
from freerouter_core.wire.structured import Structured

from .rig import KEY, TOOLS, Chunks, Drive, Reply, Rig, attempt, calls, done, failed, says, thinks

STREAM_END = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"
USAGE: dict[str, Any] = {"choices": [], "usage": {"total_tokens": 9}}


@pytest.fixture
def receive(clock: VirtualClock, drive: Drive) -> Any:
    """Send one attempt and return (its last event, seconds until then, the rig)."""

    def run(reply: Any, *, commit: bool = False, **options: Any) -> tuple[s.Event, float, Rig]:
        rig = Rig(Chunks(reply), clock)
        events: list[s.Event] = []

        def route() -> Route:
            yield s.Send(attempt())
            while not isinstance(event := (yield s.Watch(rig.start + 900.0)), (s.Done, s.Failed)):
                if commit and isinstance(event, s.Token) and event.visible:
                    yield s.Commit(attempt())
            events.append(event)
            return rig.outcome(Answer(text="x"), 2)

        drive(rig, route, **{"stream": True, **options})
        return events[0], round(events[0].at - rig.start, 3), rig

    return run


# -- the end of a response -------------------------------------------------------------------------


def test_after_done_the_response_is_read_to_its_end_but_not_for_long(receive: Any) -> None:
    script = [says("all", "stop"), STREAM_END, *[0.1, COMMENT] * 40]
    event, seconds, _ = receive(script)

    assert done(event).text == "all"
    assert seconds == DONE_TIMEOUT


def test_after_a_finish_reason_the_usage_may_follow(receive: Any) -> None:
    event, seconds, _ = receive([says("all", "stop"), 1.5, USAGE, *[0.1, COMMENT] * 90])

    assert done(event).usage == {"total_tokens": 9}
    assert seconds == FINISH_TIMEOUT, "comments do not put the end off"


def test_a_cut_after_the_finish_reason_loses_nothing(receive: Any) -> None:
    event, _, _ = receive([says("all", "stop"), httpx.ReadError("cut")])

    assert done(event).text == "all"


def test_a_cut_before_the_finish_reason_is_a_failure(receive: Any) -> None:
    event, _, _ = receive([says("half of"), httpx.ReadError("cut")])

    assert failed(event).cause == Cause.CUT


def test_an_event_without_its_blank_line_is_read(receive: Any) -> None:
    tail = b"data: " + json.dumps(says("end", "stop")).encode()
    event, _, _ = receive([says("the "), tail])

    assert done(event).text == "the end"


def test_a_plain_answer_to_a_streamed_request_is_read(receive: Any) -> None:
    whole = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
    for headers in ({"content-type": "text/event-stream"}, {"content-type": "application/json"}):
        event, _, _ = receive(Reply([b" " + json.dumps(whole).encode()], headers=headers))
        assert done(event).text == "whole"


def test_a_line_without_an_end_is_no_stream(receive: Any) -> None:
    event, _, _ = receive([b"data: " + b"x" * 1_000_000] * 17)

    assert failed(event).cause == Cause.PROTOCOL


# -- an error --------------------------------------------------------------------------------------


def test_the_status_of_an_error_is_enough_if_its_body_does_not_come(receive: Any) -> None:
    event, seconds, _ = receive(Reply([500.0], status=503))
    fault = failed(event)

    assert (fault.kind, fault.status) == (Kind.BUSY, 503)
    assert seconds == ERROR_BODY_TIMEOUT


def test_an_error_quotes_no_key(receive: Any) -> None:
    body = json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()
    event, _, _ = receive(Reply([body], status=500))

    assert "bad key" in failed(event).message
    assert KEY not in failed(event).message


def test_an_error_inside_an_answer_quotes_no_key(receive: Any) -> None:
    event, _, _ = receive([{"error": {"code": 502, "message": f"bad key {KEY}"}, "choices": []}])
    error = done(event).error

    assert "bad key" in str(error)
    assert KEY not in str(error)


def test_headers_that_call_a_limit_spent_reach_the_engine(receive: Any) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}
    event, _, rig = receive(Reply([says("all", "stop")], headers=headers))

    assert isinstance(event, s.Done)
    assert event.spent_until == pytest.approx(rig.start + 30.0)


# -- a structured object ---------------------------------------------------------------------------

OBJECT = ChatRequest.of("x").but(structured=Structured({"type": "object"}))


def shown(rig: Rig) -> list[tuple[str, str]]:
    return [(delta.text, delta.reasoning) for delta in rig.shown]


def test_thoughts_do_not_wait_for_the_object_to_begin(receive: Any) -> None:
    script = [thinks("let me "), thinks("see"), says('{"a"'), says(": 1}", "stop")]
    event, _, rig = receive(script, commit=True, request=OBJECT)

    assert done(event).text == '{"a": 1}'
    assert shown(rig) == [("", "let me "), ("", "see"), ('{"a"', ""), (": 1}", "")]


def test_prose_before_an_object_is_not_shown(receive: Any) -> None:
    script = [says("Sure! "), says('{"a": 1}', "stop")]
    event, _, rig = receive(script, commit=True, request=OBJECT)

    assert done(event).text == 'Sure! {"a": 1}'
    assert shown(rig) == []


def test_a_model_that_calls_a_tool_instead_loses_no_word(receive: Any) -> None:
    script = [thinks("hm"), says("I will look. "), calls("{}", "f", "tool_calls")]
    request = OBJECT.but(tools=TOOLS)
    event, _, rig = receive(script, commit=True, request=request)

    assert [call.name for call in done(event).tool_calls] == ["f"]
    assert shown(rig) == [("", "hm"), ("I will look. ", "")]


def test_pieces_of_a_call_are_shown_only_if_the_caller_wants_fragments(receive: Any) -> None:
    script = [says("Look: "), calls('{"a": 1}', "f", "tool_calls")]
    request = ChatRequest.of("x").but(tools=TOOLS)
    pieces = {}
    for how in ("whole", "fragments"):
        policy = Policy(tool_streaming=how)
        _, _, rig = receive(script, commit=True, request=request, policy=policy)
        pieces[how] = [f.arguments for delta in rig.shown for f in delta.fragments]

    assert pieces == {"whole": [], "fragments": ['{"a": 1}']}
