"""JSON whose shape nobody promised: what is expected is narrowed, everything else dropped."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
"""A parsed JSON object. Its values depend on the provider, so they have no type."""
JsonMapping = Mapping[str, object]
"""A JSON object that is only read, each value narrowed before its use."""


def encode_json(value: object) -> bytes:
    """JSON for the wire. Any mapping is an object; `unwritable` says what has no form in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_json_form)
    return text.encode("utf-8", "replace")


def _json_form(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def unwritable(value: object, path: str = "", depth: int = 0) -> str | None:
    """Where in `value` something stands that JSON has no form for; None: nowhere.

    NaN and infinity are such things, too: the wire's JSON has no words for them.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else path or str(value)
    if depth > _MAX_DEPTH:
        return path
    if isinstance(value, Mapping):
        named = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        named = ((f"{path}[{n}]", item) for n, item in enumerate(value))
    else:
        return path or type(value).__name__
    found = (unwritable(item, name, depth + 1) for name, item in named)
    return next((name for name in found if name is not None), None)


_MAX_DEPTH = 200
"""Levels of nesting that a request may have."""


def parse_json(text: str | bytes | bytearray) -> Any:
    """Foreign JSON, parsed. Raises `ValueError`, for JSON that is nested too deeply as well."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def as_mapping(value: object) -> JsonMapping:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_dicts(value: object) -> tuple[Json, ...]:
    """Copies of the objects in a JSON array; empty for anything but an array."""
    if not isinstance(value, list):
        return ()
    return tuple(dict(item) for item in value if isinstance(item, Mapping))


def is_complete_json(text: str) -> bool:
    """Whether `text` is one whole JSON value."""
    try:
        parse_json(text)
    except ValueError:
        return False
    return True
