"""What is foreign has bounds: sizes, depths, steps (law 12)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core import ChatRequest
from freerouter_core.errors import BadRequest
from freerouter_core.routing.need import checked_need
from freerouter_core.wire import json_values, sse, stream, tool_calls
from freerouter_core.wire.answer import MAX_TEXT, read_answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import (
    MAX_DEPTH,
    MAX_VALUES,
    cut_middle,
    is_deep,
    parse_json,
    read_json_at,
)
from freerouter_core.wire.refused_parameter import refused_parameter
from freerouter_core.wire.rejection import Rejection, message_of, read_rejection, searchable_text
from freerouter_core.wire.retry_after import parse_duration, parse_retry_at, stated_retry_at
from freerouter_core.wire.schema import Checker, find_violation, without_nulls
from freerouter_core.wire.structured_reader import iter_json
from freerouter_core.wire.think_tags import MAX_PENDING, ThinkSplitter
from freerouter_core.wire.tool_calls import MAX_CALLS, ToolCall, ToolCallAssembler, ToolCallFragment

NOW = 1_800_000_000.0


# -- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_has_a_depth(opening: str, closing: str) -> None:
    def nested(depth: int) -> str:
        return opening * depth + "1" + closing * depth

    assert parse_json(nested(MAX_DEPTH)) is not None
    for depth in (MAX_DEPTH + 1, 900, 40_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(nested(depth))


@pytest.mark.parametrize(
    "text", ["[" + "1," * MAX_VALUES + "1]", '"' + "\\n" * 9 * MAX_VALUES + '"']
)
def test_json_has_so_many_values(text: str) -> None:
    for form in (text, text.encode(), bytearray(text.encode())):
        with pytest.raises(ValueError, match="more than 100,000 values"):
            parse_json(form)
    assert parse_json(text, 9 * MAX_VALUES)
    assert list(iter_json("see: " + text)) == []


def test_json_is_a_text() -> None:
    with pytest.raises(ValueError, match="not a text"):
        parse_json(None)  # type: ignore[arg-type]


def test_json_in_prose_says_how_far_it_was_read() -> None:
    assert read_json_at("[1] and", 0) == ([1], 3)
    assert read_json_at("x[1,", 1) == (None, 3)
    assert read_json_at("[" * 5_000, 0) == (None, 5_000)
    deep = "[" * 300 + "]" * 300
    assert read_json_at(deep, 0) == (None, 600)
    assert read_json_at("[" + "1" * 5_000 + "]", 0) == (None, 5_002)


def test_a_value_that_holds_itself_is_deep() -> None:
    value: list[object] = []
    value += [value, value]
    assert is_deep(value)
    assert not is_deep("a")
    assert is_deep({"a": ({"b": 1},)}, depth=1)


def test_a_deep_request_is_the_caller_s_mistake() -> None:
    deep: dict[str, Any] = {}
    for _ in range(MAX_DEPTH):
        deep = {"properties": deep}
    tool = {"type": "function", "function": {"name": "f", "parameters": deep}}
    with pytest.raises(BadRequest, match="nested too deeply"):
        checked_need(
            ChatRequest([{"role": "user", "content": "hi"}], tools=[tool]), allow_paid=False
        )


def test_a_text_is_cut_in_its_middle() -> None:
    assert cut_middle("abc", 3) == "abc"
    assert cut_middle("a" * 100 + "z" * 100, 40) == "a" * 30 + " … " + "z" * 10


def test_in_prose_only_so_many_values_are_looked_at() -> None:
    assert len(list(iter_json("see: " + "[] " * 1_000))) == 200
    halves = ("[" + "1," * 100) * 300
    read = []

    def counting(text: str, start: int) -> tuple[Any, int]:
        read.append(read_json_at(text, start)[1])
        return None, read[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("freerouter_core.wire.structured_reader.read_json_at", counting)
        assert list(iter_json("see: " + halves)) == []
    assert sum(read) < 6 * len(halves)


# -- errors -------------------------------------------------------------------------------------


def test_of_an_error_the_beginning_and_the_end_are_searched() -> None:
    text = searchable_text(Rejection(400, {}, {"a": ["x" * 9_000] * 9, "message": "y" * 9_000}))
    assert len(text) < 6_100
    body = json.dumps({"error": {"message": "a" * 60_000 + " max_tokens"}}).encode()
    assert "max_tokens" in searchable_text(read_rejection(400, {}, body))
    assert len(message_of(read_rejection(400, {}, body).error)) <= 2_000
    assert message_of({"message": {"detail": ["no"]}}) == "{'detail': ['no']}"


def test_a_wide_error_is_searched_in_part() -> None:
    wide = {str(n): {str(m): "x" for m in range(100)} for n in range(100)}
    assert len(searchable_text(Rejection(400, {}, wide))) < 6_100
    assert refused_parameter("", [[{"loc": ["body", "seed"], "type": "extra_forbidden"}]]) == "seed"
    late = [["x"]] * 1_000 + [{"loc": ["body", "seed"], "type": "extra_forbidden"}]
    assert refused_parameter("", late) is None


def test_long_times_are_none() -> None:
    assert parse_duration("1" * 200) is None
    assert parse_retry_at("1" * 200, NOW) is None
    assert parse_retry_at(["1"], NOW) is None
    assert parse_retry_at(-(10**400), NOW) is None
    assert stated_retry_at({}, {"message": [7]}, NOW) is None
    assert stated_retry_at({}, {"message": "x" * 9_000 + " retry in 5 s"}, NOW) == NOW + 5


# -- schemas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"minItems": "x", "items": 3, "prefixItems": 5, "maxItems": []},
        {"allOf": 3, "anyOf": "ab", "oneOf": {}, "required": 5, "enum": 5, "type": {}},
        {"minimum": "a", "maximum": None, "exclusiveMinimum": [], "minLength": {}},
        {"$ref": "#/a/b/c", "a": [1]},
        {"required": [["a"], 5], "properties": [1], "additionalProperties": 5},
    ],
)
@pytest.mark.parametrize("value", [{"a": 1}, [1, None], "text", 1, 1.5, None, True])
def test_a_keyword_of_another_form_constrains_nothing(schema: Any, value: object) -> None:
    assert find_violation(value, schema) is None
    assert without_nulls(value, schema) == value


def test_a_schema_that_doubles_costs_only_so_many_steps() -> None:
    schema = {
        "$defs": {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
        | {"a60": {"type": "string"}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a0"}},
    }
    checker = Checker()
    assert checker.violation({"a": 5}, schema) is None
    assert checker.spent
    nulls = {"a": None, "b": [None] * 10}
    assert without_nulls(nulls, schema, checker) is nulls


def test_long_arrays_and_lists_of_values_are_checked_as_far_as_the_steps_reach() -> None:
    items = {"items": {"type": "integer"}}
    assert find_violation([*range(100), "x"], items) == "$[100]: expected integer, got str"
    assert find_violation([*range(20_000), "x"], items) is None
    assert find_violation([*range(20_000), "x"], {"items": True}) is None
    assert find_violation("z", {"enum": list(range(500_000))}) is not None
    assert len(find_violation("z" * 9_999, {"enum": ["y" * 9_999]}) or "") < 300


# -- streams ------------------------------------------------------------------------------------


def test_an_event_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1_000)
    decoder = sse.SSEDecoder()
    for _ in range(5):  # each event counts for itself
        assert len(decoder.feed(b"data: " + b"a" * 800 + b"\n\n")) == 1
    with pytest.raises(ValueError, match="an event is longer"):
        decoder.feed(b"data: x\n" * 100)


def chunk(**delta: Any) -> str:
    return json.dumps({"choices": [{"delta": delta}]})


@pytest.mark.parametrize(
    ("bound", "most", "delta"),
    [
        ("MAX_ANSWER", 10_000, {"content": "a"}),
        ("MAX_TEXT", 100, {"reasoning": "ab"}),
        ("MAX_TEXT", 100, {"tool_calls": [{"index": 0, "function": {"arguments": "ab"}}]}),
        ("MAX_VALUES", 500, {"images": [{"a": []}]}),
        ("MAX_VALUES", 500, {"reasoning_details": [{"type": "encrypted", "data": "a"}]}),
        ("MAX_CALLS", 50, None),
    ],
)
def test_an_answer_has_a_size(
    bound: str, most: int, delta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, bound, most)
    assembler = stream.Assembler("m")
    for n in range(500):
        call = {"tool_calls": [{"index": n, "function": {"name": "f"}}]}
        assembler.feed_data(chunk(**(call if delta is None else delta)))
        if n == 5:
            assert assembler.error is None
    assert "larger than any honest one" in str(assembler.error)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "a" * (MAX_TEXT + 1)},
        {"content": "a" * MAX_TEXT, "reasoning": "b"},
        {"tool_calls": [{"function": {"name": "f", "arguments": "a" * (MAX_TEXT + 1)}}]},
        {"tool_calls": [{"function": {"name": "f"}}] * (MAX_CALLS + 1)},
    ],
)
def test_a_whole_answer_has_a_size(message: Any) -> None:
    answer = read_answer({"choices": [{"message": message}]}, "m")
    assert "larger than any honest one" in str(answer.error)


def test_whitespace_before_a_tag_is_not_kept_for_ever() -> None:
    splitter = ThinkSplitter()
    for _ in range(3):
        assert splitter.feed(" " * MAX_PENDING) == ("", "")
    assert splitter.feed("<think>a</think>b") == ("b", "a")


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (['{"a": ', "[1]}"], True), (['{"a": "}"', "}"], True), (['{"a": "\\', '"}"}'], True),
        (['{"a": "\\"}"}', " \n"], True), (['{"a": "x\\\\"}'], True),
        (['{"a": 1'], False), (['{"a": "}'], False), (["{}", "x"], False), (["{a}"], False),
        (["{}", "{}"], False), ([""], False), (['{"a": "\\', ""], False),
    ],
)  # fmt: skip
def test_the_end_of_arguments_is_found_in_any_pieces(pieces: list[str], whole: bool) -> None:
    call = tool_calls._PartialCall("id", 0)
    for piece in pieces:
        call.arguments.append(piece)
        call.is_complete()
    assert call.is_complete() is whole


def test_names_again_and_again_read_each_fragment_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counted(text: str) -> bool:
        parsed.append(text)
        return json_values.is_complete_json(text)

    monkeypatch.setattr(tool_calls, "is_complete_json", counted)
    assembler = ToolCallAssembler()
    for _ in range(1_000):
        assembler.add({"index": 0, "function": {"name": "f", "arguments": '{"a"}'}}, "x")
    assert len(assembler.calls()) == 1
    assert len(parsed) <= 3, "once for the end, and once more for what a server sent twice"


def test_a_delta_counts_for_what_it_holds() -> None:
    assert Delta("ab", "c").size == 103
    fragment, call = ToolCallFragment(0, None, None, "abc"), ToolCall("i", "f", "{}")
    assert Delta(fragments=(fragment,)).size == 203
    assert Delta(tool_calls=(call,), reasoning_details=({},)).size == 1_202
