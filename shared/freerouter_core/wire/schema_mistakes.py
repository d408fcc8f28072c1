"""`schema_mistake`: what is wrong with a JSON schema, before anything is asked with it.

A schema of a caller's own that says nothing, because a word in it is wrong, costs a job thousands
of requests. So what a keyword holds is looked at. What is not known is no mistake: other keywords,
patterns of other languages than Python's, and references to other documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .json_values import MAX_DEPTH

TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by name."""
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = (
    "items",
    "additionalProperties",
    "not",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
)
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "multipleOf")
"""The exclusive bounds may be true or false: OpenAPI 3.0 has them so."""


def schema_mistake(schema: Mapping[str, Any]) -> str | None:
    """The first mistake in a schema, with its path; None: there is none."""
    return _mistake(schema, schema, "$", 0)


def _mistake(schema: object, root: Mapping[str, Any], path: str, depth: int) -> str | None:
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, Mapping):
        return f"{path} must be a schema, not {type(schema).__name__}"
    if depth > MAX_DEPTH:
        return f"{path} is nested too deeply"
    own = _of_type(schema, path) or _of_values(schema, path) or _of_ref(schema, root, path)
    if own is not None:
        return own
    for part, where in _parts(schema, path):
        mistake = _mistake(part, root, where, depth + 1)
        if mistake is not None:
            return mistake
    return None


def _parts(schema: Mapping[str, Any], path: str) -> list[tuple[object, str]]:
    parts: list[tuple[object, str]] = []
    for keyword in _OF_SCHEMAS:
        if isinstance(named := schema.get(keyword), Mapping):
            parts += [(part, f"{path}.{keyword}.{name}") for name, part in named.items()]
    for keyword in _LISTS:
        if isinstance(listed := schema.get(keyword), list):
            parts += [(part, f"{path}.{keyword}[{n}]") for n, part in enumerate(listed)]
    parts += [(schema[keyword], f"{path}.{keyword}") for keyword in _SCHEMAS if keyword in schema]
    return parts


def _of_type(schema: Mapping[str, Any], path: str) -> str | None:
    stated = schema.get("type", [])
    for name in stated if isinstance(stated, list) else [stated]:
        if not isinstance(name, str) or name not in TYPES:
            return f"{path}.type is one of {', '.join(sorted(TYPES))}, not {name!r}"
    return None


def _of_values(schema: Mapping[str, Any], path: str) -> str | None:
    """What keywords hold that holds no schema."""
    for keyword in _OF_SCHEMAS:
        if not isinstance(schema.get(keyword, {}), Mapping):
            return f"{path}.{keyword} must be an object"
    for keyword in _LISTS:
        if not isinstance(schema.get(keyword, []), list):
            return f"{path}.{keyword} must be a list of schemas"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return f"{path}.required must be a list of names"
    if not isinstance(schema.get("enum", []), list) or schema.get("enum") == []:
        return f"{path}.enum must be a list of values, and not empty"
    for keyword in (*_COUNTS, *_NUMBERS):
        number = schema.get(keyword, 0)
        whole = keyword in _COUNTS
        if isinstance(number, bool) or not isinstance(number, int if whole else (int, float)):
            return f"{path}.{keyword} must be a {'whole ' if whole else ''}number"
        if whole and number < 0:
            return f"{path}.{keyword} must not be negative"
    return None if isinstance(schema.get("pattern", ""), str) else f"{path}.pattern must be text"


def _of_ref(schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> str | None:
    ref = schema.get("$ref", "#")
    if not isinstance(ref, str):
        return f"{path}.$ref must be text"
    if not ref.startswith("#/") or "%" in ref:
        return None  # the whole schema, an anchor, another document: who reads it may know
    target: object = root
    for part in ref[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            target = target[int(key)]
        else:
            target = target.get(key) if isinstance(target, Mapping) else None
    return f"{path}.$ref points to nothing: {ref!r}" if target is None else None
