"""`response_format`: how a pydantic class travels through a call's keyword arguments."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakValueDictionary

from llama_index.core.bridge.pydantic import BaseModel

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import Validator
from freerouter_core.wire.schema import schema_name
from freerouter_core.wire.structured import Method, Structured

_classes: WeakValueDictionary[str, type[BaseModel]] = WeakValueDictionary()


def response_format_of(output_cls: type[BaseModel], method: Method = "auto") -> Json:
    """A `response_format` that asks for an object of `output_cls`.

    It is plain wire data, since it stands in the payloads of callbacks, which are serialised.
    `structured_in` finds the class again.
    """
    schema = output_cls.model_json_schema()
    token = f"{output_cls.__qualname__}@{id(output_cls):x}"
    _classes[token] = output_cls
    json_schema = {
        "name": schema_name(output_cls.__name__),
        "description": str(schema.get("description") or ""),
        "schema": schema,
        "freerouter": token,
        "method": method,
    }
    return {"type": "json_schema", "json_schema": json_schema}


def structured_in(response_format: object) -> tuple[Structured | None, Validator | None]:
    """(what to ask for, what validates the answer) of a wire dict or a pydantic class; None for
    text.

    Raises:
        BadRequest: it is something else.
    """
    if isinstance(response_format, type) and issubclass(response_format, BaseModel):
        response_format = response_format_of(response_format)
    if response_format is None:
        return None, None
    if not isinstance(response_format, dict):
        raise BadRequest(
            f"response_format={response_format!r} is neither a dict nor a pydantic class"
        )
    structured = Structured.from_response_format(response_format)
    json_schema = response_format.get("json_schema") or {}
    output_cls = _classes.get(str(json_schema.get("freerouter")))
    if structured is not None and output_cls is not None:
        structured = replace(structured, method=json_schema.get("method", "auto"), lax=True)
    return structured, None if output_cls is None else _validator_of(output_cls)


def _validator_of(output_cls: type[BaseModel]) -> Validator:
    """Raises if `output_cls` rejects an answer, so that another model is asked."""

    def validate(answer: Answer) -> object:
        if answer.tool_calls and not answer.text:
            return None
        return output_cls.model_validate_json(answer.text)

    return validate
