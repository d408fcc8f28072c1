"""Foreign JSON: read without surprises, and written for the wire."""

from __future__ import annotations

import math
from types import MappingProxyType
from uuid import UUID

import pytest

from freerouter_core.wire.json_values import (
    as_dicts,
    as_mapping,
    encode_json,
    finite,
    is_complete_json,
    parse_json,
    unwritable,
)

DEEP = "[" * 100_000


def deep(levels: int) -> object:
    """A list in a list, so many times."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_json_that_is_nested_too_deeply_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(DEEP)


@pytest.mark.parametrize(
    ("text", "complete"), [('{"a": 1}', True), ("7", True), ('{"a": ', False), (DEEP, False)]
)
def test_complete_json_is_one_whole_value(text: str, complete: bool) -> None:
    assert is_complete_json(text) is complete


@pytest.mark.parametrize("value", [None, 7, "x", ["a"]])
def test_what_is_no_object_is_an_empty_one(value: object) -> None:
    assert as_mapping(value) == {}
    assert as_mapping({"a": value}) == {"a": value}


def test_only_the_objects_of_an_array_are_read_and_as_copies() -> None:
    inner = {"a": 1}
    (copy,) = as_dicts([inner, 7, None, "x"])

    assert copy == inner
    assert copy is not inner
    assert as_dicts({"a": 1}) == ()


def test_any_mapping_is_written_as_an_object_and_no_other_thing_at_all() -> None:
    assert encode_json({"m": MappingProxyType({"role": "user"})}) == b'{"m":{"role":"user"}}'
    with pytest.raises(TypeError, match="a UUID has no form in JSON"):
        encode_json({"id": UUID(int=0)})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, 2.5, "x", None, True, (), MappingProxyType({})]}, None),
        ({"a": {"b": [0, UUID(int=0)]}}, "a.b[1]"),
        ({"t": math.inf}, "t"),
        (math.nan, "nan"),
        ({1, 2}, "set"),
        (deep(250), "[0]" * 201),
    ],
)
def test_what_json_has_no_form_for_is_found(value: object, path: str | None) -> None:
    assert unwritable(value) == path


def test_what_json_has_no_number_for_is_none_in_a_copy() -> None:
    value = {"a": float("nan"), "b": [1.5, float("-inf")], "c": ("x", {"d": float("inf")}), "e": 1}
    before = repr(value)

    assert finite(value) == {"a": None, "b": [1.5, None], "c": ["x", {"d": None}], "e": 1}
    assert repr(value) == before
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="too deeply"):
        finite(loop)


def test_letters_are_written_as_they_are_and_half_a_letter_as_a_question_mark() -> None:
    assert encode_json({"a": "é😀"}) == '{"a":"é😀"}'.encode()
    assert encode_json({"a": "x\ud83d"}) == b'{"a":"x?"}'
