"""Answers that come whole, in every form seen."""

from __future__ import annotations

import re

import pytest

from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.message import (
    ReasoningDetails,
    join_surrogates,
    reasoning_of,
    text_of,
)
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.tool_calls import ToolCall, ToolCallFragment, id_of_call


def body(message: object, **more: object) -> Json:
    return {"id": "gen-1", "choices": [{"message": message, "finish_reason": "stop"}], **more}


def test_a_whole_answer_is_read_field_by_field() -> None:
    message = {
        "content": "Four.",
        "reasoning": "Two and two.",
        "reasoning_details": [{"type": "reasoning.text", "text": "Two and two."}],
        "refusal": "no",
        "annotations": [{"type": "url_citation"}],
        "images": [{"type": "image_url"}],
        "audio": {"id": "a", "data": "aGk="},
        "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}],
    }
    more = {"model": "acme/a", "provider": "North", "usage": {"total_tokens": 3, "cost": 0.5}}
    answer = read_answer(body(message, **more), "acme/a:free")

    assert answer == Answer(
        "Four.",
        reasoning="Two and two.",
        reasoning_details=({"type": "reasoning.text", "text": "Two and two."},),
        tool_calls=(ToolCall("c1", "add", '{"a": 1}'),),
        refusal="no",
        finish_reason="stop",
        usage={"total_tokens": 3, "cost": 0.5},
        model="acme/a",
        upstream="North",
        id="gen-1",
        annotations=({"type": "url_citation"},),
        images=({"type": "image_url"},),
        audio={"id": "a", "data": "aGk="},
    )
    assert answer.cost == 0.5


@pytest.mark.parametrize("told", [{"content": [{"token": "a"}], "refusal": None}, {}, None, 7])
def test_chances_of_tokens_are_kept_if_they_came(told: object) -> None:
    body = {"choices": [{"message": {"content": "a"}, "logprobs": told}]}
    assembler = Assembler()
    assembler.feed({"choices": [{"delta": {"content": "a"}, "logprobs": told}]})
    assembler.feed({"choices": [{"delta": {"content": "b"}, "logprobs": None}]})
    expected = told if isinstance(told, dict) and told else None

    assert read_answer(body).logprobs == expected
    assert assembler.answer().logprobs == expected


@pytest.mark.parametrize("junk", [None, "x", 7, [], [[]], ["x"]])
def test_a_body_that_is_no_object_is_an_error(junk: object) -> None:
    answer = read_answer(junk, "acme/a:free")

    assert answer.error == {"message": "the response is no JSON object"}
    assert answer.model == "acme/a:free"


@pytest.mark.parametrize("choices", [None, [], {}, "x", ["x"], [None]])
def test_a_body_without_choices_is_an_empty_answer(choices: object) -> None:
    answer = read_answer({"choices": choices})

    assert answer.empty
    assert answer.error is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"error": {"code": 502}, "choices": [{"error": {"code": 1}}]}, {"code": 502}),
        ({"error": "overloaded"}, {"message": "overloaded"}),
        ({"error": {}, "choices": [{"error": {"code": 1}}]}, {"code": 1}),
        (
            {"choices": [{"finish_reason": "error", "native_finish_reason": "OVERLOADED"}]},
            {"message": "finish_reason error (OVERLOADED)", "code": 502},
        ),
        ({"choices": [{"finish_reason": "error", "error": {"code": 1}}]}, {"code": 1}),
        ({"error": None, "choices": [{"finish_reason": "stop"}]}, None),
    ],
)
def test_an_error_inside_a_200_is_found_wherever_it_stands(answer: Json, error: object) -> None:
    assert read_answer(answer).error == error


def test_a_key_of_the_user_s_own_behind_a_gateway_pays() -> None:
    """OpenRouter's BYOK: its own cost is 0, and the account of that key is charged."""
    details = {"upstream_inference_cost": 0.25}
    assert Answer(usage={"cost": 0, "is_byok": True, "cost_details": details}).cost == 0.25
    assert Answer(usage={"cost": 0, "is_byok": False, "cost_details": details}).cost == 0.0
    assert Answer(usage={"cost": 0, "is_byok": True, "cost_details": None}).cost == 0.0


CHOICE = {"message": {"content": "x"}}
TOLD: dict[str, tuple[Json, Json | None]] = {
    "nowhere": ({"choices": [CHOICE]}, None),
    "no object": ({"choices": [CHOICE], "usage": [0.25]}, None),
    "beside the choices": ({"choices": [CHOICE], "cost": 0.25}, {"cost": 0.25}),
    "beside the usage": (
        {"choices": [CHOICE], "usage": {"total_tokens": 3, "cost": 0}, "total_cost": 0.25},
        {"total_tokens": 3, "cost": 0.25},
    ),
    "in the choice": ({"choices": [CHOICE | {"usage": {"cost": 0.25}}]}, {"cost": 0.25}),
}


@pytest.mark.parametrize("name", TOLD)
def test_usage_and_cost_are_found_wherever_they_stand(name: str) -> None:
    body, usage = TOLD[name]
    assert read_answer(body).usage == usage


def test_a_cost_is_not_taken_back_by_a_later_chunk() -> None:
    assembler = Assembler()
    for usage in ({"cost": 0.25, "total_tokens": 3}, None, {"cost": 0, "total_tokens": 4}, {}):
        assembler.feed({"choices": [{"delta": {"content": "x"}}], "usage": usage})
    assert assembler.answer().cost == 0.25
    assembler.feed({"choices": [], "usage": {"cost": 0.5}})
    assert assembler.answer().usage == {"cost": 0.5}


@pytest.mark.parametrize(
    ("cost", "usd"),
    [
        (0, 0.0),
        (0.25, 0.25),
        (True, None),
        ("0.25", 0.25),
        ("free", None),
        ({"request": 0.1, "total_cost": 0.25}, 0.25),
        ({"total": "0.25"}, 0.25),
        ({"prompt": 0.125, "completion_cost": "0.125", "tokens": 3}, 0.25),
        ("$0.25", 0.25),
        ("0.25 USD", 0.25),
        ({"currency": "USD"}, None),
        ([0.25], None),
        (None, None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
    ],
)
def test_a_cost_is_a_finite_number_or_not_known(cost: object, usd: float | None) -> None:
    assert Answer(usage={"cost": cost}).cost == usd
    assert Answer().cost is None
    assert Answer(usage={"cost": 0, "total_cost": cost}).cost == (usd or 0.0)


@pytest.mark.parametrize(
    "answer",
    [
        Answer("x"),
        Answer(refusal="no"),
        Answer(tool_calls=(ToolCall("1", "f", "{}"),)),
        Answer(images=({"type": "image_url"},)),
        Answer(audio={"id": "1"}),
    ],
)
def test_an_answer_with_anything_usable_is_not_empty(answer: Answer) -> None:
    assert not answer.empty
    assert Answer(" \n", reasoning="thoughts alone").empty


def test_a_provider_that_is_an_object_is_no_upstream() -> None:
    assert read_answer(body({}, provider={"id": 1})).upstream == ""
    assert read_answer(body({}, provider=7)).upstream == "7"


@pytest.mark.parametrize("bad", [None, "x", 7, []])
def test_fields_of_the_wrong_type_are_left_out(bad: object) -> None:
    answer = read_answer(body({"content": None, "audio": bad, "images": bad}, usage=bad))

    assert (answer.usage, answer.audio, answer.images, answer.text) == (None, None, (), "")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "x"),
        (None, ""),
        ({"text": "x"}, "x"),
        ({"text": 7}, ""),
        ([{"type": "text", "text": "a"}, "b", {"type": "image_url"}, None, {"text": 7}], "ab"),
    ],
)
def test_content_is_a_string_or_the_strings_of_its_parts(content: object, text: str) -> None:
    assert text_of(content) == text


@pytest.mark.parametrize(
    ("message", "reasoning"),
    [
        ({"reasoning": "a", "reasoning_content": "b"}, "a"),
        ({"reasoning": "", "reasoning_content": "b"}, "b"),
        ({"reasoning": 7}, ""),
        ({"reasoning_details": [{"text": "a"}, {"summary": "b"}, {"data": "x"}]}, "ab"),
        (
            {"content": [{"type": "thinking", "thinking": [{"text": "t"}]}, {"type": "text"}]},
            "t",
        ),
        ({"content": "x"}, ""),
    ],
)
def test_reasoning_is_read_in_every_spelling(message: Json, reasoning: str) -> None:
    assert reasoning_of(message) == reasoning


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("<think>hm</think> Four.", "Four.", "hm"),
        ("  <think> hm \n</think>\n\nFour.", "Four.", "hm"),
        ("<think>hm", "", "hm"),
        ("Four. <think>hm</think>", "Four. <think>hm</think>", ""),
    ],
)
def test_a_think_block_at_the_start_is_reasoning(text: str, answer: str, reasoning: str) -> None:
    read = read_answer(body({"content": text}))

    assert (read.text, read.reasoning) == (answer, reasoning)


def test_stated_reasoning_counts_before_a_think_block() -> None:
    read = read_answer(body({"content": "<think>inline</think>x", "reasoning": "stated"}))

    assert (read.text, read.reasoning) == ("x", "stated")


def test_halves_of_a_letter_are_joined_and_a_lone_half_is_replaced() -> None:
    assert join_surrogates("a\ud83d\ude00b") == "a😀b"
    assert join_surrogates("a\ud83d") == "a\ufffd"
    assert join_surrogates("plain") == "plain"


TEXT, SUMMARY = "reasoning.text", "reasoning.summary"


@pytest.mark.parametrize(
    ("details", "merged"),
    [
        (
            [{"type": TEXT, "text": "a"}, {"type": TEXT, "text": "b"}],
            [{"type": TEXT, "text": "ab"}],
        ),
        (
            [{"type": SUMMARY, "summary": "a"}, {"type": SUMMARY, "summary": "b"}],
            [{"type": SUMMARY, "summary": "ab"}],
        ),
        (
            [{"type": "reasoning.encrypted", "data": "a"}] * 2,
            [{"type": "reasoning.encrypted", "data": "a"}] * 2,
        ),
        (
            [{"type": TEXT, "text": "a"}, {"type": SUMMARY, "summary": "b"}],
            [{"type": TEXT, "text": "a"}, {"type": SUMMARY, "summary": "b"}],
        ),
        (
            [{"type": TEXT, "text": "a", "id": "1"}, {"type": TEXT, "text": "b", "id": "2"}],
            [{"type": TEXT, "text": "a", "id": "1"}, {"type": TEXT, "text": "b", "id": "2"}],
        ),
        (
            [{"type": TEXT, "text": "a"}, {"type": TEXT, "signature": "s", "index": None}],
            [{"type": TEXT, "text": "a", "signature": "s"}],
        ),
        (
            [{"type": TEXT, "text": "a", "signature": "s"}, {"type": TEXT, "text": "b"}],
            [{"type": TEXT, "text": "a", "signature": "s"}, {"type": TEXT, "text": "b"}],
        ),
        (
            [{"type": TEXT, "text": "a", "signature": "s"}, {"type": TEXT, "format": "f"}],
            [{"type": TEXT, "text": "a", "signature": "s", "format": "f"}],
        ),
        ([{"type": TEXT, "text": 7}, {"type": TEXT, "text": "b"}], [{"type": TEXT, "text": "b"}]),
        ([{"type": TEXT}, {"type": TEXT, "text": "b"}], [{"type": TEXT, "text": "b"}]),
    ],
)
def test_streamed_details_join_as_one_that_came_whole(
    details: list[Json], merged: list[Json]
) -> None:
    before = [dict(detail) for detail in details]

    streamed = ReasoningDetails()
    streamed.add(details)

    assert list(streamed.merged()) == merged
    assert details == before


def test_calls_get_ids_of_their_own() -> None:
    calls = [
        {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "c1", "function": {"name": "g", "arguments": ""}},
        {"id": 7, "function": {"name": "h", "arguments": None}},
        {"function": "odd"},
        "odd",
    ]
    read = read_answer(body({"tool_calls": calls}) | {"id": "gen-0123456789abcdef"})

    made = id_of_call("gen-0123456789abcdef")
    assert read.tool_calls == (
        ToolCall("c1", "f", '{"a": 1}'),
        ToolCall(f"{made}_1", "g", ""),
        ToolCall(f"{made}_2", "h", ""),
        ToolCall(f"{made}_3", "", ""),
    )


def test_the_id_that_a_call_gets_shows_nothing_of_the_answers() -> None:
    """A server may have put a key into it, in any encoding."""
    call = {"function": {"name": "f", "arguments": ""}}
    read = read_answer(body({"tool_calls": [call]}) | {"id": "gen-é-\ud800-0123456789abcdef"})

    assert re.fullmatch("call_[0-9a-f]{24}_0", read.tool_calls[0].id)
    assert read.tool_calls[0].id != read_answer(body({"tool_calls": [call]})).tool_calls[0].id


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [("", {}), ('{"a": 1}', {"a": 1}), ("[1]", None), ('{"a": ', None), ("[" * 100_000, None)],
)
def test_arguments_are_one_whole_object_or_nothing(arguments: str, parsed: object) -> None:
    assert ToolCall("1", "f", arguments).parsed() == parsed


def test_a_call_is_written_as_openai_writes_it() -> None:
    assert ToolCall("1", "f", "").wire() == {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }


def test_a_copy_changes_only_the_named_fields() -> None:
    answer = Answer("x", model="m")

    assert answer.with_(text="y") == Answer("y", model="m")
    assert answer.text == "x"


@pytest.mark.parametrize(
    ("delta", "visible"),
    [
        (Delta("x"), True),
        (Delta(reasoning="x"), False),
        (Delta(fragments=(ToolCallFragment(0, "1", "f", ""),)), True),
        (Delta(tool_calls=(ToolCall("1", "f", ""),)), False),
    ],
)
def test_text_and_pieces_of_calls_are_visible(delta: Delta, visible: bool) -> None:
    assert delta.visible is visible
