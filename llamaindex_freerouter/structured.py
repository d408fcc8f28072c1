"""Structured prediction as LlamaIndex shows it: events around it, and a partial object that only grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llama_index_instrumentation as instrumentation
from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.streaming_utils import process_streaming_content_incremental
from llama_index.core.prompts import PromptTemplate

from freerouter_core.wire.structured import find_json

dispatcher = instrumentation.get_dispatcher(__name__)


class Partial:
    """The growing object of a structured stream, and the whole one at its end."""

    def __init__(self, output_cls: type[BaseModel]) -> None:
        self._cls = output_cls
        self._now: Any = None
        self._text = ""

    def take(self, response: ChatResponse) -> Any:
        self._text = response.message.content or ""
        found = process_streaming_content_incremental(response, self._cls, self._now)
        if self._now is None or _known(found) >= _known(
            self._now
        ):  # cut inside a value, the rest reads as nothing
            self._now = found
        return self._now

    def end(self) -> BaseModel:
        found, value = find_json(self._text)
        return self._cls.model_validate(value if found else self._text)


def _known(partial: BaseModel) -> int:
    return sum(value is not None for value in partial.model_dump().values())


@contextmanager
def predicting(
    output_cls: type[BaseModel], prompt: PromptTemplate, arguments: dict[str, Any]
) -> Iterator[Callable[[BaseModel], BaseModel]]:
    """LlamaIndex's events around a structured prediction."""
    dispatcher.event(
        LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=arguments)
    )

    def done(result: BaseModel) -> BaseModel:
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    yield done
