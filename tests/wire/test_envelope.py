"""Bodies of status 200 that are no answers, or answers in an envelope."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.envelope import error_told, words_of
from freerouter_core.wire.error_text import judge_text
from freerouter_core.wire.event_body import answer_in_events
from freerouter_core.wire.fault import Cause, Fault
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_embedded
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.stream import Assembler

NOW = 1_795_953_600.0
CHOICES = [{"message": {"content": "hi"}, "finish_reason": "stop"}]
CHUNKS = [
    {"choices": [{"delta": {"content": "hi"}, "finish_reason": None}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
]
CHAT = ChatOperation(ChatRequest([{"role": "user", "content": "Tell me"}]))


def judged(answer: Answer) -> tuple[Answer, Fault | None]:
    return CHAT.judge(answer, NOW)


def streamed(*chunks: Any) -> Answer:
    assembler = Assembler("a")
    for chunk in chunks:
        assembler.feed_data(json.dumps(chunk))
    assembler.close()
    return assembler.answer()


# -- answers ---------------------------------------------------------------------------------------

WRAPPERS: list[Any] = [
    lambda inner: inner,
    lambda inner: [inner],
    lambda inner: {"code": 0, "msg": "ok", "data": inner},
    lambda inner: {"result": inner, "success": True, "errors": [], "messages": []},
    lambda inner: {"response": {"body": inner}},
    lambda inner: {"data": [inner]},
    lambda inner: {**inner, "errors": [], "error": None, "base_resp": {"status_code": 0}},
]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_an_answer_is_found_in_its_envelope(wrap: Any) -> None:
    whole, fault = judged(read_answer(wrap({"choices": CHOICES})))
    assert (whole.text, fault) == ("hi", None)

    pieces, fault = judged(streamed(*map(wrap, CHUNKS)))
    assert (pieces.text, fault) == ("hi", None)


@pytest.mark.parametrize("wraps", [1, 2, 3])
def test_envelopes_in_envelopes_are_opened(wraps: int) -> None:
    body: Json = {"choices": CHOICES}
    for _ in range(wraps):
        body = {"data": body}
    assert read_answer(body).text == "hi"


def test_not_every_depth_is_opened() -> None:
    body: Json = {"choices": CHOICES}
    for _ in range(9):
        body = {"data": body}
    assert read_answer(body).empty


# -- errors ----------------------------------------------------------------------------------------

ERRORS: list[tuple[Json, Cause, str]] = [
    ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, Cause.DEBT,
     "insufficient balance"),
    ({"base_resp": {"status_code": 1004, "status_msg": "login fail: invalid api key"}},
     Cause.KEY_REFUSED, "login fail"),
    ({"error_code": 17, "error_msg": "Open api daily request limit reached"}, Cause.ACCOUNT_DAY,
     "daily"),
    ({"error_code": 110, "error_msg": "Access token invalid or no longer valid"},
     Cause.KEY_REFUSED, "Access token"),
    ({"Response": {"Error": {"Code": "LimitExceeded", "Message": "Rate limit exceeded"}}},
     Cause.AMBIGUOUS_429, "Rate limit"),
    ({"success": False, "message": "Your account balance is insufficient"}, Cause.DEBT, "balance"),
    ({"status": "maintenance", "message": "Back soon"}, Cause.SERVER, "Back soon"),
    ({"status": 429, "title": "Too Many Requests"}, Cause.AMBIGUOUS_429, "Too Many"),
    ({"object": "error", "message": "The model is overloaded", "code": 50305}, Cause.NOT_LOADED,
     "overloaded"),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
     Cause.SERVER, "Overloaded"),
    ({"errors": [{"message": "AiError: Capacity temporarily exceeded", "code": 3040}]},
     Cause.NOT_LOADED, "Capacity"),
    ({"errors": ["no such model"]}, Cause.NOT_A_MODEL, "no such model"),
    ({"errors": {"message": "Request limit exceeded."}}, Cause.SERVER, "Request limit"),
    ({"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"},
     Cause.AMBIGUOUS_429, "rate limit"),
    ({"error": "content_filter"}, Cause.MODERATION, "content_filter"),
    ({"error": {"message": "x", "type": "billing_error"}}, Cause.DEBT, "x"),
    ({"error": {"message": "Provider returned error: insufficient balance"}}, Cause.SERVER,
     "Provider"),
    ({"error": {"message": "It broke", "code": "17"}}, Cause.SERVER, "It broke"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "cause", "says"), ERRORS, ids=[says for *_, says in ERRORS])
def test_an_error_in_a_success_is_found_and_understood(body: Json, cause: Cause, says: str) -> None:
    for answer in (read_answer(body), streamed(body)):
        _, fault = judged(answer)
        assert fault is not None
        assert fault.cause is cause
        assert says in fault.message


NO_ERRORS: list[Json] = [
    {},
    {"code": 0, "message": "keepalive"},
    {"status": "processing", "message": "in line"},
    {"status": True, "message": "in line"},
    {"errors": [], "result": {}},
    {"errors": [{}]},
    {"errors": 7},
    {"base_resp": {"status_code": 0, "status_msg": "success"}},
    {"success": False},
    {"Response": {"Choices": []}},
    {"code": 500},
]


@pytest.mark.parametrize("body", NO_ERRORS, ids=str)
def test_nothing_else_is_an_error(body: Json) -> None:
    assert error_told(body) is None


def test_words_that_are_no_answer_are_told_whatever_their_shape() -> None:
    """And an event of such words is a heartbeat unless the stream ends with it."""
    body = {"message": "The service moved to another address"}
    for answer in (read_answer(body), streamed(body)):
        _, fault = judged(answer)
        assert fault is not None
        assert fault.message == body["message"]
    assert streamed(body, *CHUNKS).text == "hi"


def test_words_are_looked_for_to_a_depth() -> None:
    deep: Any = {"message": "x"}
    for _ in range(3):
        deep = {"detail": [deep]}
    assert words_of(deep) == "x"
    for _ in range(9):
        deep = {"detail": [deep]}
    assert words_of(deep) == ""
    assert words_of([]) == words_of(7) == ""


# -- an error as the text --------------------------------------------------------------------------

NONE = {"completion_tokens": 0}
LIMIT = '{"error": {"message": "Rate limit exceeded", "code": 429}}'
TOO_FAST = "Rate limit exceeded. Please try again later."


@pytest.mark.parametrize(
    ("text", "usage", "again", "cause"),
    [
        (LIMIT, NONE, True, Cause.AMBIGUOUS_429),
        (LIMIT, None, False, Cause.AMBIGUOUS_429),
        (LIMIT, None, True, None),
        (LIMIT, {"completion_tokens": 19}, False, None),
        ('{"error": null}', None, False, None),
        ('{"error": ""', None, False, None),
        ('{"city": "Oslo"}', None, False, None),
        (TOO_FAST, NONE, False, Cause.ODD_SUCCESS),
        (TOO_FAST, NONE, True, Cause.ODD_SUCCESS),
        (TOO_FAST, None, False, Cause.ODD_SUCCESS),
        (TOO_FAST, None, True, None),
        (TOO_FAST, {"completion_tokens": 7}, False, None),
        ("⚠️ Error: insufficient balance", NONE, False, Cause.ODD_SUCCESS),
        ("余额不足,请充值", NONE, False, Cause.ODD_SUCCESS),
        ("You have reached your daily limit", NONE, False, Cause.ODD_SUCCESS),
        ("Drink two liters per day.", NONE, False, None),
        ("A rate limit is a number of requests.", NONE, False, None),
        ("Good day", NONE, False, None),
        ("", NONE, False, None),
        (TOO_FAST + "!" * 300, NONE, False, None),
        (LIMIT[:-2] + " " * 2_000 + "}}", NONE, False, None),
    ],
)
def test_a_text_is_an_error_if_nothing_was_counted_for_it(
    text: str, usage: Json | None, again: bool, cause: Cause | None
) -> None:
    fault = judge_text(Answer(text, usage=usage), NOW, again=again)

    assert (None if fault is None else fault.cause) is cause


# -- events that nobody asked for ------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "\ufeff", ": ping\n\n", "event: x\n"])
def test_a_stream_that_nobody_asked_for_is_read(before: str) -> None:
    events = before + "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS)
    answer = answer_in_events(events.encode(), "a")

    assert answer is not None
    assert (answer.text, answer.finish_reason) == ("hi", "stop")


@pytest.mark.parametrize("body", [b"", b"<html>", b"datum", b": ping\n\n", b"hi"])
def test_what_is_no_stream_is_none(body: bytes) -> None:
    assert answer_in_events(body) is None


def test_an_error_without_any_status_is_the_servers() -> None:
    assert judge_embedded({"message": "?"}, NOW).status == 502


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"message": "", "code": 0}, False),
        ({"message": None, "type": ""}, False),
        ({}, False),
        ({"message": "", "code": 500}, True),
        ("overloaded", True),
    ],
)
def test_an_error_that_says_nothing_is_none_beside_an_answer(error: Any, told: bool) -> None:
    whole = read_answer({"choices": CHOICES, "error": error})
    begun: Any = CHUNKS[0]
    pieces = streamed({**begun, "error": error}, CHUNKS[1])

    assert (whole.error is not None, pieces.error is not None) == (told, told)
    assert whole.text == "hi"
