"""Answers, streams and errors in Anthropic's words, held against its SDK's types."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ErrorResponse, Message, ModelInfo, RawMessageStreamEvent
from pydantic import TypeAdapter

from freerouter_core.catalogue.model import Model
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.messages.error import too_long, write_error
from freerouter_core.wire.messages.events import MessageEvents
from freerouter_core.wire.messages.models import write_models
from freerouter_core.wire.messages.signature import read_signature
from freerouter_core.wire.messages.write import write_message
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall, ToolCallFragment

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
CALL = ToolCall("functions.weather:0", "weather", '{"city": "Lisbon"}')
INVALID = InvalidToolCall("c2", "wether", '{"ci', "no such tool", 1)
DETAILS: tuple[Json, ...] = ({"type": "reasoning.text", "text": "Hm."},)


def write(answer: Answer, *, thinking: bool = True, offered: tuple[str, ...] = ()) -> Json:
    message = write_message(
        answer, "msg_1", {"model_id": "acme/a:free"},
        prompt_tokens=12, thinking=thinking, offered=offered,
    )  # fmt: skip
    Message.model_validate(message, strict=True)
    return message


def test_an_answer_is_a_message() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    answer = Answer("Hello.", reasoning="Hm.", model="a", usage=usage, reasoning_details=DETAILS)
    message = write(answer)

    thought, text = message["content"]
    assert (thought["thinking"], text["text"]) == ("Hm.", "Hello.")
    assert read_signature(thought["signature"]) == (["a", "acme/a:free"], DETAILS)
    assert (message["id"], message["role"], message["model"]) == ("msg_1", "assistant", "a")
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert message["usage"] == {
        "input_tokens": 40,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 60,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }
    assert message["freerouter"] == {"model_id": "acme/a:free"}


def test_thoughts_are_kept_from_who_did_not_ask() -> None:
    kinds = [b["type"] for b in write(Answer("x", reasoning="Hm."), thinking=False)["content"]]

    assert kinds == ["text"]


def test_calls_are_blocks_and_an_invalid_one_has_a_name_that_no_tool_has() -> None:
    answer = Answer("I look.", tool_calls=(CALL,), invalid_calls=(INVALID,))
    message = write(answer, offered=("weather", "invalid_tool_call"))

    assert message["content"][1:] == [
        {
            "type": "tool_use",
            "id": "functions_weather_0",
            "name": "weather",
            "input": {"city": "Lisbon"},
        },
        {
            "type": "tool_use",
            "id": "c2",
            "name": "invalid_tool_call_",
            "input": {"tool": "wether", "problem": "no such tool", "arguments": '{"ci'},
        },
    ]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer("x", finish_reason="stop"), "end_turn"),
        (Answer("x", finish_reason="length"), "max_tokens"),
        (Answer("x", finish_reason="content_filter"), "refusal"),
        (Answer(refusal="I will not."), "refusal"),
        (Answer("x", finish_reason="stop", native_finish_reason="stop_sequence"), "stop_sequence"),
        (Answer("x", finish_reason="odd"), "end_turn"),
        (Answer(tool_calls=(CALL,), finish_reason="stop"), "tool_use"),
        (Answer(invalid_calls=(INVALID,), finish_reason="length"), "tool_use"),
    ],
)
def test_stop_reasons(answer: Answer, reason: str) -> None:
    message = write(answer)

    assert message["stop_reason"] == reason
    if answer.refusal:
        assert message["content"][0]["text"] == answer.refusal


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "9", "completion_tokens": True}])
def test_a_usage_that_nobody_tells_is_estimated(usage: Json | None) -> None:
    told = write(Answer("x" * 40, tool_calls=(CALL,), usage=usage))["usage"]

    assert (told["input_tokens"], told["output_tokens"]) == (12, 15)


def test_more_cached_than_there_was_is_nothing_less_than_none() -> None:
    usage = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}

    assert write(Answer("x", usage=usage))["usage"]["input_tokens"] == 0


# -- streams ---------------------------------------------------------------------------------------


def stream(*deltas: Delta, answer: Answer, thinking: bool = True) -> list[Json]:
    """The events, each valid by itself and in its place."""
    writer = MessageEvents("msg_1", prompt_tokens=12, thinking=thinking, offered=("weather",))
    events = list(writer.start("a"))
    for delta in deltas:
        events += writer.delta(delta)
    events += writer.end(answer, {"provider": "p"})
    open_block, count = None, 0
    for event in events:
        if event["type"] != "ping":
            EVENT.validate_python(event, strict=True)
        if event["type"] == "content_block_start":
            assert (open_block, event["index"]) == (None, count)
            open_block, count = count, count + 1
        elif event["type"].startswith("content_block_"):
            assert event["index"] == open_block
            open_block = None if event["type"] == "content_block_stop" else open_block
    assert open_block is None
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    return events


def pieces(events: list[Json]) -> list[tuple[int, str]]:
    """What the deltas of blocks say, by index."""
    keys = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
    return [
        (event["index"], event["delta"][keys[event["delta"]["type"]]])
        for event in events
        if event["type"] == "content_block_delta" and event["delta"]["type"] in keys
    ]


def starts(events: list[Json]) -> list[str]:
    return [e["content_block"]["type"] for e in events if e["type"] == "content_block_start"]


def test_a_stream_has_the_full_sequence() -> None:
    call = ToolCall("c1", "weather", "")
    events = stream(
        Delta(reasoning="H", model="acme/b"),
        Delta(reasoning="m.", reasoning_details=DETAILS),
        Delta("Hel"),
        Delta("lo."),
        Delta(tool_calls=(CALL, call), invalid_calls=(INVALID,)),
        answer=Answer("Hello.", tool_calls=(CALL, call), usage={"completion_tokens": 3}),
    )

    assert events[0]["message"]["usage"]["input_tokens"] == 12
    assert events[1] == {"type": "ping"}
    assert starts(events) == ["thinking", "text", "tool_use", "tool_use", "tool_use"]
    assert pieces(events)[:6] == [
        (0, "H"), (0, "m."), (1, "Hel"), (1, "lo."), (2, '{"city": "Lisbon"}'), (3, "{}"),
    ]  # fmt: skip
    signatures = [e["delta"]["signature"] for e in events if "signature" in e.get("delta", {})]
    assert [read_signature(signature) for signature in signatures] == [(["acme/b"], DETAILS)]
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == 3
    assert events[-2]["freerouter"] == {"provider": "p"}


def test_thoughts_between_texts_have_blocks_of_their_own() -> None:
    deltas = (Delta("a"), Delta(reasoning="Hm."), Delta("b"))

    assert starts(stream(*deltas, answer=Answer("ab"))) == ["text", "thinking", "text"]
    hidden = stream(*deltas, answer=Answer("ab"), thinking=False)
    assert starts(hidden) == ["text"]
    assert pieces(hidden) == [(0, "a"), (0, "b")]


def test_calls_in_pieces_grow_in_their_blocks() -> None:
    events = stream(
        Delta(fragments=(ToolCallFragment(0, "c1", "weather", ""),)),
        Delta(fragments=(ToolCallFragment(0, None, None, '{"city": '),)),
        Delta(
            fragments=(
                ToolCallFragment(0, None, None, '"x"}'),
                ToolCallFragment(1, None, None, "{}"),
            )
        ),
        answer=Answer(tool_calls=(CALL,)),
    )

    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [(b["id"], b["name"], b["input"]) for b in blocks] == [
        ("c1", "weather", {}), ("msg_1_1", "", {}),
    ]  # fmt: skip
    assert pieces(events) == [(0, '{"city": '), (0, '"x"}'), (1, "{}")]


def test_a_refusal_is_text_and_nothing_is_nothing() -> None:
    assert pieces(stream(answer=Answer(refusal="No."))) == [(0, "No.")]
    assert pieces(stream(Delta("x"), answer=Answer("x", refusal="No."))) == [(0, "x")]
    assert starts(stream(answer=Answer())) == []


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (415, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_errors_have_anthropics_types(status: int, kind: str) -> None:
    body = write_error(status, "words", "req-1")
    if status != 413:  # its type stands in the documentation, not in the SDK
        ErrorResponse.model_validate(body)

    assert body["type"] == "error"
    assert body["error"] == {"type": kind, "message": "words"}
    assert body["request_id"] == "req-1"
    assert "request_id" not in write_error(status, "words")


@pytest.mark.parametrize(
    ("tokens", "window", "words"),
    [
        (150_000, 131_072, "prompt is too long: 150000 tokens > 131072 maximum"),
        (90_000, 131_072, "prompt is too long: 131073 tokens > 131072 maximum"),
    ],
)
def test_a_prompt_that_is_too_long_is_told_as_clients_know_it(
    tokens: int, window: int, words: str
) -> None:
    assert too_long(tokens, window) == words


def test_models_are_rows_on_one_page() -> None:
    page = write_models([Model("auto"), Model("a/m:free", context=9, max_output=5)])
    for row in page["data"]:
        ModelInfo.model_validate(row)

    assert (page["first_id"], page["last_id"], page["has_more"]) == ("auto", "a/m:free", False)
    assert (page["data"][1]["max_input_tokens"], page["data"][1]["max_tokens"]) == (9, 5)
    assert write_models([])["first_id"] is None
