"""Options of an adapter: their names, and names that are keys."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from ..errors import BadSetting, shown_name


@lru_cache(maxsize=16)
def _names_of(kind: type[BaseModel]) -> frozenset[str]:
    aliases = {field.alias for field in kind.model_fields.values() if field.alias}
    return frozenset(kind.model_fields) | aliases | getattr(kind, "also_accepted", frozenset())


def check_names(kind: type[BaseModel], options: Mapping[str, object]) -> None:
    """Raise `BadSetting` for an option that `kind` does not have: a typo must not go unnoticed."""
    names = _names_of(kind)
    for name in options:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            raise BadSetting(
                f"{kind.__name__} has no option {shown_name(name)!r}",
                hint=f"did you mean {close[0]!r}?"
                if close
                else "pass further fields of a request as extra_body={…}",
            )


def not_a_key(value: Any, is_key: Callable[[str], bool]) -> Any:
    """`value`, unless it is a key in place of a name, or one of several is. Raises `ValueError`."""
    names = value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(name, str) and is_key(name) for name in names):
        raise ValueError("a key in place of a name; a key goes in api_key")
    return value
