"""Structured output without knowing yet which model will answer.

The caller's wish is neutral: a schema. Each model gets it in the strongest form it takes (`form_for`), and one reader
(`read_structured`) accepts every form an answer may come in: JSON text, fenced, behind `<think>`, amid prose, or as the
arguments of a tool call. So a wish may start on one model and end on another that speaks differently.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..catalogue.model import Model
from .answer import Answer
from .json_values import Json
from .schema import find_violation, is_strict, make_strict, resolve_root, schema_name, without_nulls
from .think_tags import split_think

Method = Literal["auto", "json_schema", "function_calling", "json_mode"]
Form = Literal["json_schema", "tool", "json_object", "prompt"]


@dataclass(frozen=True)
class Structured:
    """A wish for JSON. `schema` None: any JSON object. `method` is a preference, not a demand: a model that lacks it is
    asked in the next best way. `strict` None: strict where the schema already allows it."""

    schema: Json | None
    name: str = "answer"
    description: str = ""
    method: Method = "auto"
    strict: bool | None = None
    lax: bool = False
    """Whether a class will judge the value, which may take more than its schema says ("2" for 2): it decides, not the schema."""

    @classmethod
    def from_response_format(cls, wire: Mapping[str, Any]) -> Structured | None:
        """The wish in an OpenAI `response_format`; None for plain text."""
        if wire.get("type") == "json_object":
            return cls(None, method="json_mode")
        inner = wire.get("json_schema")
        if wire.get("type") != "json_schema" or not isinstance(inner, Mapping):
            return None
        schema = inner.get("schema")
        return cls(
            dict(schema) if isinstance(schema, Mapping) else None,
            schema_name(str(inner.get("name") or "answer")),
            str(inner.get("description") or ""),
            "json_schema",
            inner.get("strict"),
        )

    def __hash__(self) -> int:
        return hash(
            (
                json.dumps(self.schema, sort_keys=True, default=str),
                self.name,
                self.method,
                self.strict,
            )
        )


def choose_form(wish: Structured, model: Model, *, with_tools: bool) -> Form:
    """How `model` is to be asked. With tools of the caller's own in play, no tool can be forced for the answer."""
    known = bool(model.parameters)
    can: dict[Form, bool] = {
        "json_schema": wish.schema is not None
        and model.takes("structured_outputs")
        and not (with_tools and "json-with-tools" in model.lacks),
        "tool": _is_object(wish)
        and not with_tools
        and known
        and model.takes("tools")
        and model.takes("tool_choice"),
        "json_object": not with_tools and model.takes("response_format"),
        "prompt": True,
    }
    orders: dict[Method, tuple[Form, ...]] = {
        "auto": ("json_schema", "tool", "json_object", "prompt"),
        "json_schema": ("json_schema", "tool", "json_object", "prompt"),
        "function_calling": ("tool", "json_schema", "json_object", "prompt"),
        "json_mode": ("json_object", "json_schema", "tool", "prompt"),
    }
    return next(form for form in orders[wish.method] if can[form])


def _is_object(wish: Structured) -> bool:
    """Only an object can be a tool's arguments."""
    return wish.schema is not None and resolve_root(wish.schema).get("type") == "object"


def write_form(body: Json, wish: Structured, form: Form) -> None:
    """Write the wish into a request body, in the given form."""
    if form == "json_schema":
        inner: Json = {"name": schema_name(wish.name), "schema": resolve_root(wish.schema)}
        if wish.strict or (wish.strict is None and is_strict(wish.schema)):
            inner |= {"schema": make_strict(resolve_root(wish.schema)), "strict": True}
        if wish.description:
            inner["description"] = wish.description
        body["response_format"] = {"type": "json_schema", "json_schema": inner}
    elif form == "tool":
        name = schema_name(wish.name)
        function: Json = {
            "name": name,
            "description": wish.description or "Give the answer.",
            "parameters": make_strict(resolve_root(wish.schema))
            if wish.strict
            else resolve_root(wish.schema),
        }
        if wish.strict:
            function["strict"] = True
        body["tools"] = [{"type": "function", "function": function}]
        body["tool_choice"] = {"type": "function", "function": {"name": name}}
    else:
        if form == "json_object":
            body["response_format"] = {"type": "json_object"}
        if (
            form == "prompt"
            or wish.schema is not None
            or "json" not in str(body["messages"]).lower()
        ):  # vercel/ai#7508
            body["messages"] = _instructed(body["messages"], _instruction(wish))


def _instruction(wish: Structured) -> str:
    if wish.schema is None:
        return "Answer with one JSON object and nothing else: no prose, no code fence."
    return (
        "Answer with one JSON value that matches this JSON Schema and nothing else: no prose, no code fence.\n"
        + json.dumps(wish.schema, ensure_ascii=False)
    )


def _instructed(messages: list[Json], instruction: str) -> list[Json]:
    """A copy with the instruction at the end of the leading system message: some backends take no later one."""
    head = messages[0] if messages else {}
    if head.get("role") in ("system", "developer") and isinstance(head.get("content"), str):
        return [{**head, "content": f"{head['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


class JsonGate:
    """Lets streamed text through once it is plain that it is the JSON itself. Where prose or a fence comes first it stays
    shut: that answer is shown when it is whole, and until then another model may still take its place."""

    def __init__(self) -> None:
        self._open: bool | None = None
        self._held = ""

    def feed(self, text: str) -> str:
        """What of it may be shown now."""
        if self._open is None:
            self._held += text
            head = self._held.lstrip()
            if not head:
                return ""
            self._open = head[0] in "{["
            return head if self._open else ""
        if not self._open:
            self._held += text
        return text if self._open else ""

    def release(self) -> str:
        """What was held back."""
        held = "" if self._open else self._held
        self._open, self._held = True, ""
        return held


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the reader found: the value and its JSON text, or the problem in words."""

    value: Any = None
    text: str = ""
    problem: str | None = None


def read_structured(answer: Answer, wish: Structured, *, bare: bool = False) -> Parsed:
    """The wished value in an answer of any form, checked against the schema. `bare`: the text itself must be it, for it was
    put together from pieces that were shown."""
    name = schema_name(wish.name)
    texts = [call.arguments for call in answer.tool_calls if call.name == name]
    texts.append(answer.text)
    problem, near = "the answer holds no JSON", None
    read = _only_json if bare else iter_json
    for value in (value for text in texts for value in read(text)):
        broken = (
            find_violation(value, wish.schema) if wish.schema is not None else _not_object(value)
        )
        if broken and wish.schema is not None:
            value = without_nulls(value, wish.schema)
            broken = find_violation(value, wish.schema)
        if broken is None:
            return Parsed(value, json.dumps(value, ensure_ascii=False))
        problem = f"the JSON does not match the schema: {broken}"
        if near is None and isinstance(value, (dict, list)):
            near = value
    if wish.lax and near is not None:
        return Parsed(near, json.dumps(near, ensure_ascii=False))
    return Parsed(problem=problem)


def _only_json(text: str) -> Iterator[Any]:
    with contextlib.suppress(ValueError):
        yield json.loads(text)


def _not_object(value: object) -> str | None:
    return None if isinstance(value, Mapping) else "$: expected object"


_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)```", re.DOTALL)


def iter_json(text: str) -> Iterator[Any]:
    """Every JSON value in a text that is it, fences it, or wraps it in prose, the likeliest first. Never a repaired piece."""
    text = split_think(text)[0].strip() or text.rpartition("</think>")[2].strip()
    for candidate in (text, *(m.group(1).strip() for m in _FENCE.finditer(text))):
        try:
            yield json.loads(candidate)
        except ValueError:
            continue
    decoder, end = json.JSONDecoder(), 0
    for start in (m.start() for m in re.finditer(r"[{\[]", text)):
        if start < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            continue
        yield value
