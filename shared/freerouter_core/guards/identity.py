"""`identity_of`: what tells a guard, or a strategy of the user's own, from all others.

An answer that one guard has accepted may serve another request only if the same guard judges it. A
class of the same name, with the same code and the same options, is the same guard in any process.
Where that cannot be told, an object is equal to nothing but itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

from .base import GuardLike, mark_of

_PLAIN = (str, bytes, int, float, bool, type(None))
MAX_DEPTH = 20
"""Levels of a guard's options that are read."""


class _Unknown(Exception):
    """Something stands in an object that cannot be compared."""


def identity_of(judge: GuardLike | Callable[..., Any]) -> str:
    """A text that is equal only for what judges alike."""
    try:
        said = repr(_described(judge, 0))
    except (_Unknown, RecursionError):
        return mark_of(judge)
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]


def _described(value: object, depth: int) -> object:
    """A value as nested tuples of plain data. Raises `_Unknown`."""
    if depth > MAX_DEPTH:
        raise _Unknown
    if isinstance(value, _PLAIN):
        return (type(value).__name__, value)
    if isinstance(value, re.Pattern):
        return ("pattern", value.pattern, value.flags)
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(_described(item, depth + 1) for item in value))
    if isinstance(value, (set, frozenset)):
        return ("set", *sorted(repr(_described(item, depth + 1)) for item in value))
    if isinstance(value, Mapping):
        pairs = ((_described(k, depth + 1), _described(v, depth + 1)) for k, v in value.items())
        return ("mapping", *sorted(map(repr, pairs)))
    if isinstance(value, CodeType):
        consts = tuple(_described(const, depth + 1) for const in value.co_consts)
        return ("code", value.co_code, value.co_names, value.co_varnames, consts)
    if isinstance(value, FunctionType):
        return _function(value, depth)
    if isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
        return ("method", _described(value.__self__, depth + 1), _function(value.__func__, depth))
    if isinstance(value, type):
        if "<locals>" in value.__qualname__:
            raise _Unknown  # another call of the function makes another class of that name
        return ("class", value.__module__, value.__qualname__)
    if callable(value) or callable(getattr(value, "judge", None)):
        return _object(value, depth)
    raise _Unknown


def _function(function: FunctionType, depth: int) -> object:
    """A function: its code, and what it closes over. What its globals hold is not looked at."""
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a cell that is still empty
        raise _Unknown from None
    parts = (function.__code__, cells, function.__defaults__, function.__kwdefaults__)
    described = tuple(_described(part, depth + 1) for part in parts)
    return ("function", function.__module__, function.__qualname__, *described)


def _object(value: object, depth: int) -> object:
    """An object of a class of Python's: its class, and its attributes."""
    kind = type(value)
    methods = tuple(
        _described(vars(parent)[name], depth + 1)
        for parent in kind.__mro__
        for name in ("judge", "__call__")
        if isinstance(vars(parent).get(name), FunctionType)
    )
    if not methods or not hasattr(value, "__dict__"):
        raise _Unknown
    if any("__slots__" in vars(parent) for parent in kind.__mro__):
        raise _Unknown
    options = _described(vars(value), depth + 1)
    flags = [getattr(value, n, None) for n in ("name", "on_prompt", "on_answer", "when_unsure")]
    return (kind.__module__, kind.__qualname__, methods, options, _described(flags, depth + 1))
