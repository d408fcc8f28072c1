"""Calls that a model wrote as text, and the gate that holds them back."""

from __future__ import annotations

import pytest

from freerouter_core.wire.call_text import (
    LONGEST_OPENING,
    CallGate,
    call_start,
    called_name,
    is_call_text,
)

CALLS = [
    '<tool_call>{"name": "find", "arguments": {}}</tool_call>',
    "<tool_call>find\n<arg_key>q</arg_key>",
    '<|tool_calls_section_begin|>functions.find:0{"q": 1}',
    "<\uff5ctool▁calls▁begin\uff5c>function<\uff5ctool▁sep\uff5c>find",
    "<function=find><parameter=q>1</parameter></function>",
    '<invoke name="find"><parameter name="q">1</parameter></invoke>',
    '<|python_tag|>{"name": "find", "parameters": {}}',
    '[TOOL_CALLS][{"name": "find", "arguments": {}}]',
    ' \n{"name": "find", "arguments": {"q": 1}}',
    '{ "name" : "find", "parameters": {}}',
    '{"type": "function", "name": "find", "parameters": {}}',
    '{"type": "function", "function": {"name": "find", "arguments": {}}}',
    '[{"name": "find", "arguments": {}}]',
    '```json\n{"name": "find", "arguments": {"q": 1}}\n```',
]
TEXTS = [
    "Hello.",
    "<b>bold</b>",
    "<tool_box> is a tag",
    '{"name": "Anna", "age": 33}',
    '{"names": []}',
    "[1] says so",
    "{ and so on",
    "",
]


def through(gate: CallGate, text: str, step: int = 1) -> str:
    return "".join(gate.feed(text[n : n + step]) for n in range(0, len(text), step))


@pytest.mark.parametrize("text", CALLS)
def test_a_call_is_known_and_held_back_however_it_is_cut(text: str) -> None:
    assert is_call_text(text)
    for step in (1, 3, len(text)):
        gate = CallGate()
        assert through(gate, text, step) == ""
        assert gate.release() == text


@pytest.mark.parametrize("text", TEXTS)
def test_any_other_text_passes(text: str) -> None:
    assert not is_call_text(text)
    for step in (1, 3, 99):
        gate = CallGate()
        passed = through(gate, text, step) + through(gate, " And more.", step) + gate.release()
        assert passed == text + " And more."


def test_an_object_that_shows_no_call_soon_is_a_text() -> None:
    text = '{"name": "' + "x" * LONGEST_OPENING + '"'

    assert through(CallGate(), text) == text


def test_where_a_call_is_required_no_text_passes_by_itself() -> None:
    gate = CallGate(calls_only=True)

    assert through(gate, "I will look. ") == ""
    assert (gate.release(), gate.feed("x")) == ("I will look. ", "x")


@pytest.mark.parametrize("text", [*CALLS[:1], *CALLS[4:6], *CALLS[8:]])
def test_the_name_of_the_tool_is_found(text: str) -> None:
    assert called_name(text) == "find"


def test_a_call_without_a_name_has_none() -> None:
    assert called_name("<tool_call>?") == ""


AFTER_WORDS = [
    '<function=find>{"q": 1}</function>',
    '<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>\n',
    '  [TOOL_CALLS][{"name": "find", "arguments": {}}]',
    "<|python_tag|>find(q=1)",
]


@pytest.mark.parametrize("call", AFTER_WORDS)
def test_a_call_behind_words_is_known_and_held_back(call: str) -> None:
    words = "I will look.\n\nNow:\n"
    text = words + call
    assert call_start(text, {"find"}) == len(words) + len(call) - len(call.lstrip())
    assert call_start(text, {"other"}) is None
    assert call_start(text + "\nThat is how it is written.", {"find"}) is None
    for step in (1, 3, len(text)):
        gate = CallGate()
        assert through(gate, text, step).strip() == words.strip()
        assert (gate.release()).strip() == call.strip()


@pytest.mark.parametrize(
    "text",
    ["one\ntwo\n", "a\n<b>c</b>\n", "a\n[1] b\n<fun", "a\n\n<tool_box>", "see <function=find>"],
)
def test_what_might_have_become_a_call_is_let_through_in_the_end(text: str) -> None:
    assert call_start(text, {"find"}) is None
    for step in (1, 2, 99):
        gate = CallGate()
        assert through(gate, text, step) + gate.release() == text
