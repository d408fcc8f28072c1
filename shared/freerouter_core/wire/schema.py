"""JSON Schema as far as structured output needs it.

Finds a violation, makes a schema strict, and undoes what that did. An unknown keyword constrains
nothing here, so a strange schema costs strictness, never an answer.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from typing import Any

from .json_values import MAX_DEPTH, as_mapping

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_MAX_REFS = 20
MAX_STEPS = 10_000
"""Comparisons that a check of one value may take. What is then unchecked counts as kept."""


class Checker:
    """Checks values against schemas, with a budget of steps for them all.

    A schema is foreign: a keyword whose value has another form than it should constrains nothing.
    """

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._steps = steps

    @property
    def spent(self) -> bool:
        """Whether the budget is spent, so that something was left unchecked."""
        return self._steps < 0

    def step(self) -> bool:
        """Take one step. False: the budget is spent."""
        self._steps -= 1
        return self._steps >= 0

    def violation(
        self, value: object, schema: object, root: Schema | None = None, path: _Path = ("$",)
    ) -> str | None:
        """The first way in which `value` breaks `schema`, with its path; None if it keeps it."""
        if not self.step() or len(path) > _MAX_LEVELS:
            return None
        if schema is False:
            return f"{_shown_path(path)}: nothing is allowed here"
        if not isinstance(schema, Mapping):
            return None
        root = schema if root is None else root
        if "$ref" in schema:
            schema = dereference(schema, root)
            self._steps -= 3 + len(schema) // 20
        violation = None
        if not schema.keys().isdisjoint(_COMBINED):
            violation = self._combined(value, schema, root, path)
        if violation is None and ("const" in schema or "enum" in schema):
            violation = self._literal(value, schema, path)
        if violation is None and "type" in schema:
            violation = _type(value, schema["type"], path)
        if violation is not None:
            return violation
        if isinstance(value, str):
            return _string(value, schema, path)
        if isinstance(value, Mapping):
            return self._object(value, schema, root, path)
        if isinstance(value, list):
            return self._array(value, schema, root, path)
        return _number(value, schema, path)

    def _combined(self, value: object, schema: Schema, root: Schema, path: _Path) -> str | None:
        for keyword in ("anyOf", "oneOf"):
            options = _list_in(schema, keyword)
            first: str | None = None
            for option in options:
                violation = self.violation(value, option, root, (*path, ""))
                if violation is None:
                    break
                first = first or violation
            else:
                if first is not None:
                    return first
        for part in _list_in(schema, "allOf"):
            violation = self.violation(value, part, root, (*path, ""))
            if violation is not None:
                return violation
        return None

    def _literal(self, value: object, schema: Schema, path: _Path) -> str | None:
        if "const" in schema and value != schema["const"]:
            return f"{_shown_path(path)}: must be {_shown(schema['const'])}"
        options = schema.get("enum")
        if not isinstance(options, list):
            return None
        self._steps -= len(options) // 20
        if value in options:
            return None
        return f"{_shown_path(path)}: {_shown(value)} is none of {_shown(options)}"

    def _object(
        self, value: Mapping[str, object], schema: Schema, root: Schema, path: _Path
    ) -> str | None:
        required = _list_in(schema, "required")
        self._steps -= len(required) // 20
        for name in required:
            if isinstance(name, str) and name not in value:
                return f"{_shown_path(path)}: {_shown(name)} is missing"
        properties = as_mapping(schema.get("properties"))
        others = schema.get("additionalProperties", True)
        for name, item in value.items():
            violation = self.violation(
                item, properties.get(name, others), root, (*path, f".{str(name)[:40]}")
            )
            if violation:
                return violation
        return None

    def _array(self, value: list[object], schema: Schema, root: Schema, path: _Path) -> str | None:
        if len(value) < _number_in(schema, "minItems", 0):
            return f"{_shown_path(path)}: fewer than {schema['minItems']} items"
        if len(value) > _number_in(schema, "maxItems", len(value)):
            return f"{_shown_path(path)}: more than {schema['maxItems']} items"
        first = _list_in(schema, "prefixItems")
        others = schema.get("items", True)
        if others is True and not first:
            return None
        for n, item in enumerate(value):
            item_schema = first[n] if n < len(first) else others
            violation = self.violation(item, item_schema, root, (*path, f"[{n}]"))
            if violation or self.spent:
                return violation
        return None


_COMBINED = ("anyOf", "oneOf", "allOf")
_OF_STRINGS = ("minLength", "maxLength")
_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_Path = tuple[str, ...]
_MAX_LEVELS = 3 * MAX_DEPTH
"""Levels of values and of combined schemas together."""


def find_violation(value: object, schema: object) -> str | None:
    """The first way in which `value` breaks `schema`, with its path; None if it keeps it.

    The check is bounded: what `MAX_STEPS` do not reach counts as kept.
    """
    return Checker().violation(value, schema)


def _shown_path(path: _Path) -> str:
    return "".join(path)[:200]


def _shown(value: object) -> str:
    """A value in a message: its `repr`, cut before it is made."""
    return reprlib.repr(value)


def _list_in(schema: Schema, keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return list(value) if isinstance(value, (list, tuple)) else []


def _number_in(schema: Schema, keyword: str, default: float) -> float:
    value = schema.get(keyword)
    return value if isinstance(value, (int, float)) else default


def _type(value: object, expected: object, path: _Path) -> str | None:
    if isinstance(expected, str) and expected in _TYPES and _has_type(value, expected):
        return None
    names = expected if isinstance(expected, list) else [expected]
    types = [name for name in names if isinstance(name, str) and name in _TYPES]
    if not types or any(_has_type(value, name) for name in types):
        return None
    return f"{_shown_path(path)}: expected {' or '.join(types)}, got {type(value).__name__}"


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _string(value: str, schema: Schema, path: _Path) -> str | None:
    if schema.keys().isdisjoint(_OF_STRINGS):
        return None
    if len(value) < _number_in(schema, "minLength", 0):
        return f"{_shown_path(path)}: shorter than {schema['minLength']}"
    if len(value) > _number_in(schema, "maxLength", len(value)):
        return f"{_shown_path(path)}: longer than {schema['maxLength']}"
    return None


def _number(value: object, schema: Schema, path: _Path) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if schema.keys().isdisjoint(_OF_NUMBERS):
        return None
    if (
        value < _number_in(schema, "minimum", value)
        or value > _number_in(schema, "maximum", value)
        or value <= _number_in(schema, "exclusiveMinimum", -math.inf)
        or value >= _number_in(schema, "exclusiveMaximum", math.inf)
    ):
        return f"{_shown_path(path)}: {_shown(value)} is out of range"
    return None


def dereference(schema: Schema, root: Schema) -> Schema:
    """`schema` with its local `$ref` followed. A cycle ends as a schema without constraints."""
    for _ in range(_MAX_REFS):
        ref = schema.get("$ref")
        if not isinstance(ref, str):
            return schema
        target: object = root
        for part in ref.lstrip("#/").split("/") if ref != "#" else ():
            key = part.replace("~1", "/").replace("~0", "~")
            target = target.get(key, {}) if isinstance(target, Mapping) else {}
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        if not isinstance(target, Mapping):
            schema = siblings
        else:
            schema = {**target, **siblings} if siblings else target
    return {}


def resolve_root(schema: Schema | None) -> dict[str, Any]:
    """The schema with a `$ref` at its root followed: endpoints expect an object there."""
    if schema is None or "$ref" not in schema:
        return dict(schema or {})
    definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    return {**dereference(schema, schema), **definitions}


def make_strict(schema: Schema) -> dict[str, Any]:
    """A copy for strict endpoints: objects closed, properties required, optional ones nullable."""
    strict: dict[str, Any] = {
        key: part if key in ("enum", "const", "required") else _strict_part(part)
        for key, part in schema.items()
    }
    if isinstance(strict.get("properties"), Mapping):
        required = _names_in(schema)
        strict["properties"] = {
            name: _without_default(part) if name in required else _nullable(part)
            for name, part in strict["properties"].items()
        }
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _strict_part(part: object) -> object:
    if isinstance(part, list):
        return [_strict_part(item) for item in part]
    return make_strict(part) if isinstance(part, Mapping) else part


_NOT_STRICT = frozenset(
    {
        "allOf", "default", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf",
        "patternProperties", "prefixItems", "propertyNames", "then", "unevaluatedProperties",
    }
)  # fmt: skip
"""Keywords that strict endpoints refuse (platform.openai.com/docs/guides/structured-outputs)."""


def is_strict(schema: object) -> bool:
    """Whether strict endpoints accept the schema as it stands.

    Each part must say what it is. Objects must be closed, and have all of their properties.
    """
    return isinstance(schema, Mapping) and _is_object(schema) and _is_strict_part(schema)


def _is_object(schema: Schema) -> bool:
    return isinstance(dereference(schema, schema).get("properties"), Mapping)


def _is_strict_part(schema: object) -> bool:
    if not isinstance(schema, Mapping) or _NOT_STRICT & schema.keys():
        return False
    definitions = [*as_mapping(schema.get("$defs")).values()]
    if not all(map(_is_strict_part, definitions)):
        return False
    if "$ref" in schema:
        return schema.keys() <= {"$ref", "$defs"}
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    options = schema.get("anyOf")
    if "object" in kinds or "properties" in schema:
        properties = as_mapping(schema.get("properties"))
        return (
            "properties" in schema
            and schema.get("additionalProperties") is False
            and set(properties) == _names_in(schema)
            and all(map(_is_strict_part, properties.values()))
        )
    if "array" in kinds:
        return _is_strict_part(schema.get("items"))
    if isinstance(options, list):
        return all(map(_is_strict_part, options))
    return kind is not None or "enum" in schema or "const" in schema


def _without_default(schema: object) -> object:
    """The schema without its default: strict endpoints refuse defaults."""
    if not isinstance(schema, Mapping):
        return schema
    return {key: value for key, value in schema.items() if key != "default"}


def _nullable(schema: object) -> object:
    """A schema that allows null too."""
    schema = _without_default(schema)
    if _allows_null(schema):
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def _allows_null(schema: object) -> bool:
    if not isinstance(schema, Mapping):
        return False
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    return any(map(_allows_null, _list_in(schema, "anyOf")))


def without_nulls(value: Any, schema: object, checker: Checker | None = None) -> Any:
    """`value` without the nulls of optional properties that allow none: `make_strict` adds them.

    `checker` bounds the work: what its steps do not reach stays as it is.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return _without_nulls(value, schema, root, checker or Checker())


def _without_nulls(value: Any, schema: object, root: Schema, checker: Checker) -> Any:
    if not isinstance(schema, Mapping) or not checker.step():
        return value
    schema = dereference(schema, root)
    if isinstance(value, list):
        items = schema.get("items")
        return [_without_nulls(item, items, root, checker) for item in value]
    if not isinstance(value, Mapping):
        return value
    properties = as_mapping(schema.get("properties"))
    required = _names_in(schema)
    return {
        name: _without_nulls(item, properties.get(name), root, checker)
        for name, item in value.items()
        if item is not None
        or name in required
        or name not in properties
        or not checker.violation(None, properties[name], root)
    }


def _names_in(schema: Schema) -> frozenset[str]:
    """The names that a schema requires."""
    return frozenset(name for name in _list_in(schema, "required") if isinstance(name, str))


def schema_name(name: str) -> str:
    """A name that endpoints accept: 1 to 64 letters, digits, `_` and `-`."""
    return _NOT_IN_NAMES.sub("_", name[:500]).strip("_")[:64] or "answer"


_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
