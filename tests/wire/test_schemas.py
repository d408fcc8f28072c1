"""JSON Schema: violations with their path, strict copies, and nulls taken back."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.wire.schema import (
    dereference,
    find_violation,
    is_strict,
    make_strict,
    resolve_root,
    schema_name,
    without_nulls,
)


@pytest.mark.parametrize(
    ("schema", "value", "violation"),
    [
        (False, 1, "$: nothing is allowed here"),
        (True, 1, None),
        ("odd", 1, None),
        ({}, object(), None),
        # combinations
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, None),
        (
            {"anyOf": [{"type": "string"}, {"type": "array"}]},
            1,
            "$: expected string, got int",
        ),
        ({"oneOf": [{"const": 2}]}, 1, "$: must be 2"),
        ({"oneOf": [{"const": 1}]}, 1, None),
        ({"anyOf": []}, 1, None),
        ({"anyOf": "odd"}, 1, None),
        ({"allOf": [{"type": "integer"}, {"minimum": 2}]}, 1, "$: 1 is out of range"),
        ({"allOf": [{"type": "integer"}]}, 1, None),
        # literals
        ({"const": None}, 1, "$: must be None"),
        ({"const": 1}, 1, None),
        ({"enum": [1, 2]}, 3, "$: 3 is none of [1, 2]"),
        ({"enum": [1, 2]}, 2, None),
        ({"enum": "odd"}, 3, None),
        # types
        ({"type": "object"}, [], "$: expected object, got list"),
        ({"type": ["string", "null"]}, 1, "$: expected string or null, got int"),
        ({"type": ["string", "null"]}, None, None),
        ({"type": "odd"}, 1, None),
        ({"type": "boolean"}, True, None),
        ({"type": "integer"}, True, "$: expected integer, got bool"),
        ({"type": "integer"}, 2.0, None),
        ({"type": "integer"}, 2.5, "$: expected integer, got float"),
        ({"type": "number"}, 2.5, None),
        ({"type": "array"}, [], None),
        # objects
        ({"required": ["a"]}, {}, "$: 'a' is missing"),
        ({"required": ["a"]}, {"a": None}, None),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, "$.a: expected string, got int"),
        ({"additionalProperties": False}, {"a": 1}, "$.a: nothing is allowed here"),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, "$.a: expected string, got int"),
        ({"properties": {"a": True}, "additionalProperties": False}, {"a": 1}, None),
        ({"properties": ["odd"]}, {"odd": 1}, None),
        ({"required": ["a"]}, [], None),
        # arrays
        ({"minItems": 1}, [], "$: fewer than 1 items"),
        ({"minItems": 1}, [1], None),
        ({"maxItems": 1}, [1, 2], "$: more than 1 items"),
        ({"maxItems": 1}, [1], None),
        ({"items": {"type": "string"}}, ["a", 1], "$[1]: expected string, got int"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], None),
        (
            {"prefixItems": [{"type": "string"}], "items": False},
            ["a", 1],
            "$[1]: nothing is allowed here",
        ),
        # strings and numbers
        ({"minLength": 2}, "a", "$: shorter than 2"),
        ({"minLength": 2, "maxLength": 2}, "ab", None),
        ({"maxLength": 2}, "abc", "$: longer than 2"),
        ({"minimum": 2}, 1, "$: 1 is out of range"),
        ({"minimum": 2, "maximum": 2}, 2, None),
        ({"maximum": 2}, 3, "$: 3 is out of range"),
        ({"exclusiveMinimum": 2}, 2, "$: 2 is out of range"),
        ({"exclusiveMaximum": 2}, 2, "$: 2 is out of range"),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, 2, None),
        ({"minimum": 2}, True, None),
    ],
)
def test_the_first_violation_is_reported_with_its_path(
    schema: object, value: object, violation: str | None
) -> None:
    assert find_violation(value, schema) == violation


LIST: dict[str, Any] = {
    "$ref": "#/$defs/List",
    "$defs": {
        "List": {
            "type": "object",
            "properties": {"next": {"$ref": "#/$defs/List"}, "a~b/c": {"type": "integer"}},
            "required": ["a~b/c"],
        }
    },
}


def test_references_are_followed_to_any_depth() -> None:
    good = {"a~b/c": 1, "next": {"a~b/c": 2}}

    assert find_violation(good, LIST) is None
    assert find_violation({"a~b/c": 1, "next": {}}, LIST) == "$.next: 'a~b/c' is missing"


@pytest.mark.parametrize(
    ("schema", "followed"),
    [
        ({"$ref": "#/a~1b/c~0d"}, {"type": "string"}),
        ({"$ref": "#/a~1b/c~0d", "title": "t"}, {"type": "string", "title": "t"}),
        ({"$ref": "#/nowhere/at/all"}, {}),
        ({"$ref": "#/text"}, {}),
        ({"$ref": "#/text/deeper"}, {}),
        ({"$ref": 7}, {"$ref": 7}),
        ({"$ref": "#/loop"}, {}),
    ],
)
def test_a_reference_is_followed_or_constrains_nothing(
    schema: dict[str, Any], followed: dict[str, Any]
) -> None:
    root = {"a/b": {"c~d": {"type": "string"}}, "text": "x", "loop": {"$ref": "#/loop"}}

    assert dereference(schema, root) == followed


def test_a_reference_to_the_root_is_the_root() -> None:
    assert dereference({"$ref": "#"}, {"type": "string"}) == {"type": "string"}


def test_a_reference_at_the_root_is_followed_and_definitions_stay() -> None:
    root = resolve_root(LIST)

    assert root["type"] == "object"
    assert root["$defs"] == LIST["$defs"]
    assert "$ref" not in root
    assert resolve_root({"type": "string"}) == {"type": "string"}
    assert resolve_root(None) == {}
    old = resolve_root({"$ref": "#/definitions/X", "definitions": {"X": {"type": "string"}}})
    assert old == {"type": "string", "definitions": {"X": {"type": "string"}}}


TEXT = {"type": "string"}


def closed(**parts: Any) -> dict[str, Any]:
    """An object that takes no other names, and requires all it has."""
    required = list(parts["properties"])
    return {"type": "object", "additionalProperties": False, "required": required, **parts}


def test_a_strict_copy_is_closed_and_requires_everything() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "default": "x"},
            "b": {"type": "string", "default": "x"},
            "c": {"type": ["string", "null"], "default": None},
            "d": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "e": {"type": "null"},
            "f": {"type": "integer"},
            "g": {"type": "array", "items": {"type": "object", "properties": {}}},
        },
        "required": ["a"],
    }
    strict = make_strict(schema)

    assert strict["required"] == list("abcdefg")
    assert strict["additionalProperties"] is False
    assert strict["properties"] == {
        "a": {"type": "string"},
        "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "c": {"type": ["string", "null"]},
        "d": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "e": {"type": "null"},
        "f": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "g": {
            "anyOf": [
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {},
                        "required": [],
                        "additionalProperties": False,
                    },
                },
                {"type": "null"},
            ]
        },
    }
    assert is_strict(strict)
    assert schema["required"] == ["a"]


def test_a_strict_copy_of_a_schema_that_allows_anything_is_not_strict() -> None:
    for required in (["a"], []):
        schema = {"type": "object", "properties": {"a": True}, "required": required}
        assert not is_strict(make_strict(schema))


def test_values_inside_a_schema_are_no_schemas() -> None:
    part = {"enum": [{"properties": {"a": 1}}], "const": {"properties": {"a": 1}}}
    schema = closed(properties={"v": part})

    assert make_strict(schema) == schema
    assert is_strict(schema)


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (closed(properties={}), True),
        (closed(properties={"type": TEXT, "default": TEXT, "properties": TEXT}), True),
        (closed(properties={"a": closed(properties={"b": TEXT})}), True),
        (closed(properties={"a": {"type": "array", "items": TEXT}}), True),
        (closed(properties={"a": {"anyOf": [TEXT, {"type": "null"}]}}), True),
        (closed(properties={"a": {"type": ["string", "null"]}}), True),
        (closed(properties={"a": {"enum": ["x"]}, "b": {"const": 1}}), True),
        (closed(properties={"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": TEXT}}), True),
        ({"$ref": "#/$defs/A", "$defs": {"A": closed(properties={"b": TEXT})}}, True),
        # the root must be an object
        (TEXT, False),
        (True, False),
        ({"anyOf": [closed(properties={})]}, False),
        # objects must be closed and require all that they have
        ({"type": "object", "properties": {}}, False),
        (closed(properties={"a": TEXT}, required=[]), False),
        (closed(properties="odd"), False),
        (closed(properties={"a": {"type": "object", "properties": {}}}), False),
        # dict[str, int], dict and Any have names, or values, that nobody knows
        (closed(properties={"a": {"type": "object", "additionalProperties": TEXT}}), False),
        (closed(properties={"a": {"type": "object"}}), False),
        (closed(properties={"a": {"type": ["object", "null"]}}), False),
        (closed(properties={"a": {}}), False),
        (closed(properties={"a": True}), False),
        (closed(properties={"a": {"type": "array"}}), False),
        # what strict endpoints refuse
        (closed(properties={"a": {"type": "string", "default": "x"}}), False),
        (closed(properties={"a": {"oneOf": [TEXT]}}), False),
        (closed(properties={"a": {"anyOf": [{}]}}), False),
        (closed(properties={"a": {"$ref": "#/$defs/A", "description": "d"}}), False),
        (closed(properties={}, **{"$defs": {"A": {"type": "object"}}}), False),
    ],
)
def test_a_schema_is_strict_if_a_strict_endpoint_takes_every_part_of_it(
    schema: object, strict: bool
) -> None:
    assert is_strict(schema) is strict


@pytest.mark.parametrize(
    ("schema", "value", "without"),
    [
        ({"properties": {"a": {"type": "string"}}}, {"a": None, "b": None}, {"b": None}),
        ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": None}, {"a": None}),
        ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": None}, {"a": None}),
        ({"properties": {"a": {"type": "string"}}}, {"a": "x"}, {"a": "x"}),
        ({"items": {"properties": {"a": {"type": "string"}}}}, [{"a": None}], [{}]),
        ({"properties": {"x": {"properties": {"a": {"type": "string"}}}}}, {"x": {"a": None}},
         {"x": {}}),
        (LIST, {"a~b/c": 1, "next": None}, {"a~b/c": 1}),
        ({"type": "string"}, "x", "x"),
        (True, {"a": None}, {"a": None}),
    ],
)  # fmt: skip
def test_nulls_of_optional_properties_that_allow_none_are_taken_back(
    schema: object, value: object, without: object
) -> None:
    assert without_nulls(value, schema) == without


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("my name!", "my_name"), ("", "answer"), ("日本", "answer"), ("a" * 70, "a" * 64),
     ("a-b_1", "a-b_1")],
)  # fmt: skip
def test_names_are_made_acceptable(name: str, accepted: str) -> None:
    assert schema_name(name) == accepted
