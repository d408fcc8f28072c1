"""Finds every pattern of the core, and texts that could make each of them slow."""

from __future__ import annotations

import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import freerouter_core

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sre_parse

SIZE = 500
"""Characters of the shorter attack: more than any bounded repeat of a pattern reads."""
FACTOR = 8
"""How many times longer the longer one is."""


def modules() -> Iterator[str]:
    """Every module of the core but the simulator, which stands beside the house."""
    for info in pkgutil.walk_packages(freerouter_core.__path__, "freerouter_core."):
        if ".simulator" not in info.name and not info.name.endswith("__main__"):
            yield info.name


def all_patterns() -> dict[str, re.Pattern[Any]]:
    """Every compiled pattern that a module of the core holds, by where it is."""
    found: dict[str, re.Pattern[Any]] = {}
    for name in modules():
        for key, value in vars(importlib.import_module(name)).items():
            for n, pattern in enumerate(_patterns_in(value)):
                found.setdefault(f"{name}.{key}[{n}]", pattern)
    by_text = {(pattern.pattern, pattern.flags): name for name, pattern in found.items()}
    return {name: found[name] for name in by_text.values()}


def _patterns_in(value: object, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth > 4 or isinstance(value, type):
        return
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _patterns_in(part, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _patterns_in(part, depth + 1)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _patterns_in(getattr(value, field.name, None), depth + 1)
        yield from _patterns_in(getattr(value, "pattern", None), depth + 1)  # compiled late


def attacks(pattern: re.Pattern[Any], size: int) -> Iterable[str]:
    """Texts of about `size` characters made of what the pattern looks for, in pieces.

    A pattern is slow where it can begin at many places and reads far from each, or where one text
    can be divided in many ways. So each beginning of the pattern, and each part of it, is repeated.
    """
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    words = {word[:60] for word in _words(sre_parse.parse(text, pattern.flags)) if word}
    words |= {" ", "a", "0", "\n", "-", ".", '"', "1.1", "a b ", "a=", "a, '"}
    for word in sorted(words):
        body = word * (size // len(word))
        yield body
        yield body + "\0"
        yield word + "a" * size
        yield word + "0" * size + "x"
        yield word + " " * size + "x"


def _words(parsed: Any) -> set[str]:
    """An example of each part of a pattern, and of each of its beginnings."""
    words: set[str] = set()
    prefixes = {""}
    for op, argument in parsed:
        name = str(op)
        if name == "LITERAL":
            examples = {chr(argument)}
        elif name == "NOT_LITERAL":
            examples = {"a" if argument != ord("a") else "b"}
        elif name == "ANY":
            examples = {"a"}
        elif name == "IN":
            examples = {_member(argument)}
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, _, part = argument
            inner = _words(part)
            words |= inner
            longest = max(inner, key=len, default="")
            examples = {longest * max(1, int(low)), ""} if not low else {longest * int(low)}
        elif name == "SUBPATTERN":
            inner = _words(argument[3])
            words |= inner
            examples = {max(inner, key=len, default="")}
        elif name == "BRANCH":
            examples = set()
            for branch in argument[1]:
                inner = _words(branch)
                words |= inner
                examples.add(max(inner, key=len, default=""))
        elif name in ("ASSERT", "ASSERT_NOT"):
            words |= _words(argument[1])
            examples = {""}
        else:  # a place, such as the beginning of a word
            examples = {""}
        prefixes = {prefix + example for prefix in prefixes for example in examples}
        prefixes = set(sorted(prefixes, key=len)[-12:])
        words |= prefixes
    return words


def _member(argument: Any) -> str:
    """A character of a set."""
    negated = str(argument[0][0]) == "NEGATE"
    if negated:
        return "~"
    op, value = argument[0]
    match str(op):
        case "LITERAL":
            return chr(value)
        case "RANGE":
            return chr(value[0])
        case _:
            return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(value), "a")
