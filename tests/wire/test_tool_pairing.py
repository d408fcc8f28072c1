"""Conversations that strict servers accept: every call has a result, every result a call."""

from __future__ import annotations

import copy

import pytest

from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_pairing import CALL_NOT_RUN, pair_tool_calls

USER: Json = {"role": "user", "content": "x"}


def turn(*calls: str, **marks: bool) -> Json:
    """An assistant's turn with calls of these ids; `marks`: their "invalid" marks."""
    tool_calls = [{"id": c, **({"invalid": marks[c]} if c in marks else {})} for c in calls]
    return {"role": "assistant", "content": None, "tool_calls": tool_calls}


def result(call_id: str | None, content: object = "r") -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def paired(*messages: Json) -> list[Json]:
    before = copy.deepcopy(messages)
    after = pair_tool_calls(list(messages))
    assert messages == before, "the caller's messages were changed"
    return after


def test_a_conversation_without_tools_is_the_same_object() -> None:
    messages = [USER, {"role": "assistant", "content": "y"}]

    assert pair_tool_calls(messages) is messages


@pytest.mark.parametrize(
    "messages",
    [
        [USER, turn("a", "b"), result("b"), result("a"), USER],
        [turn("a"), result("a"), turn("a"), result("a")],
    ],
)
def test_a_conversation_in_order_stays_as_it_is(messages: list[Json]) -> None:
    assert paired(*messages) == messages


@pytest.mark.parametrize("rest", [[], [USER], [turn("c"), result("c")]])
def test_an_open_call_gets_a_result_before_anything_else(rest: list[Json]) -> None:
    assert paired(turn("a", "b"), result("b"), *rest) == [
        turn("a", "b"),
        result("b"),
        result("a", CALL_NOT_RUN),
        *rest,
    ]


@pytest.mark.parametrize("call_id", [None, ""])
def test_a_result_that_names_no_call_answers_the_next_open_one(call_id: str | None) -> None:
    assert paired(turn("a", "b"), result(call_id, "1"), result(call_id, "2")) == [
        turn("a", "b"),
        result("a", "1"),
        result("b", "2"),
    ]


def test_a_result_without_its_call_becomes_a_user_message() -> None:
    parts = [{"type": "text", "text": "r"}]

    assert paired(USER, result("gone"), result("gone", parts)) == [
        USER,
        {"role": "user", "content": "Result of a tool: r"},
        {"role": "user", "content": [{"type": "text", "text": "Result of a tool:"}, *parts]},
    ]
    assert paired(USER, {**result(None), "of": "f"})[-1]["content"] == "Result of f: r"
    assert paired(turn("a"), result("a"), result("a", "again"))[-1] == {
        "role": "user",
        "content": "Result of a tool: again",
    }


def test_open_calls_are_closed_before_a_lost_result() -> None:
    assert paired(turn("a"), result("gone"))[1:] == [
        result("a", CALL_NOT_RUN),
        {"role": "user", "content": "Result of a tool: r"},
    ]


def test_an_invalid_call_stays_only_with_a_result_and_never_with_its_mark() -> None:
    messages = paired(turn("a", "b", a=True, b=True), result("b"), USER)

    assert messages == [turn("b"), result("b"), USER]


def test_a_turn_of_invalid_calls_alone_becomes_text() -> None:
    assert paired(turn("a", a=True), USER)[0] == {"role": "assistant", "content": ""}
    assert paired({**turn("a", a=True), "content": "hm"})[0]["content"] == "hm"


def test_a_mark_that_says_valid_is_taken_off_as_well() -> None:
    assert paired(turn("a", a=False)) == [turn("a"), result("a", CALL_NOT_RUN)]


def test_a_result_after_another_turn_answers_no_invalid_call() -> None:
    messages = paired(turn("a", a=True), turn("a"), result("a"))

    assert messages == [{"role": "assistant", "content": ""}, turn("a"), result("a")]


NOTE: Json = {"role": "system", "content": "be brief"}


@pytest.mark.parametrize(
    ("messages", "order"),
    [
        ([turn("a"), NOTE, result("a")], [turn("a"), result("a"), NOTE]),
        ([turn("a"), USER, NOTE, result("a"), USER], [turn("a"), result("a"), USER, NOTE, USER]),
        (
            [turn("a", "b"), result("b"), NOTE, result("a")],
            [turn("a", "b"), result("b"), result("a"), NOTE],
        ),
        (
            [turn("a"), USER, turn("b"), result("b"), result("a")],
            [turn("a"), result("a"), USER, turn("b"), result("b")],
        ),
        (
            [turn("a"), result("gone"), result("a")],
            [turn("a"), result("a"), {"role": "user", "content": "Result of a tool: r"}],
        ),
        ([turn("a", a=True), NOTE, result("a")], [turn("a"), result("a"), NOTE]),
        (
            [turn("a", "a#1"), NOTE, result("a", "1"), result("a", "2")],
            [turn("a", "a#1"), result("a", "1"), result("a#1", "2"), NOTE],
        ),
        ([turn("a"), NOTE, {**result("a"), "of": "f"}], [turn("a"), result("a"), NOTE]),
    ],
)
def test_a_result_that_comes_late_moves_to_its_call(
    messages: list[Json], order: list[Json]
) -> None:
    assert paired(*messages) == order


def test_a_late_result_counts_once() -> None:
    assert paired(turn("a"), NOTE, result("a", "1"), result("a", "2")) == [
        turn("a"),
        result("a", "1"),
        NOTE,
        {"role": "user", "content": "Result of a tool: 2"},
    ]


@pytest.mark.parametrize("between", [[USER], [USER, NOTE], []])
def test_the_result_of_a_later_call_with_the_same_id_stays_there(between: list[Json]) -> None:
    """Some models number their calls anew in each turn."""
    assert paired(turn("a"), *between, turn("a"), result("a")) == [
        turn("a"),
        result("a", CALL_NOT_RUN),
        *between,
        turn("a"),
        result("a"),
    ]
    twice = paired(turn("a"), NOTE, result("a", "1"), turn("a"), NOTE, result("a", "2"))
    assert twice == [turn("a"), result("a", "1"), NOTE, turn("a"), result("a", "2"), NOTE]


def test_a_result_that_names_no_call_moves_nowhere() -> None:
    assert paired(turn("a"), NOTE, result(None))[1] == result("a", CALL_NOT_RUN)
