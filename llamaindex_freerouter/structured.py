"""Structured prediction as LlamaIndex shows it: events around it, and a partial object that only grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import llama_index_instrumentation as instrumentation
from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.streaming_utils import process_streaming_content_incremental
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode

from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import Validator
from freerouter_core.wire.schema import schema_name
from freerouter_core.wire.structured import Method, Structured

dispatcher = instrumentation.get_dispatcher(__name__)


METHODS: dict[PydanticProgramMode, Method] = {
    PydanticProgramMode.DEFAULT: "auto",
    PydanticProgramMode.FUNCTION: "function_calling",
    PydanticProgramMode.OPENAI: "function_calling",
    PydanticProgramMode.LLM: "json_mode",
}
"""What each program mode of LlamaIndex prefers; a model that lacks it is asked in the next best way."""


def response_format_of(output_cls: type[BaseModel], method: Method = "auto") -> Json:
    """The wish for an object of `output_cls` as plain wire data: it stands in callbacks' payloads, which are serialised. The
    class itself is found again by `wish_in`, through `_classes`."""
    schema = output_cls.model_json_schema()
    name = schema_name(output_cls.__name__)
    token = f"{output_cls.__qualname__}@{id(output_cls):x}"
    _classes[token] = output_cls
    inner = {
        "name": name,
        "description": str(schema.get("description") or ""),
        "schema": schema,
        "freerouter": token,
        "method": method,
    }
    return {"type": "json_schema", "json_schema": inner}


_classes: WeakValueDictionary[str, type[BaseModel]] = WeakValueDictionary()


def wish_in(response_format: Any) -> tuple[Structured | None, type[BaseModel] | None]:
    """(wish, class) of a `response_format`: a wire dict, a pydantic class, or None. Raises `BadRequest` for anything else."""
    if isinstance(response_format, type) and issubclass(response_format, BaseModel):
        response_format = response_format_of(response_format)
    if response_format is None:
        return None, None
    if not isinstance(response_format, dict):
        raise BadRequest(
            f"response_format={response_format!r} is neither a dict nor a pydantic class"
        )
    wish = Structured.from_response_format(response_format)
    inner = response_format.get("json_schema") or {}
    kind = _classes.get(str(inner.get("freerouter")))
    if wish is not None and kind is not None:
        wish = replace(wish, method=inner.get("method", "auto"), lax=True)
    return wish, kind


def validator_of(kind: type[BaseModel] | None) -> Validator | None:
    """Rejects an answer that `kind` does, so that another model is asked."""
    if kind is None:
        return None

    def validate(answer: Answer) -> object:
        return (
            None if answer.tool_calls and not answer.text else kind.model_validate_json(answer.text)
        )

    return validate


class Partial:
    """The growing object of a structured stream, and the whole one at its end."""

    def __init__(self, output_cls: type[BaseModel]) -> None:
        self._cls = output_cls
        self._now: Any = None

    def take(self, response: ChatResponse) -> Any:
        found = process_streaming_content_incremental(response, self._cls, self._now)
        if self._now is None or _known(found) >= _known(
            self._now
        ):  # cut inside a value, the rest reads as nothing
            self._now = found
        return self._now

    def end(self, last: ChatResponse) -> BaseModel:
        """The whole object, from the answer as it was accepted: what was shown may have been wrapped."""
        raw: dict[str, Any] = last.raw or {}
        return self._cls.model_validate_json(raw["choices"][0]["message"]["content"])


def _known(partial: BaseModel) -> int:
    return sum(value is not None for value in partial.model_dump().values())


@contextmanager
def predicting(
    output_cls: type[BaseModel], prompt: PromptTemplate, arguments: dict[str, Any]
) -> Iterator[Callable[[BaseModel], BaseModel]]:
    """LlamaIndex's events around a structured prediction."""
    dispatcher.event(
        LLMStructuredPredictStartEvent(
            output_cls=output_cls, template=prompt, template_args=arguments
        )
    )

    def done(result: BaseModel) -> BaseModel:
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    yield done
