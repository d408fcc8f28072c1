"""JSON whose shape nobody promised: what is expected is narrowed, everything else dropped."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

Json = dict[str, Any]
"""A parsed JSON object. Its values depend on the provider, so they have no type."""
JsonMapping = Mapping[str, object]
"""A JSON object that is only read, each value narrowed before its use."""


def encode_json(value: object) -> bytes:
    """JSON for the wire. Any mapping is an object; `unwritable` says what has no form in it."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


def _json_form(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_json_form)


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
    if isinstance(value, (dict, Mapping)):
        for key, item in value.items():
            found = unwritable(item, f"{path}.{key}" if path else str(key), depth + 1)
            if found is not None:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for n, item in enumerate(value):
            found = unwritable(item, f"{path}[{n}]", depth + 1)
            if found is not None:
                return found
        return None
    return path or type(value).__name__


def finite(value: object, depth: int = 0) -> object:
    """A copy with None for each number that JSON has no form for: NaN and infinity.

    Raises `ValueError` for more than 200 levels.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > _MAX_DEPTH:
        raise ValueError("the value is nested too deeply")
    if isinstance(value, (dict, Mapping)):
        return {key: finite(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item, depth + 1) for item in value]
    return value


def is_larger(value: object, most: int) -> bool:
    """Whether `value` has more than so many values as JSON writes it: what stands in two places is
    written twice, so a schema whose parts are shared can be larger than any memory."""
    left, stack = most, [value]
    while stack:
        item = stack.pop()
        if type(item) in _PLAIN:
            continue
        if isinstance(item, (list, tuple)):
            children: Collection[object] = item
        elif isinstance(item, (dict, Mapping)):
            children = item.values()
        else:
            continue
        left -= len(children)
        if left < 0:
            return True
        stack.extend(children)
    return False


_MAX_DEPTH = 200
"""Levels of nesting that a request may have."""


MAX_DEPTH = 100
"""Levels of foreign JSON. What walks a parsed value may so be recursive."""
MAX_VALUES = 100_000
"""Values of one foreign JSON text, and its keys: the parser holds the interpreter until its end."""
_ESCAPES = 8
"""Escapes that cost as much as a value."""


def parse_json(text: str | bytes | bytearray, max_values: int = MAX_VALUES) -> Any:
    """Foreign JSON, parsed: all of it is read here.

    Raises `ValueError`, also for JSON with more than `MAX_DEPTH` levels or `max_values` values.
    """
    if not isinstance(text, (str, bytes, bytearray)):
        raise ValueError("not a text")
    if has_too_many_values(text, max_values):
        raise ValueError(f"the JSON has more than {max_values:,} values")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if len(text) > 2 * MAX_DEPTH and _count(text, "[{") > MAX_DEPTH and is_deep(value):
        raise ValueError("the JSON is nested too deeply")
    return value


def read_json_at(text: str, start: int) -> tuple[Any, int]:
    """(the JSON value that begins at `start`, the characters that were read).

    The value is None if none begins there, or if it is nested too deeply. The text must not have
    too many values.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        return None, max(1, error.pos - start)
    except (RecursionError, ValueError):
        return None, len(text) - start
    return (None if is_deep(value) else value), end - start


_DECODER = json.JSONDecoder()


def has_too_many_values(text: str | bytes | bytearray, max_values: int = MAX_VALUES) -> bool:
    """Whether a JSON text may have more than so many values and keys, or the like in escapes."""
    if len(text) <= max_values:
        return False
    return _count(text, ",[{:") + _count(text, "\\") // _ESCAPES > max_values


def _count(text: str | bytes | bytearray, characters: str) -> int:
    """How often those characters stand in the text."""
    if isinstance(text, str):
        return sum(map(text.count, characters))
    return sum(map(text.count, characters.encode()))  # bytes count a number as that byte


_PLAIN = frozenset({float, int, str, bool, type(None)})
"""Types of what holds nothing: an answer of vectors has a hundred thousand such values."""
_HOLDERS = (dict, list, tuple, Mapping)
"""Types of what holds values. `Mapping` alone would do for `dict`, but is slow to tell."""


def is_deep(value: object, depth: int = MAX_DEPTH) -> bool:
    """Whether arrays and objects stand inside each other more than `depth` levels deep."""
    # By identity, because a caller's value may hold the same part twice, or hold itself.
    level = {id(value): value}
    for _ in range(depth):
        below: dict[int, object] = {}
        for item in level.values():
            if isinstance(item, (list, tuple)):
                children: Collection[object] = item
            else:
                children = item.values() if isinstance(item, (dict, Mapping)) else ()
            for child in children:
                if type(child) not in _PLAIN and isinstance(child, _HOLDERS):
                    below[id(child)] = child
        if not below:
            return False
        level = below
    return True


def cut_middle(text: str, size: int) -> str:
    """`text` with at most about `size` characters: its beginning and its end."""
    if len(text) <= size:
        return text
    end = size // 4
    return f"{text[: size - end]} … {text[-end:]}"


def as_mapping(value: object) -> JsonMapping:
    """`value` if it is a JSON object, else an empty one."""
    if isinstance(value, dict):
        return value
    return value if value and isinstance(value, Mapping) else {}  # slow to tell, and rarely asked


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
