"""Fields of a foreign row: what is of the expected type, or else nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping


def mapping_in(value: object) -> Mapping[str, object]:
    """A JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def strings_in(value: object) -> frozenset[str]:
    """The strings of a JSON array."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(item for item in value if isinstance(item, str))


def number_in(value: object) -> float | None:
    """A finite number, or a string that is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def positive_in(value: object) -> int | None:
    """A positive number, without its fraction."""
    number = number_in(value)
    return int(number) if number and number > 0 else None
