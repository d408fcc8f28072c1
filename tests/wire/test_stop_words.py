"""Stop words: what is sent of them, and where an answer ends, whatever its server knows of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import ChatRequest, Model, Structured
from freerouter_core.catalogue.providers import Account
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire import stop_words as module
from freerouter_core.wire import stream as stream_module
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.body import build_body
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.delta import NOTHING, Delta
from freerouter_core.wire.event_body import answer_in_events
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection
from freerouter_core.wire.stop_words import StopWords, cut_at_stop, stop_words
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.tool_calls import ToolCall

ACCOUNT = Account("own", "https://own.test/v1", "k")
TOOL: Json = {"type": "function", "function": {"name": "look", "parameters": {}}}


def asked(stop: object, **fields: Any) -> ChatRequest:
    return ChatRequest.of("x").but(**{"parameters": {"stop": stop}, **fields})


def sent(request: ChatRequest, **model: Any) -> object:
    body, _ = build_body(request, Model("a/m", **model), ACCOUNT)
    return body.get("stop", "nothing")


# -- what is sent -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("x", "x"),
        (["x"], ["x"]),
        (list("abcdef"), list("abcd")),
        (["", "a", "", "b", "c", "d", "e"], list("abcd")),
        (["a", "a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ([""], "nothing"),
        ("", "nothing"),
        ([], "nothing"),
        (None, "nothing"),
        (7, "nothing"),
        ([7, "a"], ["a"]),
    ],
)
def test_as_many_words_are_sent_as_servers_take(stop: object, expected: object) -> None:
    assert sent(asked(stop)) == expected
    assert sent(ChatRequest.of("x").but(extra_body={"stop": stop})) == expected


def test_none_is_sent_where_the_field_is_not_taken() -> None:
    known = frozenset({"temperature"})
    assert sent(asked(["x"]), parameters=known) == "nothing"
    assert sent(asked(["x"]), parameters=known | {"stop"}) == ["x"]
    assert sent(asked(["x"]), lacks=frozenset({"stop"})) == "nothing"


REFUSED: list[str | Json] = [
    "Unsupported parameter: 'stop' is not supported with this model.",
    "'stop' is not supported with this model",
    "stop is not supported",
    "Stop sequences are not supported",
    "This model does not support stop words",
    "Invalid 'stop': array too long. Expected an array with maximum length 4, but got 6 instead.",
    "stop: at most 2 stop sequences are allowed",
    "too many stop sequences",
    "Unrecognized request argument supplied: stop",
    "Only up to 4 stop strings may be given",
    "Invalid parameter: stop",
    "The number of stop sequences exceeds the limit of 1",
    "`stop` must be a single string",
    "stop_sequences isn't supported here",
    {"detail": [{"type": "too_long", "loc": ["body", "stop"], "msg": "at most 2 items, not 4"}]},
    {"detail": [{"type": "extra_forbidden", "loc": ["body", "stop"], "msg": "not permitted"}]},
]


def learnt(error: str | Json) -> frozenset[str]:
    body = {"error": {"message": error, "type": "x"}} if isinstance(error, str) else error
    return judge_rejection(read_rejection(400, {}, json.dumps(body).encode()), 0.0).lacks


@pytest.mark.parametrize("error", REFUSED)
def test_a_model_that_refuses_them_is_asked_without_any(error: str | Json) -> None:
    assert learnt(error) == {"stop"}


@pytest.mark.parametrize(
    "words",
    [
        "The generation was stopped",
        "Please stop sending so many messages that are not valid",
        "messages[0] must not stop with whitespace",
        "finish_reason stop",
    ],
)
def test_an_error_that_stops_something_is_not_about_them(words: str) -> None:
    assert learnt(words) == set()


# -- where a text ends --------------------------------------------------------------------------


def first_of(text: str, words: list[str]) -> int:
    """Where the word begins that is complete first; the length of the text if none is."""
    for end in range(len(text) + 1):
        whole = [word for word in words if text[:end].endswith(word)]
        if whole:
            return end - max(map(len, whole))
    return len(text)


LETTERS = st.text("ab\n", max_size=30)
WORDS = st.lists(st.text("ab\n", min_size=1, max_size=6), min_size=1, max_size=5)


@given(st.lists(LETTERS, max_size=12), WORDS)
def test_a_text_ends_at_the_first_word_however_it_is_cut(
    pieces: list[str], words: list[str]
) -> None:
    stop, shown, said = StopWords(words), "", ""
    for piece in pieces:
        said += piece
        shown += stop.feed(piece)
        assert said.startswith(shown)
        if not stop.met:
            held = said[len(shown) :]
            assert held == stop.held
            assert not held or any(word.startswith(held) for word in words), "no more than that"
            assert not any(word in said for word in words)
    shown += stop.close()

    assert stop.met is any(word in said for word in words)
    assert shown == said[: first_of(said, words)]


@given(LETTERS, WORDS)
def test_a_whole_answer_ends_before_the_first_word(text: str, words: list[str]) -> None:
    answer = cut_at_stop(Answer(text, finish_reason="length"), words)

    assert answer.text == text[: first_of(text, words)]
    assert (answer.finish_reason == "stop") is (answer.text != text)


def test_without_words_a_text_is_whole() -> None:
    assert cut_at_stop(Answer("one two"), ()) == Answer("one two")
    assert cut_at_stop(Answer(""), ("two",)) == Answer("")
    assert StopWords(()).feed("one two") == "one two"


def test_neither_reasoning_nor_calls_are_cut() -> None:
    call = ToolCall("1", "look", '{"for": "STOP"}')
    answer = Answer(
        "I look. STOP", reasoning="STOP", tool_calls=(call,), finish_reason="tool_calls"
    )
    cut = cut_at_stop(answer, ("STOP",))

    assert (cut.text, cut.reasoning, cut.tool_calls) == ("I look. ", "STOP", (call,))
    assert cut.finish_reason == "tool_calls"


def test_words_are_few_and_short() -> None:
    assert len(stop_words([str(n) for n in range(1_000)])) == module._MOST
    assert stop_words(["x" * 1_001, "y"]) == ("y",)


def test_an_object_is_not_cut() -> None:
    structured = Structured({"type": "object"})

    assert ChatOperation(asked(["}"], structured=structured)).stops == ()
    assert ChatOperation(asked(["}"])).stops == ("}",)
    assert ChatOperation(asked(["a"], extra_body={"stop": "b"})).stops == ("b",)


def test_an_answer_that_came_whole_is_cut() -> None:
    body = {"choices": [{"message": {"content": "one STOP two"}, "finish_reason": "length"}]}
    answer = ChatOperation(asked(["STOP"])).read(body, Model("a/m"))

    assert (answer.text, answer.finish_reason) == ("one ", "stop")


# -- streams ------------------------------------------------------------------------------------


def chunk(finish_reason: str | None = None, **delta: Any) -> str:
    return json.dumps({"choices": [{"delta": delta, "finish_reason": finish_reason}]})


def texts(*pieces: str) -> list[str]:
    return [chunk(content=piece) for piece in pieces]


def read(assembler: Assembler, *chunks: str) -> list[Delta | None]:
    return [assembler.feed_data(each) for each in chunks]


def test_nothing_after_the_word_is_shown_and_the_stream_is_at_its_end() -> None:
    assembler = Assembler("m", stops=("STOP",))
    deltas = read(assembler, *texts("one ", "two ST", "OP thr", "ee"))
    answer = assembler.answer()

    assert [delta.text for delta in deltas if delta is not None] == ["one ", "two ", "", ""]
    assert deltas[2] is deltas[3] is NOTHING, "the server still writes"
    assert (answer.text, answer.finish_reason, answer.complete) == ("one two ", "stop", True)
    assert (assembler.finished, answer.error) == (True, None)


def test_what_was_no_word_is_shown_at_the_end() -> None:
    assembler = Assembler("m", stops=("STOP",))
    deltas = read(assembler, *texts("one ST", "AY S"), chunk("stop"), "[DONE]")

    assert [delta.text for delta in deltas if delta is not None] == ["one ", "STAY ", "S"]
    assert (assembler.answer().text, assembler.answer().finish_reason) == ("one STAY S", "stop")


@pytest.mark.parametrize(
    "end",
    [
        chunk("length"),
        chunk("content_filter"),
        json.dumps({"error": {"message": "overloaded", "code": 503}}),
        "{oops",
        "something odd",
    ],
)
def test_what_becomes_of_the_rest_does_not_matter(end: str) -> None:
    assembler = Assembler("m", stops=("STOP",))
    read(assembler, *texts("one STOP two"), end)
    answer = assembler.answer()

    assert (answer.text, answer.finish_reason, answer.error) == ("one ", "stop", None)
    assert answer.complete


def test_a_call_may_follow_the_text() -> None:
    assembler = Assembler("m", stops=("STOP",), may_call=True)
    function = {"name": "look", "arguments": '{"for": "STOP"}'}
    read(assembler, *texts("I look. STOP", " more"))
    assert not assembler.finished
    read(assembler, chunk(tool_calls=[{"index": 0, "id": "1", "function": function}]))
    read(assembler, chunk("tool_calls"))
    answer = assembler.answer()

    assert (answer.text, answer.finish_reason) == ("I look. ", "tool_calls")
    assert [call.arguments for call in answer.tool_calls] == ['{"for": "STOP"}']
    assert assembler.finished


def test_thoughts_are_not_cut() -> None:
    assembler = Assembler("m", stops=("STOP",))
    read(assembler, chunk(reasoning="STOP"), *texts("<think>STOP</think>one STOP two"))

    assert (assembler.answer().text, assembler.answer().reasoning) == ("one ", "STOPSTOP")


def test_a_text_that_is_said_once_more_is_known_though_its_end_is_held() -> None:
    assembler = Assembler("m", stops=("STOP",))
    once = "This is a long enough text. ST"
    again = {"message": {"content": once}, "finish_reason": "stop"}
    read(assembler, *texts(once[:9], once[9:]), json.dumps({"choices": [again]}), "[DONE]")

    assert assembler.answer().text == once


def test_nobody_reads_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_TEXT", 100)
    assembler = Assembler("m", stops=("STOP",), may_call=True)
    read(assembler, *texts("STOP", "x" * 60))
    assert assembler.error is None
    read(assembler, *texts("x" * 60))
    assert assembler.error is not None


def test_a_stream_that_nobody_asked_for_is_cut_as_any_answer() -> None:
    body = "".join(f"data: {each}\n\n" for each in texts("one ST", "OP two")).encode()
    answer = answer_in_events(body)

    assert answer is not None
    assert cut_at_stop(answer, ("STOP",)).text == "one "


def test_a_caller_sees_no_stop_word_of_a_server_that_knows_none() -> None:
    rambling = SimModel("a/x:free", first_token=0.1, says=lambda _: "one two STOP three four")
    with World([rambling]) as world:
        router, request = world.router(), asked([f"no {n}" for n in range(5)] + ["STOP"])
        whole = router.chat(request)
        shown = "".join(delta.text for delta in router.stream(request))
        tools = router.chat(request.but(tools=[TOOL], tool_choice="none"))

    assert (whole.text, shown, tools.text) == ("one two ",) * 3
    assert whole.answer.finish_reason == "stop"
    assert [len(seen.body["stop"]) for seen in world.requests] == [4] * 3
