"""Arguments: `UNSET` for those not given, and checks of those that are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from .errors import BadSetting, names_a_key, shown_value


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


class UnsetNumber(float):
    """`UNSET` where users read the option: it shows and compares as the number that holds when
    nothing else decides. The same number given explicitly is a plain float."""


def quality_pairs(
    quality: Mapping[str, float] | Iterable[tuple[str, float]],
) -> tuple[tuple[str, float], ...]:
    """Points by model id, as sorted pairs. Raises `BadSetting`."""
    hint = 'such as {"author/name:free": 8}'
    try:
        by_id: Mapping[str, object] = dict(quality)
    except (TypeError, ValueError):
        kind = type(quality).__name__
        raise BadSetting(f"quality is points by model id, not {kind}", hint=hint) from None
    pairs: list[tuple[str, float]] = []
    for name, points in by_id.items():
        if not isinstance(name, str):
            raise BadSetting(f"quality is by model id, not by {shown_value(name)}", hint=hint)
        check_no_key("quality", name)
        number = isinstance(points, (int, float)) and not isinstance(points, bool)
        if not isinstance(points, (int, float)) or not number or not 0 <= points <= 10:
            shown = f"quality of {shown_value(name)} is {shown_value(points)}"
            raise BadSetting(shown, hint="it must be 0 to 10")
        pairs.append((name, points))
    return tuple(sorted(pairs))


def as_names(value: str | Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple. A string is one name."""
    return (value,) if isinstance(value, str) else tuple(value)


def check_no_key(name: str, value: object) -> None:
    """Raise `BadSetting` if a value, or one of several, is a key in place of a name."""
    if names_a_key(value):
        raise BadSetting(f"{name} holds a key in place of a name", hint="a key goes in api_key")


def check_one_of(
    name: str, value: object, allowed: tuple[str, ...], hint: str | None = None
) -> None:
    """Raise `BadSetting` unless `value` is one of `allowed`."""
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise BadSetting(f"{name}={shown_value(value)} is none of {choices}", hint=hint)
