"""JSON Schema, as far as judging an answer needs it: find a violation, make a schema strict, undo what that did.

Only the vocabulary that structured output uses. A keyword it does not know constrains nothing here, so a strange schema
costs strictness, never an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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


def find_violation(
    value: object, schema: object, root: Schema | None = None, at: str = "$"
) -> str | None:
    """The first way in which `value` breaks `schema`, in words with its path; None if it keeps it."""
    if schema is True or not isinstance(schema, Mapping):
        return None if schema is not False else f"{at}: nothing is allowed here"
    root = schema if root is None else root
    schema = dereference(schema, root)
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list) and options:
            found = [find_violation(value, option, root, at) for option in options]
            if all(found):
                return found[0]
    for part in schema.get("allOf") or ():
        found_one = find_violation(value, part, root, at)
        if found_one:
            return found_one
    if "const" in schema and value != schema["const"]:
        return f"{at}: must be {schema['const']!r}"
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return f"{at}: {value!r} is none of {schema['enum']!r}"
    return (
        _type(value, schema.get("type"), at)
        or _object(value, schema, root, at)
        or _array(value, schema, root, at)
        or _scalar(value, schema, at)
    )


def _type(value: object, kind: object, at: str) -> str | None:
    kinds = kind if isinstance(kind, list) else [kind]
    known = [k for k in kinds if k in _TYPES]
    if not known or any(_is(value, k) for k in known):
        return None
    return f"{at}: expected {' or '.join(known)}, got {type(value).__name__}"


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _object(value: object, schema: Schema, root: Schema, at: str) -> str | None:
    if not isinstance(value, Mapping):
        return None
    for name in schema.get("required") or ():
        if name not in value:
            return f"{at}: {name!r} is missing"
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties", True)
    for name, item in value.items():
        found = (
            find_violation(item, properties[name], root, f"{at}.{name}")
            if name in properties
            else find_violation(item, extra, root, f"{at}.{name}")
        )
        if found:
            return found
    return None


def _array(value: object, schema: Schema, root: Schema, at: str) -> str | None:
    if not isinstance(value, list):
        return None
    if len(value) < schema.get("minItems", 0):
        return f"{at}: fewer than {schema['minItems']} items"
    if len(value) > schema.get("maxItems", len(value)):
        return f"{at}: more than {schema['maxItems']} items"
    items = schema.get("items", True)
    prefix = schema.get("prefixItems") or []
    for n, item in enumerate(value):
        found = find_violation(item, prefix[n] if n < len(prefix) else items, root, f"{at}[{n}]")
        if found:
            return found
    return None


def _scalar(value: object, schema: Schema, at: str) -> str | None:
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            return f"{at}: shorter than {schema['minLength']}"
        if len(value) > schema.get("maxLength", len(value)):
            return f"{at}: longer than {schema['maxLength']}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            return f"{at}: {value} is out of range"
        if value <= schema.get("exclusiveMinimum", value - 1) or value >= schema.get(
            "exclusiveMaximum", value + 1
        ):
            return f"{at}: {value} is out of range"
    return None


def dereference(schema: Schema, root: Schema) -> Schema:
    """`schema` with a local `$ref` followed (a chain of up to 20: a cycle ends as no constraint)."""
    for _ in range(20):
        ref = schema.get("$ref")
        if not isinstance(ref, str):
            return schema
        target: Any = root
        for part in ref.lstrip("#/").split("/") if ref != "#" else ():
            target = (
                target.get(part.replace("~1", "/").replace("~0", "~"), {})
                if isinstance(target, Mapping)
                else {}
            )
        siblings = {k: v for k, v in schema.items() if k != "$ref"}
        schema = {**target, **siblings} if isinstance(target, Mapping) else siblings
    return {}


def resolve_root(schema: Any) -> dict[str, Any]:
    """The schema with a reference at its very root followed: endpoints want to see an object there (recursive models)."""
    if not isinstance(schema, Mapping) or "$ref" not in schema:
        return dict(schema or {})
    return {
        **dereference(schema, schema),
        **{key: schema[key] for key in ("$defs", "definitions") if key in schema},
    }


def make_strict(schema: Any) -> Any:
    """A copy that strict endpoints accept: every object closed, every property required, optional ones nullable."""
    if isinstance(schema, list):
        return [make_strict(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    copy = {
        key: make_strict(part) if key not in ("enum", "const", "required") else part
        for key, part in schema.items()
    }
    if isinstance(copy.get("properties"), Mapping):
        required = set(schema.get("required") or ())
        copy["properties"] = {
            name: part
            if name in required or _nullable(part)
            else {"anyOf": [_bare(part), {"type": "null"}]}
            for name, part in copy["properties"].items()
        }
        copy["required"] = list(copy["properties"])
        copy["additionalProperties"] = False
    return copy


def is_strict(schema: Any) -> bool:
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
    return all(
        is_strict(part) for key, part in schema.items() if key not in ("enum", "const", "default")
    )


def _nullable(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    kind = part.get("type")
    return (
        kind == "null"
        or (isinstance(kind, list) and "null" in kind)
        or any(map(_nullable, part.get("anyOf") or ()))
    )


def _bare(part: Any) -> Any:
    return {k: v for k, v in part.items() if k != "default"} if isinstance(part, Mapping) else part


def without_nulls(value: Any, schema: object, root: Schema | None = None) -> Any:
    """`value` less the nulls that `strict` made a model write for optional properties that allow none."""
    if not isinstance(schema, Mapping):
        return value
    root = schema if root is None else root
    schema = dereference(schema, root)
    if isinstance(value, list):
        return [without_nulls(item, schema.get("items"), root) for item in value]
    if not isinstance(value, Mapping):
        return value
    properties = schema.get("properties") or {}
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
    """A name endpoints accept: 1 to 64 of letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "answer"
