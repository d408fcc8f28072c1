"""`with_structured_output`: a wish that is bound before any model is chosen, and the one parser for whatever answers it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.base import BaseOutputParser
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.schema import schema_name
from freerouter_core.wire.structured import Method, Structured

METHODS = ("auto", "json_schema", "function_calling", "json_mode")


@dataclass(frozen=True)
class Wanted:
    """A wish as it is bound to a model: the neutral schema, and the class that judges an answer (None: the schema does)."""

    wish: Structured
    kind: Any = None

    def validate(self, answer: Answer) -> object:
        """Raises where the class rejects the JSON, so that another model is asked."""
        if self.kind is None or (answer.tool_calls and not answer.text):
            return None
        if hasattr(self.kind, "model_validate_json"):
            return self.kind.model_validate_json(answer.text)
        return self.kind.parse_raw(answer.text)

    @classmethod
    def of(cls, schema: Any, method: str, strict: bool | None) -> Wanted:
        """From a pydantic class (v1 or v2), a TypedDict, a JSON schema or an OpenAI tool; None only with json_mode."""
        if method not in METHODS:
            raise BadRequest(f"method={method!r} is none of {', '.join(map(repr, METHODS))}")
        if schema is None:
            if method != "json_mode":
                raise BadRequest(
                    "with_structured_output needs a schema", hint='only method="json_mode" goes without'
                )
            return cls(Structured(None, method="json_mode"))
        name, description, made = _schema_of(schema)
        chosen: Method = method  # type: ignore[assignment]  # checked above
        kind = schema if _is_class(schema) else None
        return cls(Structured(made, schema_name(name), description, chosen, strict), kind)


def parser_for(wanted: Wanted) -> BaseOutputParser[Any]:
    """Objects of the class that was given, dicts where it was none."""
    if wanted.kind is not None:
        return PydanticOutputParser(pydantic_object=wanted.kind)
    return JsonOutputParser()


def wish_in(response_format: Any) -> Wanted | None:
    """The wish in a `response_format` bound by hand or by an agent's ProviderStrategy; None for plain text."""
    if isinstance(response_format, Mapping):
        wish = Structured.from_response_format(response_format)
        return None if wish is None else Wanted(wish)
    return Wanted.of(response_format, "json_schema", None)


def _is_class(schema: Any) -> bool:
    return inspect.isclass(schema) and is_basemodel_subclass(schema)


def _schema_of(schema: Any) -> tuple[str, str, dict[str, Any]]:
    try:
        if isinstance(schema, dict) and "parameters" in schema:
            made = dict(schema["parameters"])
            made.setdefault("title", schema.get("name", "answer"))
        elif isinstance(schema, dict) and not {"title", "$defs", "properties", "type"} & set(schema):
            made = convert_to_openai_tool(schema)["function"]["parameters"]
        elif isinstance(schema, dict):
            made = dict(schema)
        else:
            made = convert_to_json_schema(schema)
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest(
            f"this schema cannot be used: {error}", hint="pass a pydantic class or a JSON schema"
        ) from None
    name = str(made.get("title") or getattr(schema, "__name__", "answer"))
    return name, str(made.get("description") or ""), made
