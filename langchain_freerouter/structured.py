"""Structured output: the format, bound before a model is chosen, and the parser of answers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import (
    PydanticBaseModel,
    TypeBaseModel,
    is_basemodel_subclass,
)
from pydantic import BaseModel
from typing_extensions import is_typeddict

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import Validator
from freerouter_core.wire.schema import schema_name, without_nulls
from freerouter_core.wire.structured import Method, Structured
from freerouter_core.wire.structured_reader import read_structured

from .outputs import text_of

Schema = Json | type
"""A pydantic class (v1 or v2), a TypedDict, a JSON schema, or a tool that wraps one."""


@dataclass(frozen=True)
class OutputFormat:
    """The format of an answer, as it is bound to a model. `model_class`: the pydantic class that
    validates the answer (None: the schema does)."""

    structured: Structured
    model_class: TypeBaseModel | None = None

    @classmethod
    def of(cls, schema: Schema | None, method: Method, strict: bool | None) -> OutputFormat:
        """The format of a schema. There may be none with `method="json_mode"` only.

        Raises:
            BadRequest: the schema or the method cannot be used.
        """
        methods = get_args(Method)
        if method not in methods:
            raise BadRequest(f"method={method!r} is none of {', '.join(map(repr, methods))}")
        if schema is None:
            if method != "json_mode":
                raise BadRequest(
                    "with_structured_output needs a schema",
                    hint='pass one, or method="json_mode"',
                )
            return cls(Structured(None, method="json_mode"))
        name, description, json_schema = _described(schema)
        model_class = schema if _is_model_class(schema) else None
        structured = Structured(
            json_schema,
            schema_name(name),
            description=description,
            method=method,
            strict=strict,
            lax=model_class is not None,
        )
        return cls(structured, model_class)

    @classmethod
    def of_response_format(cls, response_format: Schema) -> OutputFormat | None:
        """The format in a `response_format` that a user or an agent has bound; None for text."""
        if isinstance(response_format, Mapping):
            structured = Structured.from_response_format(response_format)
            return None if structured is None else cls(structured)
        return cls.of(response_format, "json_schema", None)

    @property
    def validator(self) -> Validator | None:
        """Raises if the class rejects an answer, so that another model is asked. None: no class."""
        return None if self.model_class is None else self._validate

    def _validate(self, answer: Answer) -> object:
        if self.model_class is None or (answer.tool_calls and not answer.text):
            return None
        return _instance(self.model_class, answer.text)


class ObjectParser(JsonOutputParser):
    """Reads the object in a message, however it is wrapped, and the growing object in a stream.

    The object is of the format's class, or a dict if it has none.
    """

    format: OutputFormat

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        if partial:
            return self._parse_partial(result)
        structured, model_class = self.format.structured, self.format.model_class
        text = _text_of(result[0])
        parsed = read_structured(Answer(text=text), structured)
        if parsed.problem is not None:
            raise OutputParserException(parsed.problem, llm_output=text)
        if model_class is None:
            return parsed.value
        try:
            return _instance(model_class, json.dumps(parsed.value))
        except ValueError as error:
            raise OutputParserException(str(error), llm_output=text) from error

    def _parse_partial(self, result: list[Generation]) -> object:
        """The object so far; None while it is not one yet."""
        structured, model_class = self.format.structured, self.format.model_class
        try:
            value = super().parse_result([Generation(text=_text_of(result[0]))], partial=True)
        except OutputParserException:
            return None
        if value is None or model_class is None:
            return value
        try:
            return _instance(model_class, json.dumps(without_nulls(value, structured.schema)))
        except ValueError:
            return None

    def get_format_instructions(self) -> str:
        return "Answer with JSON only."


def _text_of(generation: Generation) -> str:
    """The text that holds the object."""
    return (
        text_of(generation.message) if isinstance(generation, ChatGeneration) else generation.text
    )


def _instance(model_class: TypeBaseModel, text: str) -> PydanticBaseModel:
    if issubclass(model_class, BaseModel):
        return model_class.model_validate_json(text)
    return model_class.parse_raw(text)


def _is_model_class(schema: Schema) -> TypeGuard[TypeBaseModel]:
    return inspect.isclass(schema) and is_basemodel_subclass(schema)


def _described(schema: Schema) -> tuple[str, str, Json]:
    """(name, description, JSON schema)."""
    try:
        name, description, json_schema = (
            _unwrapped(schema) if isinstance(schema, dict) else ("", "", _schema_of(schema))
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadRequest(
            f"this schema cannot be used: {error}", hint="pass a pydantic class or a JSON schema"
        ) from None
    name = name or str(json_schema.get("title") or getattr(schema, "__name__", "answer"))
    return name, description or str(json_schema.get("description") or ""), json_schema


def _schema_of(schema: type) -> Json:
    """LangChain's converter unrolls references, and never ends on a recursive model: pydantic's
    own schema is used where there is one."""
    if _is_model_class(schema) and issubclass(schema, BaseModel):
        return dict(schema.model_json_schema())
    converted = convert_to_json_schema(schema)
    return _with_nulls(converted, schema) if is_typeddict(schema) else converted


def _with_nulls(converted: Json, typed: type) -> Json:
    """A schema that allows null wherever the TypedDict does: LangChain's drops `None`, and models
    that have nothing to say say null."""
    properties = converted.get("properties")
    if not isinstance(properties, dict):
        return converted
    try:
        hints = get_type_hints(typed)
    except NameError:  # an annotation that can only be read where it was written
        return converted
    allowed = {name: _nullable(part, hints.get(name)) for name, part in properties.items()}
    return {**converted, "properties": allowed}


def _nullable(part: Any, hint: Any) -> Any:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        inner = get_args(option)[0] if get_origin(option) is list else option
        if not is_typeddict(inner):
            continue
        if inner is option:
            part = _with_nulls(part, inner)
        else:
            part = {**part, "items": _with_nulls(part.get("items") or {}, inner)}
    return {"anyOf": [part, {"type": "null"}]} if type(None) in options else part


def _unwrapped(schema: Json) -> tuple[str, str, Json]:
    """(name, description, JSON schema) of a JSON schema, an OpenAI tool or response_format, or an
    Anthropic tool."""
    for wrapper in ("function", "json_schema"):
        if schema.get("type") == wrapper and isinstance(schema.get(wrapper), dict):
            schema = schema[wrapper]
    for inner in ("parameters", "input_schema", "schema"):
        if isinstance(schema.get(inner), dict) and "name" in schema:
            return str(schema["name"]), str(schema.get("description") or ""), dict(schema[inner])
    return "", "", dict(schema)
