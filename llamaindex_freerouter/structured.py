"""`StructuredPrediction`: structured prediction by any model, whole or streamed.

LlamaIndex would force a tool call, and fail on any model that answers in text. Here each model is
asked in the way it supports, and one reader takes every form of answer. An answer that fails
validation is asked of another model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeAlias

import llama_index_instrumentation as instrumentation
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.program.streaming_utils import process_streaming_content_incremental
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import Model, PydanticProgramMode

from freerouter_core.wire.json_values import Json
from freerouter_core.wire.structured import Method

from .response_format import response_format_of

dispatcher = instrumentation.get_dispatcher(__name__)

METHODS: dict[PydanticProgramMode, Method] = {
    PydanticProgramMode.DEFAULT: "auto",
    PydanticProgramMode.FUNCTION: "function_calling",
    PydanticProgramMode.OPENAI: "function_calling",
    PydanticProgramMode.LLM: "json_mode",
}
"""The way each program mode prefers. A model that lacks it is asked in the next best way. Other
modes are left to LlamaIndex."""
Streamed: TypeAlias = Model | list[Model] | FlexibleModel | list[FlexibleModel]
"""What LlamaIndex's own stream may yield. Ours yields no lists."""


class StructuredPrediction(FunctionCallingLLM):
    """Structured prediction through `chat` and its three siblings."""

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        if self.pydantic_program_mode not in METHODS:
            parsed: Model = super().structured_predict(
                output_cls, prompt, llm_kwargs, **prompt_args
            )
            return parsed
        messages, kwargs = self._structured_call(output_cls, prompt, llm_kwargs, prompt_args)
        with _prediction_events(output_cls, prompt, prompt_args) as predicted:
            response = self.chat(messages, **kwargs)
            return predicted(output_cls.model_validate_json(response.message.content or ""))

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        if self.pydantic_program_mode not in METHODS:
            parsed: Model = await super().astructured_predict(
                output_cls, prompt, llm_kwargs, **prompt_args
            )
            return parsed
        messages, kwargs = self._structured_call(output_cls, prompt, llm_kwargs, prompt_args)
        with _prediction_events(output_cls, prompt, prompt_args) as predicted:
            response = await self.achat(messages, **kwargs)
            return predicted(output_cls.model_validate_json(response.message.content or ""))

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Streamed[Model], None, None]:
        if self.pydantic_program_mode not in METHODS:
            yield from super()._structured_stream_call(
                output_cls, prompt, llm_kwargs, **prompt_args
            )
            return
        messages, kwargs = self._structured_call(output_cls, prompt, llm_kwargs, prompt_args)
        partial = PartialObject(output_cls)
        for response in self.stream_chat(messages, **kwargs, replaces=True):
            last = response
            if response.delta:
                yield partial.update(response)
        yield partial.finish(last)

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Streamed[Model], None]:
        if self.pydantic_program_mode not in METHODS:
            return await super()._structured_astream_call(
                output_cls, prompt, llm_kwargs, **prompt_args
            )
        messages, kwargs = self._structured_call(output_cls, prompt, llm_kwargs, prompt_args)

        async def generate() -> AsyncGenerator[Streamed[Model], None]:
            partial = PartialObject(output_cls)
            async for response in await self.astream_chat(messages, **kwargs, replaces=True):
                last = response
                if response.delta:
                    yield partial.update(response)
            yield partial.finish(last)

        return generate()

    def _structured_call(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> tuple[list[ChatMessage], dict[str, Any]]:
        """(messages, keyword arguments) of the chat that asks for `output_cls`."""
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        forcing = ("tool_choice", "tool_required", "allow_parallel_tool_calls")
        kwargs = {key: value for key, value in (llm_kwargs or {}).items() if key not in forcing}
        method = METHODS[self.pydantic_program_mode]
        return messages, {**kwargs, "response_format": response_format_of(output_cls, method)}


class PartialObject(Generic[Model]):
    """The growing object of a structured stream, and the whole one at its end."""

    def __init__(self, output_cls: type[Model]) -> None:
        self._cls = output_cls
        self._object: Model | FlexibleModel | None = None

    def update(self, response: ChatResponse) -> Model | FlexibleModel:
        """The object so far. It never shrinks, as text that ends inside a value may parse to less,
        unless another model has begun it again."""
        if response.additional_kwargs.get("restarts"):
            self._object = None
        parsed = process_streaming_content_incremental(response, self._cls, self._object)
        if self._object is None or _filled(parsed) >= _filled(self._object):
            self._object = parsed
        return self._object

    def finish(self, last: ChatResponse) -> Model:
        """The whole object, from the answer as it was accepted: the text shown may wrap it."""
        raw: Json = last.raw or {}
        return self._cls.model_validate_json(raw["choices"][0]["message"]["content"])


def _filled(partial: BaseModel) -> int:
    return sum(value is not None for value in partial.model_dump().values())


@contextmanager
def _prediction_events(
    output_cls: type[Model], prompt: PromptTemplate, arguments: dict[str, Any]
) -> Iterator[Callable[[Model], Model]]:
    """Fire LlamaIndex's events around a prediction. Call what is yielded with the result."""
    dispatcher.event(
        LLMStructuredPredictStartEvent(
            output_cls=output_cls, template=prompt, template_args=arguments
        )
    )

    def predicted(result: Model) -> Model:
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    yield predicted
