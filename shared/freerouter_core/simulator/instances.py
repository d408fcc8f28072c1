"""`instance`: a value that satisfies a JSON schema, with what a prompt offers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..wire.schema import dereference
from .response import Json, JsonView

_FORMATS = {
    "date": (r"\d{4}-\d{2}-\d{2}", "2026-01-31"),
    "date-time": (r"\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})", "2026-01-31T12:00:00Z"),
    "time": (r"\d{2}:\d{2}:\d{2}", "12:00:00Z"),
    "duration": (r"\bP(?:\d+D)?(?:T[\dHMS]+)?\b", "P1D"),
    "email": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "ada@example.com"),
    "uuid": (r"[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}", "6a1d8e4e-7c0b-4b52-9d3a-2f1c5b7e9a10"),
    "uri": (r"https?://[^\s\"'<>]+", "https://example.com/"),
    "ipv4": (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "192.0.2.1"),
    "ipvanyaddress": (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "192.0.2.1"),  # pydantic's word
    "ipv6": (r"\b[\da-f]{1,4}(?::[\da-f]{0,4}){2,7}\b", "2001:db8::1"),
    "hostname": (r"\b[a-z][\w-]*(?:\.[a-z][\w-]*)+\b", "example.com"),
}
"""Formats of a string: what it looks like in a prompt, and an example."""
_DEEP = 3
"""Levels from which on only what is required is filled in."""


def instance(schema: JsonView, prompt: str) -> Any:
    """A value that satisfies `schema`, with numbers, quoted words and names from the prompt.

    A `pattern` is not kept.
    """
    numbers = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])", prompt)
    material = _Material(
        prompt,
        [float(n) if "." in n else int(n) for n in numbers],
        re.findall(r"""["“'`]([^"”'`]{1,80})["”'`]""", prompt),
    )
    return _Filling(schema, material).value(schema, "answer", 0)


@dataclass(slots=True)
class _Material:
    """What the prompt offers for values. Each number and quoted word is used once."""

    prompt: str
    numbers: list[float]
    quoted: list[str]


@dataclass(slots=True)
class _Filling:
    root: JsonView
    material: _Material

    def value(self, schema: object, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return None
        schema = self._merged(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            prompt = self.material.prompt.lower()
            return next((v for v in schema["enum"] if str(v).lower() in prompt), schema["enum"][0])
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((k for k in kind if k != "null"), "null")
        if kind == "object" or "properties" in schema:
            return self._object(schema, depth)
        if kind == "array" or "prefixItems" in schema:
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return _number(schema, kind, self.material.numbers)
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(schema, name)

    def _merged(self, schema: JsonView, depth: int) -> JsonView:
        """The schema with its reference, all of `allOf`, and one of `anyOf` or `oneOf`, in it."""
        schema = dereference(schema, self.root)
        chosen: list[object] = list(schema.get("allOf") or ())
        for key in ("anyOf", "oneOf"):
            options = schema.get(key) or ()
            filled = [o for o in options if not _is_null(o)]
            if filled and (depth < _DEEP or len(filled) == len(options)):
                chosen.append(filled[0])
            elif options:
                chosen.append({"type": "null"})
        if not chosen:
            return schema
        merged: Json = {k: v for k, v in schema.items() if k not in ("allOf", "anyOf", "oneOf")}
        for part in chosen:
            if isinstance(part, Mapping):
                merged = _both(merged, self._merged(part, depth))
        return merged

    def _object(self, schema: JsonView, depth: int) -> Json:
        required = schema.get("required") or ()
        filled = {
            key: self.value(part, key, depth + 1)
            for key, part in (schema.get("properties") or {}).items()
            if key in required or depth < _DEEP
        }
        others = schema.get("additionalProperties")
        while len(filled) < schema.get("minProperties", 0):
            key = f"key {len(filled) + 1}"
            filled[key] = self.value(others or {}, key, depth + 1)
        return filled

    def _array(self, schema: JsonView, name: str, depth: int) -> list[Any]:
        first = schema.get("prefixItems") or ()
        values = [self.value(part, name, depth + 1) for part in first]
        least = schema.get("minItems", 0)
        if not first and depth < _DEEP and schema.get("items") is not False:
            least = max(1, least)
        items = self._merged(schema.get("items") or {}, depth + 1)
        for _ in range(min(least, schema.get("maxItems", least)) - len(values)):
            value = self.value(items, name, depth + 1)
            if schema.get("uniqueItems") and value in values:
                value = _another(value, items, values)
            values.append(value)
        return values

    def _string(self, schema: JsonView, name: str) -> str:
        if schema.get("format") in _FORMATS:
            looks, example = _FORMATS[schema["format"]]
            found = re.search(looks, self.material.prompt[:2_000], re.IGNORECASE)
            return found[0] if found else example
        quoted = self.material.quoted
        text = quoted.pop(0) if quoted else name_in(self.material.prompt, name)
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", 10_000)]


def _is_null(schema: object) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "null"


def _both(one: JsonView, other: JsonView) -> Json:
    """What both schemas ask for."""
    properties = {**(one.get("properties") or {}), **(other.get("properties") or {})}
    required = [*(one.get("required") or ()), *(other.get("required") or ())]
    both = {**other, **one}
    if properties:
        both |= {"properties": properties, "required": required}
    return both


def _number(schema: JsonView, kind: str, numbers: list[float]) -> float:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    above = low == schema.get("exclusiveMinimum")
    below = high == schema.get("exclusiveMaximum")
    step = schema.get("multipleOf", 1 if kind == "integer" else 0)
    value = numbers.pop(0) if numbers else 1
    if step:
        least = math.ceil(low / step) if math.isfinite(low) else -math.inf
        most = math.floor(high / step) if math.isfinite(high) else math.inf
        least += above and least * step == low
        most -= below and most * step == high
        value = min(max(math.floor(value / step), least), most) * step
    elif not (low < value or (value == low and not above)):
        value = low if not above else low + min(1.0, (high - low) / 2)
    elif not (value < high or (value == high and not below)):
        value = high if not below else high - min(1.0, (high - low) / 2)
    return int(value) if kind == "integer" else value


def _another(value: Any, items: JsonView, taken: list[Any]) -> Any:
    """A value that is not taken yet, if a simple one is to be had."""
    if items.get("enum"):
        return next((option for option in items["enum"] if option not in taken), value)
    for number in range(2, len(taken) + 3):
        if isinstance(value, str):
            other: Any = f"{value} {number}"
        elif isinstance(value, int | float) and not isinstance(value, bool):
            other = value + (number - 1) * items.get("multipleOf", 1)
        else:
            other = not value
        if other not in taken:
            return other
    return value


def name_in(prompt: str, name: str) -> str:
    """A proper name from the prompt, or a placeholder for what is called `name`."""
    match = re.search(
        r"\b(?:in|for|of|at|to|about|from|named|called)\s+([A-Z][\w-]+(?:\s[A-Z][\w-]+)*)", prompt
    )
    if match:
        return match.group(1)
    names = re.findall(r"\b[A-Z][a-z]{2,}\b", prompt)[1:]
    return names[0] if names else f"a {name.replace('_', ' ')}"
