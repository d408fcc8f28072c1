"""The object in an answer: of all values the one that shares most with the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_gate import LONGEST_KEY, JsonGate
from freerouter_core.wire.structured import Structured
from freerouter_core.wire.structured_reader import property_names, read_structured

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
KEYWORDS = {
    "title": "Keywords",
    "type": "object",
    "properties": {
        "title": {"type": "string", "default": ""},
        "words": {"type": "array", "items": {"type": "string"}, "default": []},
    },
}
"""Everything is optional, and `title` is a word of schemas as well."""
COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
LIST = {"type": "array", "items": PERSON}
ANNA, WORDS = {"name": "Anna", "age": 33}, {"title": "t", "words": ["a"]}


def value(text: Any, schema: Any, **more: Any) -> Any:
    """The value that is read; the problem if there is one."""
    text = text if isinstance(text, str) else json.dumps(text)
    parsed = read_structured(Answer(text), Structured(schema, **more))
    return parsed.problem or parsed.value


@pytest.mark.parametrize(
    ("answer", "schema", "found"),
    [
        # the value that shares most
        (f'For example {{}}: {json.dumps(WORDS)}', KEYWORDS, WORDS),
        (f'{{"title": "draft"}} then {json.dumps(WORDS)}', KEYWORDS, WORDS),
        (f'{json.dumps(WORDS)} not {{"title": "draft"}}', KEYWORDS, WORDS),
        (f'Like {{"a": 1}}: {json.dumps(WORDS)}', KEYWORDS, WORDS),
        # one wrapper
        ({"Keywords": WORDS}, KEYWORDS, WORDS),
        ({"Person": ANNA}, PERSON, ANNA),
        ({"result": {"a": 1}, "answer": ANNA}, PERSON, ANNA),
        ({"name": "Person", "arguments": ANNA}, PERSON, ANNA),
        ({"name": "Person", "arguments": json.dumps(ANNA)}, PERSON, ANNA),
        ({"name": "Keywords", "parameters": WORDS}, KEYWORDS, WORDS),
        ({"type": "object", "properties": ANNA}, PERSON, ANNA),
        ({"title": "Keywords", "type": "object", "properties": WORDS}, KEYWORDS, WORDS),
        ([ANNA], PERSON, ANNA),
        ({"people": [ANNA]}, LIST, [ANNA]),
        ({"counts": {"a": 1}}, COUNTS, {"a": 1}),
        # what looks like a wrapper and is the object
        ({"title": "t", "more": {"title": "x", "words": ["y"]}}, KEYWORDS,
         {"title": "t", "more": {"title": "x", "words": ["y"]}}),
        ({"result": [ANNA]}, PERSON, ANNA),
        (json.dumps(json.dumps(ANNA)), PERSON, ANNA),  # encoded twice
        (json.dumps('{"name": "An'), {"type": "string"}, '{"name": "An'),
        (json.dumps('{"a": 1}'), {"type": "string"}, '{"a": 1}'),
        ({"a": 1}, COUNTS, {"a": 1}),
        ([ANNA, ANNA], LIST, [ANNA, ANNA]),
        ([], LIST, []),
        ({"x": 1}, {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
         {"x": 1}),
        ({"properties": {"a": {"type": "b"}}},
         {"type": "object", "properties": {"properties": {"type": "object"}}},
         {"properties": {"a": {"type": "b"}}}),
        ({"b": 1}, {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, {"b": 1}),
        ("7", {"type": "integer"}, 7),
    ],
)  # fmt: skip
def test_the_object_is_found(answer: Any, schema: Any, found: Any) -> None:
    assert value(answer, schema) == found


@pytest.mark.parametrize(
    ("answer", "schema"),
    [
        (KEYWORDS, KEYWORDS),  # an echo of the schema
        ({**KEYWORDS, "description": "d"}, KEYWORDS),
        ({"Keywords": KEYWORDS}, KEYWORDS),
        ({"$defs": {}, "properties": {"title": {"type": "string"}}, "title": "K"}, KEYWORDS),
        ({"error": "I cannot"}, KEYWORDS),  # nothing in common
        ({"Keywords": {"a": 1}}, KEYWORDS),
        ([{"x": 1}], {"type": "array", "items": KEYWORDS}),
        ({"wrap": {"wrap": ANNA}}, PERSON),  # two wrappers
        ({"name": "Person", "arguments": '{"name": "An'}, PERSON),
        (json.dumps('{"name": "An'), PERSON),
        ({"words": "one"}, KEYWORDS),
    ],
)
def test_what_is_not_the_object_is_none(answer: Any, schema: Any) -> None:
    problem = value(answer, schema)

    assert isinstance(problem, str)
    assert problem.startswith("the JSON does not match the schema: $")


def test_the_problem_is_that_of_the_value_that_comes_nearest() -> None:
    assert "age" in value('{"x": 1} and {"name": "Anna"}', PERSON)


@pytest.mark.parametrize(
    ("text", "hollow"), [("{}", True), ('{"title": "t"}', False), ("Sure: {}", True)]
)
def test_an_empty_object_is_told_from_a_filled_one(text: str, hollow: bool) -> None:
    assert read_structured(Answer(text), Structured(KEYWORDS)).hollow is hollow
    assert not read_structured(Answer("{}"), Structured(COUNTS)).hollow


def test_a_class_takes_more_than_its_schema_says() -> None:
    lax = {**ANNA, "age": "33"}

    assert value(f'{{"name": "x"}} {json.dumps(lax)}', PERSON, lax=True) == lax
    assert value({"Person": lax}, PERSON, lax=True) == lax


def test_names_are_found_in_references_options_and_lists() -> None:
    names = frozenset({"name", "age"})
    definitions = {"$defs": {"P": PERSON}, "$ref": "#/$defs/P"}

    assert property_names(PERSON) == property_names(LIST) == property_names(definitions) == names
    assert property_names({"oneOf": [PERSON, {"type": "null"}]}) == names
    assert property_names(COUNTS) is property_names(None) is property_names({"items": 1}) is None
    deep: Any = PERSON
    for _ in range(9):
        deep = {"type": "array", "items": deep}
    assert property_names(deep) is None


# -- while it grows ------------------------------------------------------------------------------


def shown(text: str, names: frozenset[str] | None, step: int) -> str:
    gate = JsonGate(names)
    return "".join(gate.feed(text[n : n + step]) for n in range(0, len(text), step))


@pytest.mark.parametrize("step", [1, 2, 99])
def test_the_object_itself_is_shown_as_it_grows(step: int) -> None:
    names = frozenset({"name", 'a"b'})
    for text in ('{"name": 1}', '{ "name" : 1}', '{"a\\"b": 1}', '[{"x": 1}]'):
        assert shown(text, names, step) == text
    assert shown('{"x": 1}', None, step) == '{"x": 1}'
    assert JsonGate(names, lists=False).feed('[{"name": 1}]') == ""


@pytest.mark.parametrize("step", [1, 2, 99])
def test_a_wrapper_an_echo_and_prose_wait_until_they_are_whole(step: int) -> None:
    names = frozenset({"name"})
    texts = ['{"Person": {"name": 1}}', '{"type": "object"}', "{}", "{x", "Sure", '{"\\u12": 1}']
    for text in [*texts, '{"' + "x" * LONGEST_KEY]:
        assert shown(text, names, step) == ""
        gate = JsonGate(names)
        assert gate.feed(text) == ""
        assert (gate.release(), gate.feed("y"), gate.release()) == (text, "y", "")
