"""What an argument may be, and the words where it is not."""

from __future__ import annotations

from typing import Any

from .errors import BadSetting


def opinions(value: Any) -> tuple[tuple[str, float], ...]:
    if not all(isinstance(name, str) for name in dict(value)):
        raise BadSetting("quality is by the ids of models", hint='{"author/name:free": 8}')
    found = tuple(sorted(dict(value).items()))
    for name, points in found:
        if (
            isinstance(points, bool)
            or not isinstance(points, (int, float))
            or not 0 <= points <= 10
        ):
            raise BadSetting(f"quality of {name!r} is {points!r}", hint="0 to 10")
    return found


def names_of(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def one_of(name: str, value: object, allowed: tuple[str, ...], hint: str | None = None) -> None:
    if value not in allowed:
        raise BadSetting(f"{name}={value!r} is none of {', '.join(map(repr, allowed))}", hint=hint)
