"""Structured output, asked for before it is known which model will answer.

`Structured` is neutral: a schema. Each model is asked in the strongest form it takes
(`choose_form`, `write_form`), and one reader (`structured_reader`) accepts every form an answer
comes in. So a request may start on one model and end on another that answers differently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from ..catalogue.model import Model
from ..errors import BadRequest
from .json_values import Json, as_mapping
from .schema import is_strict, make_strict, resolve_root, schema_name

Method = Literal["auto", "json_schema", "function_calling", "json_mode"]
Form = Literal["json_schema", "tool", "json_object", "prompt"]

FORMATS = frozenset({"structured_outputs", "response_format"})
"""Words for what a model takes of the field `response_format`: a schema, and any object."""


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
        """What an OpenAI `response_format` asks for; None for plain text, and for no known shape.

        Endpoints differ in where the schema stands: Together and Fireworks put it beside
        `json_object`, Cloudflare in the place of its wrapper, OpenAI's Responses beside its name.
        Raises `BadRequest` for a schema that is none: no answer could keep it.
        """
        kind, inner = response_format.get("type"), as_mapping(response_format.get("json_schema"))
        schema = inner.get("schema", response_format.get("schema"))
        if kind == "json_object":
            return cls(dict(schema) if isinstance(schema, Mapping) else None, method="json_mode")
        if kind != "json_schema" or not (inner or schema):
            return None
        if not schema and ("properties" in inner or "type" in inner):
            schema = inner
        if not (schema is None or isinstance(schema, Mapping)):
            raise BadRequest("the schema of the output must be an object", hint="a JSON schema")
        strict = inner.get("strict", response_format.get("strict"))
        name = inner.get("name") or response_format.get("name")
        return cls(
            None if schema is None else dict(schema),
            schema_name(str(name or "answer")),
            description=str(inner.get("description") or "") if schema is not inner else "",
            method="json_schema",
            strict=strict if isinstance(strict, bool) else None,
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
        and "response_format" not in model.lacks  # the field that it stands in
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
    forms = [form for form in _ORDERS[structured.method] if can[form]]
    # A form that the model failed at comes last; `routing.ways` knows.
    return next((form for form in forms if f"structured:{form}" not in model.lacks), forms[0])


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
    inner |= _strict(structured, "schema", schema)
    if structured.description:
        inner["description"] = structured.description
    return {"type": "json_schema", "json_schema": inner}


def _function(structured: Structured) -> Json:
    schema = resolve_root(structured.schema)
    function: Json = {
        "name": schema_name(structured.name),
        "description": structured.description or "Give the answer.",
        "parameters": schema,
    }
    return function | (_strict(structured, "parameters", schema) if structured.strict else {})


def _strict(structured: Structured, key: str, schema: Json) -> Json:
    """The fields that make it strict: none if no endpoint could hold the schema so (`dict[str,
    int]` has names that nobody knows)."""
    if structured.strict is False or (structured.strict is None and not is_strict(schema)):
        return {}
    strict = make_strict(schema)
    return {key: strict, "strict": True} if is_strict(strict) else {}


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
