"""`FreeRouter`: LlamaIndex's side of a request. `freerouter_core` chooses the model and sends.

How a call travels:

- chat: `_chat` > `_request` > `Router.chat` > `to_response`
- stream_chat: `_stream_chat` > `_request` > `Router.stream` > `ResponseBuilder`
- complete, stream_complete: the same, through LlamaIndex's converters
- chat_with_tools: `_prepare_chat_with_tools` makes the keyword arguments of a chat
- structured_predict: `StructuredPrediction` makes a chat with a `response_format`
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import BaseModel, ConfigDict, Field
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

import freerouter_core
from freerouter_core.client.adapter_options import RouterOptions
from freerouter_core.client.bulk.shape import shape_of
from freerouter_core.errors import BadRequest, FreeRouterError
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import ChatRequest

from .bulk import BulkInput, rows_of, to_chat_response
from .callbacks import chat_events, completion_events
from .messages import to_wire
from .response_format import structured_in
from .responses import ResponseBuilder, to_response
from .structured import StructuredPrediction
from .tools import selections, wire_tool_choice, wire_tools, with_one_call
from .waiting import wait_observer

if TYPE_CHECKING:
    from freerouter_core import Bulk
else:
    Bulk = Any  # loading it would load the runtime; the annotation still resolves at run time


class FreeRouter(RouterOptions, StructuredPrediction):
    """The world's free models as one LLM: a capable, healthy one within its limits answers.

    Example:
        ```python
        from llamaindex_freerouter import FreeRouter

        llm = FreeRouter()  # OPENROUTER_API_KEY from the environment; free models only
        response = llm.complete("Why is the sky blue?")
        response.text, response.raw["freerouter"]["model_name"]
        ```

    Options are those of `freerouter_core.Router` and the usual sampling parameters.
    `raw["freerouter"]` tells which model answered, its cost in USD, and every attempt. Errors are
    of the `freerouter_core.errors` tree.
    """

    model_config = ConfigDict(defer_build=False)

    api_key: str | None = Field(default=None, exclude=True, repr=False)
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""
    context_window: int = Field(
        default=32_768,
        gt=0,
        description="Tokens promised to prompt helpers; models with less are not asked.",
    )
    is_function_calling_model: bool = Field(
        default=True, description="Whether agents may use native tool calls."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Further parameters of each request, by their names on the wire.",
    )

    @classmethod
    def class_name(cls) -> str:
        return "FreeRouter_LLM"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.context_window,
            num_output=self.max_tokens or -1,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=self.model,
        )

    def to_payload(self) -> dict[str, Any]:
        """What events show of this model: no key, and no None where tracers want a value."""
        temperature = "default" if self.temperature is None else self.temperature
        return {**super().to_payload(), "model": self.model, "temperature": temperature}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """A model from what `to_dict` wrote. A timeout that is the default was not chosen: the
        environment may say another."""
        if data.get("timeout") == cls.model_fields["timeout"].default:
            data = {key: value for key, value in data.items() if key != "timeout"}
        return super().from_dict(data, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # LlamaIndex restores through the constructor, as if every value had been given.
        fields_set = set(state.get("__pydantic_fields_set__") or ())
        object.__setattr__(self, "__pydantic_fields_set__", fields_set)

    # -- the eight endpoints: each fires LlamaIndex's events once -----------------------------

    @chat_events
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._chat(messages, **kwargs)

    @chat_events
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self._stream_chat(messages, **kwargs)

    @chat_events
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return await self._achat(messages, **kwargs)

    @chat_events
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        return await self._astream_chat(messages, **kwargs)

    @completion_events
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_to_completion_decorator(self._chat)(prompt, **kwargs)

    @completion_events
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        return stream_chat_to_completion_decorator(self._stream_chat)(prompt, **kwargs)

    @completion_events
    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        return await achat_to_completion_decorator(self._achat)(prompt, **kwargs)

    @completion_events
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        return await astream_chat_to_completion_decorator(self._astream_chat)(prompt, **kwargs)

    # -- the work behind them: no events ------------------------------------------------------

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request = self._request(messages, kwargs)
        outcome = self._router.chat(request)
        return to_response(outcome.answer, outcome.metadata)

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request = self._request(messages, kwargs)
        outcome = await self._router.achat(request)
        return to_response(outcome.answer, outcome.metadata)

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        max_calls = kwargs.pop("most_tool_calls", None)
        request = self._request(messages, kwargs)

        def generate() -> ChatResponseGen:
            response = ResponseBuilder(max_calls)
            stream = self._router.stream(request)
            try:
                for delta in stream:
                    yield response.add(delta)
            finally:
                stream.close()
            yield response.finish(stream.outcome.answer, stream.outcome.metadata)

        return generate()

    async def _astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        max_calls = kwargs.pop("most_tool_calls", None)
        request = self._request(messages, kwargs)

        async def generate() -> ChatResponseAsyncGen:
            response = ResponseBuilder(max_calls)
            stream = self._router.astream(request)
            try:
                async for delta in stream:
                    yield response.add(delta)
            finally:
                await stream.aclose()
            yield response.finish(stream.outcome.answer, stream.outcome.metadata)

        return generate()

    @property
    def _router(self) -> freerouter_core.Router:
        return self.make_router(self.api_key)

    def _policy(self) -> dict[str, Any]:
        """The options of the router. No model with less than `context_window` is asked."""
        policy = super()._policy()
        base = 0 if self.router is None else self.router.config.min_context
        policy["min_context"] = max(self.min_context, self.context_window, base)
        return policy

    def _request(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatRequest:
        """The core's request: the options of this model, overruled by those of the call."""
        try:
            return self._translated(messages, kwargs)
        except FreeRouterError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise BadRequest(
                f"the request cannot be put on the wire: {type(error).__name__}: {error}",
                hint="check messages and options",
            ) from error

    def _translated(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatRequest:
        options = {**self.additional_kwargs, **kwargs}
        for name in _NOT_SENT:
            options.pop(name, None)
        replaces = bool(options.pop("replaces", False))
        structured, validate = structured_in(options.pop("response_format", None))
        return ChatRequest(
            messages=to_wire(messages),
            tools=list(options.pop("tools", None) or ()),
            tool_choice=options.pop("tool_choice", None),
            parallel_tool_calls=options.pop("parallel_tool_calls", None),
            structured=structured,
            validate=validate,
            replaces=replaces,
            reasoning=options.pop("reasoning", self.reasoning),
            extra_body={**self.extra_body, **(options.pop("extra_body", None) or {})},
            model=options.pop("model", None),
            timeout=options.pop("timeout", None),
            lane=options.pop("lane", None),
            fresh=bool(options.pop("fresh", False)),
            on_wait=wait_observer(),
            parameters=self._parameters(options),
        )

    # -- jobs ---------------------------------------------------------------------------------

    def bulk(
        self,
        inputs: Iterable[BulkInput],
        path: str | os.PathLike[str],
        *,
        schema: type[BaseModel] | Json | None = None,
        **options: Any,
    ) -> Bulk:
        """A job of many inputs over days, kept in a file. See `freerouter_core.Router.bulk`.

        Iterate it. The `value` of a result is a `ChatResponse`, or an object of `schema`; failed
        rows have an `error`.

        Args:
            inputs: prompts or lists of `ChatMessage`s, alone or after an id in a tuple. Any
                iterable.
            path: the job's file.
            schema: a pydantic class or a JSON schema that each answer must keep.
            options: those of `Router.bulk`, such as `order`, `attempts`, `until`.

        Raises:
            BadSetting: an option makes no sense.
        """
        if isinstance(inputs, Sized):
            options.setdefault("total", len(inputs))
        shape = shape_of(schema, options.pop("validate", None))
        if schema is None:
            shape = replace(shape, convert=to_chat_response)
        rows = rows_of(inputs, lambda messages: self._request(messages, {}))
        return self._router.bulk(rows, path, schema=shape, **options)

    # -- tools --------------------------------------------------------------------------------

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        *,
        tool_choice: str | Json | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The keyword arguments of the chat that offers `tools`."""
        messages = list(chat_history or ())
        if isinstance(user_msg, str):
            user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
        if user_msg is not None:
            messages.append(user_msg)
        if not tools:
            return {"messages": messages, **kwargs}
        wire = wire_tools(tools, strict)
        choice = wire_tool_choice(tool_choice, required=tool_required)
        prepared = {"messages": messages, "tools": wire, "tool_choice": choice, **kwargs}
        if not allow_parallel_tool_calls:
            prepared["most_tool_calls"] = 1
        return prepared

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        return response if allow_parallel_tool_calls else with_one_call(response)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls in a response, whole or still growing, of any integration's making.

        Raises:
            ValueError: there is none, and `error_on_no_tool_call`.
        """
        calls = selections(response.message)
        if not calls and error_on_no_tool_call:
            raise ValueError("Expected at least one tool call, but got 0 tool calls.")
        return calls


_NOT_SENT = ("allow_parallel_tool_calls", "tool_required", "strict", "most_tool_calls")
"""Keyword arguments of a call that LlamaIndex and we pass on, and no endpoint takes."""
