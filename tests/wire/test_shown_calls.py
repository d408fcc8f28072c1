"""Pieces of tool calls as callers see them: joined, they are the call, or it is told as invalid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freerouter_core.wire.answer import Answer
from freerouter_core.wire.shown_calls import PROBLEM, ShownCalls
from freerouter_core.wire.tool_calls import (
    InvalidToolCall,
    ToolCall,
    ToolCallAssembler,
    ToolCallFragment,
)

from .test_tool_fragments import ONE, Fragment, piece

OFFERED = frozenset({"f", "get", "get_weather", "math.add"})
OWN_NAMES = {"math_add_1": "math.add"}
CUMULATIVE = "all arguments so far each time"


def shown(
    fragments: list[Fragment], **changes: Any
) -> tuple[list[ToolCallFragment], Answer, tuple[InvalidToolCall, ...]]:
    """(what a caller saw, the answer, the calls that it was told to be invalid)."""
    assembler, calls = ToolCallAssembler(), ShownCalls(OFFERED, OWN_NAMES)
    seen = [p for f in fragments for p in calls.feed([assembler.add(f, "gen-1")])]
    answer = Answer(tool_calls=assembler.calls()).with_(**changes)
    rest = calls.rest(answer)
    return [*seen, *rest.fragments], answer, rest.invalid_calls


def joined(pieces: list[ToolCallFragment]) -> dict[int, tuple[str, str]]:
    """(name, arguments) by index, as readers of pieces put them together."""
    return {
        p.index: (
            "".join(q.name or "" for q in pieces if q.index == p.index),
            "".join(q.arguments for q in pieces if q.index == p.index),
        )
        for p in pieces
    }


@pytest.mark.parametrize(("what", "fragments"), ONE, ids=[what for what, _ in ONE])
def test_pieces_join_to_the_call_or_it_is_invalid(what: str, fragments: list[Fragment]) -> None:
    seen, answer, invalid = shown(fragments)
    (call,) = answer.tool_calls

    assert [p.id for p in seen if p.id] == [call.id]
    if what == CUMULATIVE:
        assert invalid == (InvalidToolCall("A", "f", '{"a"{"a": 1}', PROBLEM, 0, shown=True),), (
            "what was shown cannot be taken back"
        )
    else:
        assert (joined(seen), invalid) == ({0: ("f", '{"a": 1}')}, ())


@pytest.mark.parametrize("first", ["{}", "null", '""', " {} ", " null"])
@pytest.mark.parametrize(
    "rest", [['{"a"', ": 1}"], ['{"a": 1}'], ["", '{"a": 1}'], [" ", '{"a": 1}']]
)
def test_what_says_nothing_waits_for_the_arguments(first: str, rest: list[str]) -> None:
    fragments = [piece(0, "A", name="f", arguments=first), *(piece(0, arguments=p) for p in rest)]
    seen, _, invalid = shown(fragments)

    assert (joined(seen), invalid) == ({0: ("f", '{"a": 1}')}, ())


@pytest.mark.parametrize("pieces", [[], [""], ["{}"], ["null"], ['""'], ["{}", " "], [" "]])
def test_a_call_without_arguments_is_an_empty_object_at_the_end(pieces: list[str]) -> None:
    fragments = [piece(0, "A", name="f"), *(piece(0, arguments=p) for p in pieces)]
    seen, answer, invalid = shown(fragments)
    (_, text) = joined(seen)[0]

    assert answer.tool_calls[0].parsed() == {}
    assert (text.strip(), invalid) == ("{}", ())


NAMES: list[tuple[list[str], str]] = [
    (["f"], "f"),
    (["get"], "get"),
    (["get", "_weather"], "get_weather"),
    (["math_add_1"], "math.add"),
    (["math_", "add_1"], "math.add"),
    (["functions.", "get_weather"], "get_weather"),
    (["functions.get"], "get"),
    (["get_weather<|channel|>x"], "get_weather"),
    (["get_weather", "<|channel|>x"], "get_weather"),
    (["unknown"], "unknown"),
]


@pytest.mark.parametrize(("said", "name"), NAMES)
@pytest.mark.parametrize("arguments", ['{"a": 1}', ""])
def test_a_name_is_shown_once_and_whole(said: list[str], name: str, arguments: str) -> None:
    fragments = [piece(0, "A" if n == 0 else None, name=part) for n, part in enumerate(said)]
    fragments.append(piece(0, arguments=arguments))
    seen, _, invalid = shown(fragments, tool_calls=(ToolCall("A", name, arguments),))

    assert [p.name for p in seen if p.name] == [name]
    assert invalid == ()


def test_a_name_of_one_meaning_is_shown_at_once() -> None:
    calls = ShownCalls(OFFERED, OWN_NAMES)

    assert calls.feed([ToolCallFragment(0, "A", "get_weather", "")]) == (
        ToolCallFragment(0, "A", "get_weather", ""),
    )
    assert calls.feed([ToolCallFragment(1, "B", "get", "")]) == ()
    assert calls.feed([ToolCallFragment(1, None, None, "{")]) == (
        ToolCallFragment(1, "B", "get", "{"),
    )


@pytest.mark.parametrize(
    "answered",
    [
        ToolCall("A", "f", '{"a": 2}'),
        ToolCall("A", "get", '{"a": 1}'),
        ToolCall("A", "f", '{"a": 1, "b": 2}'),
    ],
)
def test_pieces_that_are_not_the_call_make_it_invalid(answered: ToolCall) -> None:
    fragments = [piece(0, "A", name="f", arguments='{"a": 1}')]
    _, _, invalid = shown(fragments, tool_calls=(answered,))

    assert invalid == (InvalidToolCall("A", answered.name, '{"a": 1}', PROBLEM, 0, shown=True),)


def test_the_same_object_in_other_words_is_the_call() -> None:
    fragments = [piece(0, "A", name="f", arguments='{"a":1}')]
    seen, _, invalid = shown(fragments, tool_calls=(ToolCall("A", "f", '{"a": 1}'),))

    assert (joined(seen), invalid) == ({0: ("f", '{"a":1}')}, ())


def test_a_call_that_was_shown_and_is_none_is_invalid() -> None:
    _, _, invalid = shown([piece(0, "A", name="f", arguments='{"a": 1}')], tool_calls=())

    assert [(call.id, call.problem) for call in invalid] == [("A", PROBLEM)]
    assert shown([piece(0, "A", name="get")], tool_calls=())[2] == (), "nothing was shown"
    alone = InvalidToolCall("t", "f", "<tool_call>", "written as text")
    assert shown([], tool_calls=(), invalid_calls=(alone,))[2] == (alone,)


def test_a_call_that_was_not_shown_comes_whole() -> None:
    seen, _, _ = shown(
        [piece(0, "A", name="f", arguments='{"a": 1}')],
        tool_calls=(ToolCall("A", "f", '{"a": 1}'), ToolCall("B", "get", "")),
    )

    assert joined(seen) == {0: ("f", '{"a": 1}'), 1: ("get", "{}")}
    assert seen[-1].id == "B"


def test_an_invalid_call_has_its_name() -> None:
    told = InvalidToolCall("A", "get", "", "cut", 0)
    other = InvalidToolCall("B", "f", "{", "cut", 1)
    fragments = [piece(0, "A", name="get"), piece(1, "B", name="f", arguments="{")]
    seen, _, invalid = shown(fragments, tool_calls=(), invalid_calls=(told, other))

    assert joined(seen) == {0: ("get", ""), 1: ("f", "{")}
    assert invalid == (replace(told, shown=True), replace(other, shown=True))


def test_nothing_is_shown_where_no_tool_may_be_called() -> None:
    calls = ShownCalls(frozenset(), {})

    assert calls.feed([ToolCallFragment(0, "A", "f", "{}")]) == ()
