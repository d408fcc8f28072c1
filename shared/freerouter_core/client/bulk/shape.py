"""`Shape`: what a job's answers must be, and what its results hold of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ...errors import BadSetting
from ...wire.answer import Answer
from ...wire.json_values import Json
from ...wire.request import Validator
from ...wire.schema import schema_name
from ...wire.schema_mistakes import schema_mistake
from ...wire.structured import Structured
from ...wire.structured_reader import read_structured

Convert = Callable[[Answer, Json], Any]
"""Makes a result's value of an answer and its metadata."""


@runtime_checkable
class ModelClass(Protocol):
    """A pydantic class, as far as a job needs it."""

    def model_json_schema(self) -> Json: ...
    def model_validate_json(self, text: str, /) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What answers must be.

    Attributes:
        structured: the schema that each request asks for; None: text.
        validate: raises to reject an answer; see `ChatRequest`.
        convert: makes a result's value of an answer; None: its text.
    """

    structured: Structured | None = None
    validate: Validator | None = None
    convert: Convert | None = None


def shape_of(schema: Json | ModelClass | None, validate: Validator | None) -> Shape:
    """The shape of a schema: a JSON schema, or a pydantic class, whose instances the results hold.

    Raises:
        BadSetting: it is neither, or no valid schema.
    """
    if schema is None:
        return Shape(validate=validate)
    if isinstance(schema, dict):
        if (mistake := schema_mistake(schema)) is not None:
            raise BadSetting(f"schema is no valid JSON schema: {mistake}")
        structured = Structured(schema, schema_name(str(schema.get("title") or "answer")))
        return Shape(structured=structured, validate=validate, convert=ReadObject(structured, None))
    if not isinstance(schema, ModelClass):
        raise BadSetting(
            f"schema must be a JSON schema or a pydantic class, not {type(schema).__name__}"
        )
    structured = Structured(
        schema.model_json_schema(), schema_name(getattr(schema, "__name__", "answer")), lax=True
    )
    read = ReadObject(structured, schema)
    return Shape(structured=structured, validate=Both(read, validate), convert=read)


@dataclass(frozen=True)
class ReadObject:
    """Reads the object in an answer. Picklable, as jobs travel to other processes."""

    structured: Structured
    model_class: ModelClass | None

    def __call__(self, answer: Answer, metadata: Json) -> Any:
        value = read_structured(answer, self.structured).value
        if self.model_class is None:
            return value
        return self.model_class.model_validate_json(json.dumps(value))


@dataclass(frozen=True)
class Both:
    """A validator of an object's class, then the caller's."""

    read: ReadObject
    validate: Validator | None

    def __call__(self, answer: Answer) -> object:
        self.read(answer, {})
        return None if self.validate is None else self.validate(answer)
