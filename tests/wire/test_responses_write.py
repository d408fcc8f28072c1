"""Answers and streams as the Responses API has them. OpenAI's own types check each of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.messages.signature import read_signature
from freerouter_core.wire.responses.events import Events
from freerouter_core.wire.responses.read import read_request
from freerouter_core.wire.responses.write import Writer, usage_of
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall, ToolCallFragment

RESPONSE: TypeAdapter[Response] = TypeAdapter(Response)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
METADATA: Json = {"attempts": [], "logprobs": {}}
TOOLS = [
    {"type": "function", "name": "f", "parameters": {}, "strict": True},
    {"type": "custom", "name": "sql"},
    {"type": "apply_patch"},
]
CALL = ToolCall("c1", "f", '{"a": 1}')
SQL = ToolCall("c2", "sql", '{"input": "SELECT"}')
PATCH = ToolCall("c3", "apply_patch", '{"type": "delete_file", "path": "a"}')
INVALID = InvalidToolCall("c4", "f", '{"path": "/home', "it was cut")
DETAILS: tuple[Json, ...] = ({"type": "reasoning.encrypted", "data": "x"},)
ENCRYPTED = "reasoning.encrypted_content"


def writer(*include: str, **body: Any) -> Writer:
    numbers = count(1)
    asked = read_request(
        {"input": "x", "tools": TOOLS, "include": list(include), **body}, lambda: "i"
    )
    return Writer(asked, "resp_1", 5, lambda: str(next(numbers)))


def streamed(deltas: Sequence[Delta], answer: Answer, *include: str) -> list[Json]:
    events = Events(writer(*include), "a/m")
    written = list(events.begin())
    for delta in deltas:
        written += events.delta(delta)
    written += events.end(answer, METADATA, 9)
    for event in written:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in written] == list(range(len(written)))
    return written


def kinds(events: Sequence[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def without_ids(items: Sequence[Json]) -> list[Json]:
    return [{key: value for key, value in item.items() if key != "id"} for item in items]


ANSWERS = [
    ([], Answer(model="a/m"), ["message"], "completed"),
    (
        [Delta(reasoning="Hm."), Delta("He"), Delta("llo")],
        Answer("Hello", reasoning="Hm.", usage={"prompt_tokens": 1}, model="a/m"),
        ["reasoning", "message"],
        "completed",
    ),
    (
        [Delta("Hi", tool_calls=(CALL, SQL, PATCH), invalid_calls=(INVALID,))],
        Answer("Hi", tool_calls=(CALL, SQL, PATCH), invalid_calls=(INVALID,), model="a/m"),
        ["message", "function_call", "custom_tool_call", "apply_patch_call", "function_call"],
        "completed",
    ),
    (
        [Delta(fragments=(ToolCallFragment(0, "c1", "f", "{"),))],
        Answer(tool_calls=(CALL,), finish_reason="length", model="a/m"),
        ["function_call"],
        "completed",
    ),
    (
        [Delta("Once")],
        Answer("Once", finish_reason="length", model="a/m"),
        ["message"],
        "incomplete",
    ),
    ([], Answer("All at once", model="a/m"), ["message"], "completed"),
    ([], Answer(refusal="No.", model="a/m"), ["message"], "completed"),
]


@pytest.mark.parametrize(("deltas", "answer", "items", "status"), ANSWERS)
def test_a_stream_ends_with_the_response_that_is_written_whole(
    deltas: list[Delta], answer: Answer, items: list[str], status: str
) -> None:
    whole = writer().whole(answer, METADATA, 9)
    events = streamed(deltas, answer)
    RESPONSE.validate_python(whole)

    assert [item["type"] for item in whole["output"]] == items
    assert whole["status"] == status
    assert whole["freerouter"] == {"attempts": []}
    assert kinds(events)[:2] == ["created", "in_progress"]
    assert kinds(events)[-1] == status
    last = events[-1]["response"]
    assert without_ids(last["output"]) == without_ids(whole["output"])
    done = [event["item"] for event in events if event["type"].endswith("output_item.done")]
    assert done == last["output"]


def test_the_events_of_thoughts_words_and_calls_come_in_openais_order() -> None:
    deltas = [Delta(reasoning="Hm."), Delta("Hi"), Delta(tool_calls=(CALL,))]
    answer = Answer("Hi", reasoning="Hm.", tool_calls=(CALL,), model="a/m")

    assert kinds(streamed(deltas, answer)) == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]  # fmt: skip


def test_thoughts_that_can_come_back_are_signed_when_they_are_done() -> None:
    deltas = [Delta(reasoning="Hm.", model="b/m"), Delta(reasoning_details=DETAILS), Delta("Hi")]
    answer = Answer("Hi", reasoning="Hm.", reasoning_details=DETAILS, model="b/m")
    events = streamed(deltas, answer, ENCRYPTED)
    whole = writer(ENCRYPTED).whole(answer, METADATA, 9)
    done = next(e["item"] for e in events if e["type"].endswith("output_item.done"))

    for item in (done, whole["output"][0]):
        assert read_signature(item["encrypted_content"]) == (["b/m"], DETAILS)
    only = writer(ENCRYPTED).whole(answer.with_(reasoning=""), METADATA, 9)["output"][0]
    assert (only["type"], only["summary"]) == ("reasoning", [])
    plain = streamed(deltas, answer)[-1]["response"]["output"][0]
    assert "encrypted_content" not in plain


def test_a_stream_that_breaks_says_so_and_keeps_what_was_said() -> None:
    events = Events(writer(), "a/m")
    written = [*events.begin(), *events.delta(Delta("He")), *events.failed("server_error", "cut")]
    for event in written:
        EVENT.validate_python(event)
    response = written[-1]["response"]

    assert response["status"] == "failed"
    assert response["error"] == {"code": "server_error", "message": "cut"}
    assert response["output"][0]["content"][0]["text"] == "He"
    assert response["output"][0]["status"] == "incomplete"


def test_text_that_only_the_whole_has_is_shown_at_the_end() -> None:
    events = streamed([Delta("He")], Answer("Hello", model="a/m"))
    other = streamed([Delta("He")], Answer("Other", model="a/m"))

    assert [e["delta"] for e in events if e["type"].endswith("text.delta")] == ["He", "llo"]
    assert [e["delta"] for e in other if e["type"].endswith("text.delta")] == ["He"]


def test_sources_and_chances_are_told() -> None:
    notes: tuple[Json, ...] = (
        {"type": "url_citation", "url_citation": {"url": "http://x", "title": "X", "end_index": 2}},
        {"type": "url_citation"},
        {"type": "file"},
    )
    chances: Json = {
        "content": [
            {"token": "a", "logprob": -0.1, "top_logprobs": [{"token": "b", "logprob": -2.0}]},
            {"token": "c", "logprob": -0.1, "bytes": [99]},
        ]
    }
    answer = Answer("ac", annotations=notes, logprobs=chances, model="a/m")
    whole = writer("message.output_text.logprobs").whole(answer, METADATA, 9)
    RESPONSE.validate_python(whole)
    part = whole["output"][0]["content"][0]

    assert [note["url"] for note in part["annotations"]] == ["http://x"]
    assert [chance["bytes"] for chance in part["logprobs"]] == [[97], [99]]
    assert "output_text.annotation.added" in kinds(streamed([Delta("ac")], answer))


def test_usage_is_told_in_openais_words() -> None:
    usage: Json = {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }

    assert usage_of(Answer(usage=usage)) == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 8,
    }
    assert usage_of(Answer())["total_tokens"] == 0


def test_fields_that_were_left_out_are_told() -> None:
    told = writer(odd=1).whole(Answer("x"), METADATA, 9)["freerouter"]

    assert told["left_out"].keys() == {"odd"}
