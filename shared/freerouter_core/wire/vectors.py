"""Vectors: read from any recorded shape, checked, brought to the length 1, and compared.

A vector is an `array("f")`: 32 bits a number, as models give them and as indexes keep them.
"""

from __future__ import annotations

import base64
import binascii
import math
from array import array
from collections.abc import Iterable, Sequence
from operator import mul

from .answer import Vector

LENGTH_TOLERANCE = 1e-4
"""How far a length may be from 1 before the vector is scaled."""
_BIG_ENDIAN = array("H", [1]).tobytes()[0] == 0
"""Whether this machine keeps numbers the other way round than the wire."""
MAX_DIMENSION = 65_536
"""Numbers that a vector may have: no model gives as many."""


class NoVector(ValueError):
    """What should be a vector is none. The message says why."""


def read_vector(value: object) -> Vector:
    """A vector from a list of numbers, or from base64 of little-endian float32.

    Raises `NoVector`. The numbers may still be NaN or infinite: see `unit`.
    """
    vector = array("f")
    if isinstance(value, str):
        try:
            vector.frombytes(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            raise NoVector("a vector is no base64 of 32-bit numbers") from None
        if _BIG_ENDIAN:
            vector.byteswap()
    elif isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], list):  # llama.cpp wraps it once more
            value = value[0]
        try:
            vector.extend(value)
        except (TypeError, OverflowError):
            raise NoVector("a vector has something in it that is no number") from None
    else:
        raise NoVector("there is no vector where one should be")
    if not 1 <= len(vector) <= MAX_DIMENSION:
        raise NoVector(f"a vector has {len(vector)} numbers")
    return vector


def unit(vector: Vector) -> Vector:
    """The vector with the length 1. Raises `NoVector` if it has none."""
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise NoVector("a vector has NaN or infinity in it")
    if length < 1e-12:
        raise NoVector("a vector is all zeros")
    if abs(length - 1.0) <= LENGTH_TOLERANCE:
        return vector
    return array("f", [number / length for number in vector])


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The inner product: the cosine of two vectors of length 1."""
    return float(sum(map(mul, one, other)))


def cosine(one: Vector, other: Vector) -> float:
    """How alike two vectors of length 1 are, -1 to 1; 0 if their dimensions differ."""
    return dot(one, other) if len(one) == len(other) else 0.0


def pooled(vectors: Sequence[Vector], weights: Iterable[float]) -> Vector:
    """The weighted mean of vectors of one dimension, with the length 1. Raises `NoVector`."""
    mean = array("f", bytes(4 * len(vectors[0])))
    for vector, weight in zip(vectors, weights, strict=True):
        mean = array("f", [a + weight * b for a, b in zip(mean, vector, strict=True)])
    return unit(mean)


def to_bytes(vector: Vector) -> bytes:
    """The vector as little-endian float32."""
    if _BIG_ENDIAN:
        vector = array("f", vector)
        vector.byteswap()
    return vector.tobytes()


def as_base64(vector: Vector) -> str:
    """The vector as OpenAI's base64: little-endian float32."""
    return base64.b64encode(to_bytes(vector)).decode("ascii")


def from_bytes(data: bytes) -> Vector:
    """A vector from little-endian float32. Raises `NoVector`."""
    if not data or len(data) % 4:
        raise NoVector("these bytes are no vector")
    vector = array("f", data)
    if _BIG_ENDIAN:
        vector.byteswap()
    return vector
