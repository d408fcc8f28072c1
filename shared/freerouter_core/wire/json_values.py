"""JSON whose shape nobody promised: what is expected is narrowed, everything else dropped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
"""A parsed JSON object. Its values depend on the provider, so they have no type."""
JsonMapping = Mapping[str, object]
"""A JSON object that is only read, each value narrowed before its use."""


def encode_json(value: object) -> bytes:
    """JSON for the wire. Any mapping is an object, and what JSON does not know is its text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_json_form)
    return text.encode("utf-8", "replace")


def _json_form(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


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
