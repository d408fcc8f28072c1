"""Mistakes in a schema are told before anything is asked with it."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.wire.schema_mistakes import schema_mistake

NESTED: dict[str, Any] = {"type": "string"}
for _ in range(1_000):
    NESTED = {"items": NESTED}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"], "enum": ["a", None], "x-own": {"type": "strin"}},
        {
            "type": "object",
            "properties": {"next": {"$ref": "#/$defs/a~1b"}, "all": {"$ref": "#"}, "any": True},
            "required": ["next"],
            "additionalProperties": False,
            "$defs": {"a/b": {"type": "integer", "minimum": 0.5, "maxLength": 3}},
        },
        {"anyOf": [{"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}}]},
        {"pattern": r"^\p{L}+(?<rest>.*)$"},
        {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        {"anyOf": [{"type": "null"}], "items": {"$ref": "#/anyOf/0"}},
        {"$defs": {"a b": {}}, "items": {"$ref": "#/$defs/a%20b"}},
        {"$defs": {"a": {"$anchor": "b"}}, "items": {"$ref": "#b"}},
        {"items": {"$ref": "https://elsewhere.test/a.json"}},
    ],
)
def test_a_schema_without_a_mistake(schema: dict[str, Any]) -> None:
    assert schema_mistake(schema) is None


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strin"}, "$.type is one of array, boolean, integer"),
        ({"type": ["string", 3]}, "$.type is one of"),
        ({"properties": ["label"]}, "$.properties must be an object"),
        ({"properties": {"a": "string"}}, "$.properties.a must be a schema, not str"),
        ({"properties": {"a": {"anyOf": {}}}}, "$.properties.a.anyOf must be a list of schemas"),
        ({"oneOf": [{}, 7]}, "$.oneOf[1] must be a schema, not int"),
        ({"items": {"type": "text"}}, "$.items.type is one of"),
        ({"required": "label"}, "$.required must be a list of names"),
        ({"required": [1]}, "$.required must be a list of names"),
        ({"enum": []}, "$.enum must be a list of values, and not empty"),
        ({"enum": "a"}, "$.enum must be a list of values, and not empty"),
        ({"minLength": 1.5}, "$.minLength must be a whole number"),
        ({"maxItems": -1}, "$.maxItems must not be negative"),
        ({"minimum": "0"}, "$.minimum must be a number"),
        ({"maximum": True}, "$.maximum must be a number"),
        ({"pattern": 3}, "$.pattern must be text"),
        ({"$ref": 3}, "$.$ref must be text"),
        ({"anyOf": [{}], "items": {"$ref": "#/anyOf/1"}}, "$.items.$ref points to nothing"),
        ({"anyOf": [{}], "items": {"$ref": "#/anyOf/x"}}, "$.items.$ref points to nothing"),
        ({"$ref": "#/$defs/a"}, "$.$ref points to nothing: '#/$defs/a'"),
        ({"$defs": {"a": {}}, "items": {"$ref": "#/$defs/a/b"}}, "$.items.$ref points to nothing"),
        (NESTED, "is nested too deeply"),
    ],
)
def test_the_first_mistake_is_told_with_its_place(schema: dict[str, Any], told: str) -> None:
    mistake = schema_mistake(schema)
    assert mistake is not None
    assert told in mistake
