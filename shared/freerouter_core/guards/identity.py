"""`identity_of`: what tells a guard, or a strategy of the user's own, from all others.

An answer that one guard has accepted may serve another request only if the same guard judges it. A
class of the same name, with the same code and the same options, is the same guard in any process.
Where that cannot be told, an object is equal to nothing but itself.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any, Generic

from .base import Guard, GuardLike, mark_of

_PLAIN = (str, bytes, int, float, bool, type(None))
_JUDGES = ("judge", "__call__")
_BASES: frozenset[type] = frozenset({object, Guard, ABC, Generic})
"""Classes in which nothing is judged."""
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
    own = [vars(parent) for parent in kind.__mro__ if parent not in _BASES]
    if not any(
        isinstance(of.get(name), FunctionType) for of in own for name in _JUDGES
    ) or not hasattr(value, "__dict__"):
        raise _Unknown
    if any("__slots__" in vars(parent) for parent in kind.__mro__):
        raise _Unknown
    options = _described(vars(value), depth + 1)
    flags = [getattr(value, n, None) for n in ("name", "on_prompt", "on_answer", "when_unsure")]
    members = tuple(_members(of, depth) for of in own)
    return (kind.__module__, kind.__qualname__, members, options, _described(flags, depth + 1))


def _members(of: Mapping[str, object], depth: int) -> object:
    """What a class has: its methods, and what it says for all its objects."""
    names = (name for name in of if name in _JUDGES or not name.startswith(("__", "_abc_")))
    return tuple((name, _described(_plain(of[name]), depth + 1)) for name in sorted(names))


def _plain(member: object) -> object:
    """A member, with what wraps a function by its name."""
    if isinstance(member, (staticmethod, classmethod)):
        return (type(member).__name__, member.__func__)
    if isinstance(member, property):
        return ("property", member.fget, member.fset, member.fdel)
    return member
