"""`with_structured_output`: a wish that is bound before any model is chosen, and the one parser for whatever answers it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import JsonOutputParser
from langchain_core.output_parsers.base import BaseOutputParser
from langchain_core.outputs import Generation
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.schema import schema_name, without_nulls
from freerouter_core.wire.structured import Method, Structured, read_structured

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
                    "with_structured_output needs a schema",
                    hint='only method="json_mode" goes without',
                )
            return cls(Structured(None, method="json_mode"))
        name, description, made = _schema_of(schema)
        chosen: Method = method  # type: ignore[assignment]  # checked above
        kind = schema if _is_class(schema) else None
        return cls(
            Structured(made, schema_name(name), description, chosen, strict, lax=kind is not None),
            kind,
        )


class ObjectParser(JsonOutputParser):
    """The wished-for object in a message, however it was wrapped, and the growing one in a stream: of the class that was
    given, else a dict."""

    wanted: Wanted

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        schema, kind = self.wanted.wish.schema, self.wanted.kind
        if partial:
            try:
                value = super().parse_result(result, partial=True)
            except OutputParserException:
                return None
            if value is None or kind is None:
                return value
            try:
                return _made(kind, without_nulls(value, schema))
            except ValueError:
                return None
        parsed = read_structured(Answer(text=result[0].text), self.wanted.wish)
        if parsed.problem is not None:
            raise OutputParserException(parsed.problem, llm_output=result[0].text)
        try:
            return parsed.value if kind is None else _made(kind, parsed.value)
        except ValueError as error:
            raise OutputParserException(str(error), llm_output=result[0].text) from error

    def get_format_instructions(self) -> str:
        return "Answer with JSON only."


def _made(kind: Any, value: Any) -> Any:
    text = json.dumps(value)
    return (
        kind.model_validate_json(text)
        if hasattr(kind, "model_validate_json")
        else kind.parse_raw(text)
    )


def parser_for(wanted: Wanted) -> BaseOutputParser[Any]:
    """Objects of the class that was given, dicts where it was none."""
    return ObjectParser(wanted=wanted)


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
        name, description, made = (
            _from_dict(schema) if isinstance(schema, dict) else ("", "", _of_class(schema))
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadRequest(
            f"this schema cannot be used: {error}", hint="pass a pydantic class or a JSON schema"
        ) from None
    name = name or str(made.get("title") or getattr(schema, "__name__", "answer"))
    return name, description or str(made.get("description") or ""), made


def _of_class(schema: Any) -> dict[str, Any]:
    """LangChain's converter unrolls references, which a recursive model does not survive: pydantic is asked itself."""
    if _is_class(schema) and hasattr(schema, "model_json_schema"):
        return dict(schema.model_json_schema())
    return convert_to_json_schema(schema)


def _from_dict(given: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """(name, description, JSON schema) of a JSON schema, or of what wraps one: a tool or a response_format of OpenAI's, a tool
    of Anthropic's."""
    for wrap in ("function", "json_schema"):
        if given.get("type") == wrap and isinstance(given.get(wrap), dict):
            given = given[wrap]
    for inner in ("parameters", "input_schema", "schema"):
        if isinstance(given.get(inner), dict) and "name" in given:
            return str(given["name"]), str(given.get("description") or ""), dict(given[inner])
    return "", "", dict(given)
