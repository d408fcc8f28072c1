"""JSON Schema as far as structured output needs it.

Finds a violation, makes a schema strict, and undoes what that did. An unknown keyword constrains
nothing here, so a strange schema costs strictness, never an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .json_values import as_mapping

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


def find_violation(
    value: object, schema: object, root: Schema | None = None, path: str = "$"
) -> str | None:
    """The first way in which `value` breaks `schema`, with its path; None if it keeps it."""
    if schema is False:
        return f"{path}: nothing is allowed here"
    if not isinstance(schema, Mapping):
        return None
    root = schema if root is None else root
    schema = dereference(schema, root)
    return (
        _combined(value, schema, root, path)
        or _literal(value, schema, path)
        or _type(value, schema.get("type"), path)
        or _object(value, schema, root, path)
        or _array(value, schema, root, path)
        or _string(value, schema, path)
        or _number(value, schema, path)
    )


def _combined(value: object, schema: Schema, root: Schema, path: str) -> str | None:
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and options:
            violations = [find_violation(value, option, root, path) for option in options]
            if all(violations):
                return violations[0]
    parts = (find_violation(value, part, root, path) for part in schema.get("allOf") or ())
    return next((violation for violation in parts if violation), None)


def _literal(value: object, schema: Schema, path: str) -> str | None:
    if "const" in schema and value != schema["const"]:
        return f"{path}: must be {schema['const']!r}"
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return f"{path}: {value!r} is none of {schema['enum']!r}"
    return None


def _type(value: object, expected: object, path: str) -> str | None:
    names = expected if isinstance(expected, list) else [expected]
    types = [name for name in names if name in _TYPES]
    if not types or any(_has_type(value, name) for name in types):
        return None
    return f"{path}: expected {' or '.join(types)}, got {type(value).__name__}"


def _has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _object(value: object, schema: Schema, root: Schema, path: str) -> str | None:
    if not isinstance(value, Mapping):
        return None
    for name in schema.get("required") or ():
        if name not in value:
            return f"{path}: {name!r} is missing"
    properties = as_mapping(schema.get("properties"))
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        item_schema = properties.get(name, others)
        violation = find_violation(item, item_schema, root, f"{path}.{name}")
        if violation:
            return violation
    return None


def _array(value: object, schema: Schema, root: Schema, path: str) -> str | None:
    if not isinstance(value, list):
        return None
    if len(value) < schema.get("minItems", 0):
        return f"{path}: fewer than {schema['minItems']} items"
    if len(value) > schema.get("maxItems", len(value)):
        return f"{path}: more than {schema['maxItems']} items"
    first = schema.get("prefixItems") or []
    others = schema.get("items", True)
    for n, item in enumerate(value):
        item_schema = first[n] if n < len(first) else others
        violation = find_violation(item, item_schema, root, f"{path}[{n}]")
        if violation:
            return violation
    return None


def _string(value: object, schema: Schema, path: str) -> str | None:
    if not isinstance(value, str):
        return None
    if len(value) < schema.get("minLength", 0):
        return f"{path}: shorter than {schema['minLength']}"
    if len(value) > schema.get("maxLength", len(value)):
        return f"{path}: longer than {schema['maxLength']}"
    return None


def _number(value: object, schema: Schema, path: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if (
        value < schema.get("minimum", value)
        or value > schema.get("maximum", value)
        or value <= schema.get("exclusiveMinimum", value - 1)
        or value >= schema.get("exclusiveMaximum", value + 1)
    ):
        return f"{path}: {value} is out of range"
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
        schema = {**target, **siblings} if isinstance(target, Mapping) else siblings
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
        required = set(schema.get("required") or ())
        strict["properties"] = {
            name: part if name in required else _nullable(part)
            for name, part in strict["properties"].items()
        }
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _strict_part(part: object) -> object:
    if isinstance(part, list):
        return [_strict_part(item) for item in part]
    return make_strict(part) if isinstance(part, Mapping) else part


def is_strict(schema: object) -> bool:
    """Whether strict endpoints accept the schema as it stands."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if isinstance(schema.get("properties"), Mapping) and (
        schema.get("additionalProperties") is not False
        or set(schema["properties"]) != set(schema.get("required") or ())
    ):
        return False
    values = ("enum", "const", "default")
    return all(is_strict(part) for key, part in schema.items() if key not in values)


def _nullable(schema: object) -> object:
    """A schema that allows null too. Its default goes: strict endpoints refuse defaults."""
    if _allows_null(schema):
        return schema
    if isinstance(schema, Mapping):
        schema = {key: value for key, value in schema.items() if key != "default"}
    return {"anyOf": [schema, {"type": "null"}]}


def _allows_null(schema: object) -> bool:
    if not isinstance(schema, Mapping):
        return False
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    return any(map(_allows_null, schema.get("anyOf") or ()))


def without_nulls(value: Any, schema: object, root: Schema | None = None) -> Any:
    """`value` without the nulls of optional properties that allow none: `make_strict` adds them."""
    if not isinstance(schema, Mapping):
        return value
    root = schema if root is None else root
    schema = dereference(schema, root)
    if isinstance(value, list):
        return [without_nulls(item, schema.get("items"), root) for item in value]
    if not isinstance(value, Mapping):
        return value
    properties = as_mapping(schema.get("properties"))
    required = schema.get("required") or ()
    return {
        name: without_nulls(item, properties.get(name), root)
        for name, item in value.items()
        if item is not None
        or name in required
        or name not in properties
        or not find_violation(None, properties[name], root)
    }


def schema_name(name: str) -> str:
    """A name that endpoints accept: 1 to 64 letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "answer"
