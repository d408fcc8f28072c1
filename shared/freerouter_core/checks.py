"""What an argument may be: not given (`UNSET`), or checked in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from .errors import BadSetting


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


class UnsetNumber(float):
    """`UNSET` where users read the option: it shows and compares as the number that holds when
    nothing else decides. The same number given explicitly is a plain float."""


def opinions(
    quality: Mapping[str, float] | Iterable[tuple[str, float]],
) -> tuple[tuple[str, float], ...]:
    """Opinions of models as sorted pairs of id and points. Raises `BadSetting`."""
    given: Mapping[str, object] = dict(quality)
    pairs: list[tuple[str, float]] = []
    for name, points in given.items():
        if not isinstance(name, str):
            raise BadSetting("quality is by the ids of models", hint='{"author/name:free": 8}')
        number = isinstance(points, (int, float)) and not isinstance(points, bool)
        if not isinstance(points, (int, float)) or not number or not 0 <= points <= 10:
            raise BadSetting(f"quality of {name!r} is {points!r}", hint="0 to 10")
        pairs.append((name, points))
    return tuple(sorted(pairs))


def names_of(value: str | Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple; one name alone is a tuple of one."""
    return (value,) if isinstance(value, str) else tuple(value)


def one_of(name: str, value: object, allowed: tuple[str, ...], hint: str | None = None) -> None:
    """Raise `BadSetting` unless `value` is one of `allowed`."""
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise BadSetting(f"{name}={value!r} is none of {choices}", hint=hint)
