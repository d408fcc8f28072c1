"""Structured output, asked for before it is known which model will answer.

`Structured` is neutral: a schema. Each model is asked in the strongest form it takes
(`choose_form`, `write_form`), and one reader (`read_structured`) accepts every form an answer
comes in. So a request may start on one model and end on another that answers differently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Any, Literal

from ..catalogue.model import Model
from .answer import Answer
from .json_values import Json, has_too_many_values, parse_json, read_json_at
from .schema import (
    Checker,
    is_strict,
    make_strict,
    resolve_root,
    schema_name,
    without_nulls,
)
from .think_tags import split_think

Method = Literal["auto", "json_schema", "function_calling", "json_mode"]
Form = Literal["json_schema", "tool", "json_object", "prompt"]


@dataclass(frozen=True)
class Structured:
    """A request for JSON. `schema` None: any JSON object.

    `method` is a preference: a model that lacks it is asked in the next best form. `strict` None:
    strict if the schema allows it as it stands.
    """

    schema: Json | None
    name: str = "answer"
    _: KW_ONLY
    description: str = ""
    method: Method = "auto"
    strict: bool | None = None
    lax: bool = False
    """Whether a class will validate the value, which may take more than its schema ("2" for 2)."""

    @classmethod
    def from_response_format(cls, response_format: Mapping[str, Any]) -> Structured | None:
        """What an OpenAI `response_format` asks for; None for plain text."""
        kind, inner = response_format.get("type"), response_format.get("json_schema")
        if kind == "json_object":
            return cls(None, method="json_mode")
        if kind != "json_schema" or not isinstance(inner, Mapping):
            return None
        schema = inner.get("schema")
        return cls(
            dict(schema) if isinstance(schema, Mapping) else None,
            schema_name(str(inner.get("name") or "answer")),
            description=str(inner.get("description") or ""),
            method="json_schema",
            strict=inner.get("strict"),
        )

    def __hash__(self) -> int:
        schema = json.dumps(self.schema, sort_keys=True, default=str)
        return hash((schema, self.name, self.method, self.strict))


_ORDERS: dict[Method, tuple[Form, ...]] = {
    "auto": ("json_schema", "tool", "json_object", "prompt"),
    "json_schema": ("json_schema", "tool", "json_object", "prompt"),
    "function_calling": ("tool", "json_schema", "json_object", "prompt"),
    "json_mode": ("json_object", "json_schema", "tool", "prompt"),
}
"""By method: the forms, best first."""


def choose_form(structured: Structured, model: Model, *, with_tools: bool) -> Form:
    """How to ask `model`. `with_tools`: the caller has tools of its own, so none can be forced."""
    schema = structured.schema
    forces_tool = model.takes("tools") and model.takes("tool_choice")
    can: dict[Form, bool] = {
        "json_schema": schema is not None
        and model.takes("structured_outputs")
        and not (with_tools and "json-with-tools" in model.lacks),
        # A tool's arguments are an object. What is not known to force tools is not trusted to.
        "tool": schema is not None
        and resolve_root(schema).get("type") == "object"
        and not with_tools
        and bool(model.parameters)
        and forces_tool,
        "json_object": not with_tools and model.takes("response_format"),
        "prompt": True,
    }
    return next(form for form in _ORDERS[structured.method] if can[form])


def write_form(body: Json, structured: Structured, form: Form) -> None:
    """Ask for structured output in the body of a request, in the given form."""
    if form == "json_schema":
        body["response_format"] = _json_schema_format(structured)
    elif form == "tool":
        function = _function(structured)
        body["tools"] = [{"type": "function", "function": function}]
        body["tool_choice"] = {"type": "function", "function": {"name": function["name"]}}
    else:
        if form == "json_object":
            body["response_format"] = {"type": "json_object"}
        # JSON mode fails if no message mentions JSON (vercel/ai#7508).
        mentions_json = "json" in str(body["messages"]).lower()
        if form == "prompt" or structured.schema is not None or not mentions_json:
            body["messages"] = _with_instruction(body["messages"], _instruction(structured))


def _json_schema_format(structured: Structured) -> Json:
    schema = resolve_root(structured.schema)
    inner: Json = {"name": schema_name(structured.name), "schema": schema}
    if structured.strict or (structured.strict is None and is_strict(structured.schema)):
        inner |= {"schema": make_strict(schema), "strict": True}
    if structured.description:
        inner["description"] = structured.description
    return {"type": "json_schema", "json_schema": inner}


def _function(structured: Structured) -> Json:
    schema = resolve_root(structured.schema)
    function: Json = {
        "name": schema_name(structured.name),
        "description": structured.description or "Give the answer.",
        "parameters": make_strict(schema) if structured.strict else schema,
    }
    if structured.strict:
        function["strict"] = True
    return function


def _instruction(structured: Structured) -> str:
    if structured.schema is None:
        return "Answer with one JSON object and nothing else: no prose, no code fence."
    return (
        "Answer with one JSON value that matches this JSON Schema and nothing else: "
        "no prose, no code fence.\n" + json.dumps(structured.schema, ensure_ascii=False)
    )


def _with_instruction(messages: list[Json], instruction: str) -> list[Json]:
    """A copy with the instruction in the leading system message: some models take no later one."""
    head = messages[0] if messages else {}
    if head.get("role") in ("system", "developer") and isinstance(head.get("content"), str):
        return [{**head, "content": f"{head['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


class JsonGate:
    """Lets streamed text through if it is the JSON itself.

    After prose or a fence it stays shut: such an answer is shown when it is whole, and until then
    another model may still take its place.
    """

    def __init__(self) -> None:
        self._is_open: bool | None = None
        self._held_back: list[str] = []

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._is_open is None:
            self._held_back.append(text)
            head = text.lstrip()
            if not head:
                return ""
            self._is_open = head[0] in "{["
            return head if self._is_open else ""
        if not self._is_open:
            self._held_back.append(text)
        return text if self._is_open else ""

    def release(self) -> str:
        """What was held back. The gate is open from now on."""
        held_back = "" if self._is_open else "".join(self._held_back)
        self._is_open, self._held_back = True, []
        return held_back


@dataclass(frozen=True, slots=True)
class Parsed:
    """The value and its JSON text, or the problem."""

    value: Any = None
    text: str = ""
    problem: str | None = None


def read_structured(answer: Answer, structured: Structured, *, bare: bool = False) -> Parsed:
    """The value in an answer of any form, checked against the schema.

    `bare`: the text must be the JSON and nothing else, as its pieces were already shown.
    """
    name = schema_name(structured.name)
    texts = [call.arguments for call in answer.tool_calls if call.name == name]
    texts.append(answer.text)
    problem, first_container, checker = "the answer holds no JSON", None, Checker()
    for value in (value for text in texts for value in (_only_json if bare else iter_json)(text)):
        value, violation = _checked(value, structured.schema, checker)
        if violation is None:
            return Parsed(value, json.dumps(value, ensure_ascii=False))
        problem = f"the JSON does not match the schema: {violation}"
        if first_container is None and isinstance(value, (dict, list)):
            first_container = value
    if structured.lax and first_container is not None:
        return Parsed(first_container, json.dumps(first_container, ensure_ascii=False))
    return Parsed(problem=problem)


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
