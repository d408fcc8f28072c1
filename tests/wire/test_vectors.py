"""Vectors: any recorded shape, the length 1, likeness, and bytes."""

from __future__ import annotations

import base64
import math
from array import array
from typing import Any

import pytest

from freerouter_core.wire import vectors
from freerouter_core.wire.vectors import (
    NoVector,
    as_base64,
    cosine,
    from_bytes,
    pooled,
    read_vector,
    to_bytes,
    unit,
)

ONE = array("f", [0.6, 0.8])
PACKED = base64.b64encode(ONE.tobytes()).decode()


@pytest.mark.parametrize("value", [[0.6, 0.8], [[0.6, 0.8]], PACKED])
def test_a_vector_is_read_from_any_shape(value: Any) -> None:
    assert read_vector(value) == ONE


@pytest.mark.parametrize(
    "value",
    [None, 3, {}, [], "", "!!!", PACKED[:-3] + "===", ["x"], [None], [10**400], [0.0] * 65_537],
)
def test_what_is_no_vector_is_refused(value: Any) -> None:
    with pytest.raises(NoVector):
        read_vector(value)


def test_a_vector_gets_the_length_one_and_stays_if_it_has_it() -> None:
    assert unit(ONE) is ONE
    assert list(unit(array("f", [3.0, 4.0]))) == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("numbers", [[math.nan, 1.0], [math.inf], [0.0, 0.0]])
def test_a_vector_without_a_length_is_refused(numbers: list[float]) -> None:
    with pytest.raises(NoVector):
        unit(array("f", numbers))


def test_likeness_is_the_cosine_and_none_across_dimensions() -> None:
    assert cosine(ONE, ONE) == pytest.approx(1.0)
    assert cosine(ONE, array("f", [0.8, -0.6])) == pytest.approx(0.0)
    assert cosine(ONE, array("f", [1.0])) == 0.0


def test_pieces_are_pooled_by_weight() -> None:
    mean = pooled([array("f", [1.0, 0.0]), array("f", [0.0, 1.0])], [3, 1])

    assert list(mean) == pytest.approx([3 / math.sqrt(10), 1 / math.sqrt(10)])
    with pytest.raises(NoVector):
        pooled([array("f", [1.0]), array("f", [-1.0])], [1, 1])


@pytest.mark.parametrize("big_endian", [False, True])
def test_bytes_are_little_endian_on_any_machine(
    monkeypatch: pytest.MonkeyPatch, big_endian: bool
) -> None:
    """A machine that keeps numbers the other way round swaps them, and nothing changes in place."""
    monkeypatch.setattr(vectors, "_BIG_ENDIAN", big_endian)
    packed = to_bytes(ONE)

    assert from_bytes(packed) == read_vector(as_base64(ONE)) == ONE
    assert list(ONE) == pytest.approx([0.6, 0.8])
    assert (packed == ONE.tobytes()) is not big_endian


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_bytes_that_are_no_vector_are_refused(data: bytes) -> None:
    with pytest.raises(NoVector):
        from_bytes(data)
