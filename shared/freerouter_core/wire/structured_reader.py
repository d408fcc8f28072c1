"""`read_structured`: the object in an answer of any form.

Models wrap it, fence it, think before it, give an example first, or give the schema back. So every
JSON value of the answer is looked at, and the one that shares most with the schema is the object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .answer import Answer
from .json_values import Json, as_mapping, has_too_many_values, parse_json, read_json_at
from .schema import Checker, dereference, schema_name, without_nulls
from .structured import Structured
from .think_tags import split_think

_WRAPPER_WORDS = frozenset(
    {
        "arguments", "args", "description", "function", "id", "input", "name", "parameters",
        "properties", "title", "tool", "type", "$schema", "required", "additionalProperties",
    }
)  # fmt: skip
"""Keys of a call, or of a schema, that a model wrote around the object."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The value and its JSON text, or the problem.

    `hollow`: the value is an empty object, where a filled one was expected.
    """

    value: Any = None
    text: str = ""
    problem: str | None = None
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    value: Any
    violation: str | None
    shared: int
    """How many of its names are the schema's."""
    is_echo: bool = False
    """Whether it is the schema itself."""

    @property
    def is_container(self) -> bool:
        return isinstance(self.value, (dict, list))


def read_structured(answer: Answer, structured: Structured, *, bare: bool = False) -> Parsed:
    """The value in an answer of any form, checked against the schema.

    `bare`: the text must be the JSON and nothing else, as its pieces were already shown.
    """
    schema, name = structured.schema, schema_name(structured.name)
    texts = [call.arguments for call in answer.tool_calls if call.name == name]
    texts.append(answer.text)
    texts += [call.arguments for call in answer.tool_calls if call.name != name]
    found = (value for text in texts for value in (_only_json if bare else iter_json)(text))
    names, checker = property_names(schema), Checker()
    best: _Candidate | None = None
    worst: _Candidate | None = None
    for value in islice(found, MAX_CANDIDATES):
        for candidate in _candidates(value, schema, names, checker):
            if candidate.violation is None or (structured.lax and candidate.is_container):
                best = _better(best, candidate)
            else:
                worst = _better(worst, candidate)
    if best is None:
        why = "the answer holds no JSON"
        if worst is not None:
            why = f"the JSON does not match the schema: {worst.violation}"
        return Parsed(problem=why)
    hollow = best.value == {} and bool(names)
    return Parsed(best.value, json.dumps(best.value, ensure_ascii=False), hollow=hollow)


def _better(one: _Candidate | None, other: _Candidate) -> _Candidate:
    """The one that shares more with the schema; of equals a valid one, then the first.

    A class takes more than its schema says, so names tell more than types.
    """
    if one is None:
        return other
    rating, best = (other.shared, other.violation is None), (one.shared, one.violation is None)
    return other if rating > best else one


def _candidates(
    value: Any, schema: Json | None, names: frozenset[str] | None, checker: Checker
) -> Iterator[_Candidate]:
    """A value, and what it wraps if it seems to be a wrapper."""
    whole = _candidate(value, schema, names, checker)
    yield whole
    if isinstance(value, str) and whole.violation is not None and value.lstrip().startswith("{"):
        for inner in _only_json(value):  # an object that was encoded twice
            yield _candidate(inner, schema, names, checker)
    if isinstance(value, list) and len(value) == 1 and whole.violation is not None:
        yield _candidate(value[0], schema, names, checker)
    if not isinstance(value, dict) or schema is None or whole.is_echo:
        return
    if whole.violation is None and whole.shared > 0 and not value.keys() <= _WRAPPER_WORDS:
        return
    inside = (item for key, item in value.items() if key not in (names or ()))
    for item in islice(inside, 8):
        if isinstance(item, str) and item.lstrip().startswith("{"):
            item = next(_only_json(item), None)
        if isinstance(item, (dict, list)) and item:
            yield _candidate(item, schema, names, checker)
        if isinstance(item, list) and len(item) == 1:
            yield _candidate(item[0], schema, names, checker)


def _candidate(
    value: Any, schema: Json | None, names: frozenset[str] | None, checker: Checker
) -> _Candidate:
    value, violation = _checked(value, schema, checker)
    if schema is None:
        return _Candidate(value, violation, 0)
    shared = _shared(value, schema, names)
    if _is_echo(value, schema, names):
        return _Candidate(None, "$: this is the schema itself", -1, is_echo=True)
    if shared == 0 and value not in ({}, []) and names and _is_closed(schema):
        return _Candidate(None, violation or "$: no name of the schema is in it", -1)
    return _Candidate(value, violation, shared)


def _shared(value: object, schema: Json, names: frozenset[str] | None) -> int:
    """How many names of the schema's properties a value has; of a list, its best item."""
    if names is None:
        return 1
    items: Iterable[object] = value if isinstance(value, list) else (value,)
    return max((len(names & item.keys()) for item in items if isinstance(item, dict)), default=0)


def _is_echo(value: object, schema: Json, names: frozenset[str] | None) -> bool:
    """Whether a value is the schema, or a copy of it in other words."""
    if value == schema:
        return True
    inner = value.get("properties") if isinstance(value, dict) else None
    if not isinstance(inner, dict) or not inner or names is None or "properties" in names:
        return False
    words = {"type", "$ref", "anyOf", "allOf", "enum", "const", "title", "description"}
    return all(isinstance(part, dict) and words & part.keys() for part in inner.values())


def _list_in(schema: Mapping[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _is_closed(schema: Json) -> bool:
    """Whether names other than its properties mean nothing to the schema."""
    return not dereference(schema, schema).get("additionalProperties")


def property_names(schema: Json | None) -> frozenset[str] | None:
    """The names that the object, or each item of the list, may have; None: any."""
    return None if schema is None else _names(schema, schema, 3)


def _names(schema: object, root: Json, depth: int) -> frozenset[str] | None:
    if not isinstance(schema, Mapping) or not depth:
        return None
    schema = dereference(schema, root)
    if schema.get("type") == "array":
        return _names(schema.get("items"), root, depth - 1)
    options = (part for key in _OPTIONS for part in _list_in(schema, key))
    parts = [_names(part, root, depth - 1) for part in islice(options, MAX_OPTIONS)]
    own = as_mapping(schema.get("properties"))
    known = [part for part in parts if part is not None]
    if not own and not known:
        return None
    return frozenset(own).union(*known)


MAX_OPTIONS = 40
"""Parts of a schema with options that are looked at for names."""
_OPTIONS = ("anyOf", "oneOf", "allOf")


def _checked(value: Any, schema: Json | None, checker: Checker) -> tuple[Any, str | None]:
    """(value, violation): without the nulls of optional properties, if those are in the way."""
    if schema is None:
        return value, None if isinstance(value, Mapping) else "$: expected object"
    violation = checker.violation(value, schema)
    if violation is not None:
        value = without_nulls(value, schema, checker)
        violation = checker.violation(value, schema)
    return value, violation


def _only_json(text: str) -> Iterator[Any]:
    try:
        value = parse_json(text)
    except ValueError:
        return
    yield value


MAX_CANDIDATES = 200
"""JSON values of one text that are looked at: an answer has one, and perhaps an echo of the
schema."""


def iter_json(text: str) -> Iterator[Any]:
    """Every JSON value in a text: the text itself, in fences, in prose; never a repaired piece.

    At most `MAX_CANDIDATES` of them. Each part of the text is read a few times at most.
    """
    text = split_think(text)[0].strip() or text.rpartition("</think>")[2].strip()
    return islice(_all_json(text), MAX_CANDIDATES)


def _all_json(text: str) -> Iterator[Any]:
    fenced = text.split("```", 2 * MAX_CANDIDATES)[1:-1:2]
    for candidate in (text, *map(_without_language, fenced)):
        yield from _only_json(candidate)
    if has_too_many_values(text):
        return
    # In prose a value may begin at any bracket, so the same text may be read again and again.
    budget, end = 4 * len(text) + 1_000, 0
    for match in _OPENING.finditer(text):
        start = match.start()
        if start < end:
            continue
        value, read = read_json_at(text, start)
        budget -= read
        if value is not None:
            end = start + read
            yield value
        if budget < 0:
            return


_OPENING = re.compile(r"[{\[]")


def _without_language(fenced: str) -> str:
    """The inside of a fence without the word that names its language."""
    for word in ("json", "JSON"):
        fenced = fenced.removeprefix(word)
    return fenced.strip()
