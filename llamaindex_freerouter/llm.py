"""`FreeRouter`: LlamaIndex's side of a call. It translates; `freerouter_core` decides and sends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import replace
from typing import Any, Self

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
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools.types import BaseTool

import freerouter_core
from freerouter_core.client.adapter_options import RouterOptions
from freerouter_core.errors import BadRequest, FreeRouterError
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.request import ChatRequest

from .messages import Growing, to_response, to_wire
from .structured import METHODS, Partial, predicting, response_format_of, validator_of, wish_in
from .tools import choice_of, selections, sent_name


class FreeRouter(RouterOptions, FunctionCallingLLM):
    """The world's free models as one LLM: whichever is able, alive and within its limits answers.

    Example:
        ```python
        from llamaindex_freerouter import FreeRouter

        llm = FreeRouter()  # OPENROUTER_API_KEY from the environment; free models only
        response = llm.complete("Why is the sky blue?")
        response.text, response.raw["freerouter"]["model_name"], response.raw["freerouter"]["attempts"]
        ```

    Options are those of `freerouter_core.Router` and the usual sampling parameters. `raw["freerouter"]` tells which model
    answered, what it cost in USD and every attempt made. Errors are of the `freerouter_core.errors` tree.
    """

    api_key: str | None = Field(default=None, exclude=True, repr=False)
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
        """What events may show of this model: no key, and never None where tracers want a value."""
        temperature = "default" if self.temperature is None else self.temperature
        return {**super().to_payload(), "model": self.model, "temperature": temperature}

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """What `to_dict` wrote. A timeout that is the default was not chosen: the environment may still say another."""
        if data.get("timeout") == cls.model_fields["timeout"].default:
            data = {key: value for key, value in data.items() if key != "timeout"}
        return super().from_dict(data, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # LlamaIndex restores through the constructor, which takes every value for one that was given.
        object.__setattr__(
            self, "__pydantic_fields_set__", set(state.get("__pydantic_fields_set__") or ())
        )

    # -- the eight endpoints ----------------------------------------------------------------------------------------

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._chat(messages, **kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self._stream_chat(messages, **kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return await self._achat(messages, **kwargs)

    @llm_chat_callback()
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        return await self._astream_chat(messages, **kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_to_completion_decorator(self._chat)(prompt, **kwargs)

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        return stream_chat_to_completion_decorator(self._stream_chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        return await achat_to_completion_decorator(self._achat)(prompt, **kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        return await astream_chat_to_completion_decorator(self._astream_chat)(prompt, **kwargs)

    # The endpoints above fire LlamaIndex's events, once each; these do the work and fire none.

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request, names = self._request(messages, kwargs)
        outcome = self._router.chat(request)
        return to_response(_renamed(outcome.answer, names), outcome.metadata)

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request, names = self._request(messages, kwargs)
        outcome = await self._router.achat(request)
        return to_response(_renamed(outcome.answer, names), outcome.metadata)

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        most = kwargs.pop("most_tool_calls", None)
        request, names = self._request(messages, kwargs)

        def generate() -> ChatResponseGen:
            growing = Growing(names, most)
            stream = self._router.stream(request)
            try:
                for delta in stream:
                    yield growing.take(delta)
            finally:
                stream.close()
            yield growing.end(_renamed(stream.outcome.answer, names), stream.outcome.metadata)

        return generate()

    async def _astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        most = kwargs.pop("most_tool_calls", None)
        request, names = self._request(messages, kwargs)

        async def generate() -> ChatResponseAsyncGen:
            growing = Growing(names, most)
            stream = self._router.astream(request)
            try:
                async for delta in stream:
                    yield growing.take(delta)
            finally:
                await stream.aclose()
            yield growing.end(_renamed(stream.outcome.answer, names), stream.outcome.metadata)

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

    def _request(
        self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]
    ) -> tuple[ChatRequest, dict[str, str]]:
        """The core's request, and the tools' own names by those sent where the two differ."""
        try:
            return self._made_request(messages, kwargs)
        except FreeRouterError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            words = f"{type(error).__name__}: {error}"
            raise BadRequest(
                f"the request cannot be put on the wire: {words}", hint="check messages and options"
            ) from error

    def _made_request(
        self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]
    ) -> tuple[ChatRequest, dict[str, str]]:
        given = {**self.additional_kwargs, **kwargs}
        for unused in ("allow_parallel_tool_calls", "tool_required", "strict"):
            given.pop(unused, None)
        names = given.pop("tool_names", None) or {}
        given.pop(
            "most_tool_calls", None
        )  # whole answers are trimmed by `_validate_chat_with_tools_response`
        structured, kind = wish_in(given.pop("response_format", None))
        request = ChatRequest(
            messages=to_wire(messages),
            tools=list(given.pop("tools", None) or ()),
            tool_choice=given.pop("tool_choice", None),
            parallel_tool_calls=given.pop("parallel_tool_calls", None),
            structured=structured,
            validate=validator_of(kind),
            reasoning=given.pop("reasoning", self.reasoning),
            extra_body={**self.extra_body, **(given.pop("extra_body", None) or {})},
            model=given.pop("model", None),
            timeout=given.pop("timeout", None),
            parameters=self._parameters(given),
        )
        return request, names

    # -- tools ------------------------------------------------------------------------------------------------------

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        *,
        tool_choice: str | dict[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = list(chat_history or ())
        if user_msg is not None:
            if isinstance(user_msg, str):
                user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
            messages.append(user_msg)
        if not tools:
            return {"messages": messages, **kwargs}
        wire, names = [], {}
        for tool in tools:
            made = tool.metadata.to_openai_tool(skip_length_check=True)
            sent = sent_name(str(tool.metadata.name))
            if sent != tool.metadata.name:
                names[sent] = str(tool.metadata.name)
            exact = {} if strict is None else {"strict": strict}
            wire.append({**made, "function": {**made["function"], "name": sent, **exact}})
        choice = choice_of(tool_choice, tool_required)
        prepared = {"messages": messages, "tools": wire, "tool_choice": choice, **kwargs}
        prepared |= {"tool_names": names} if names else {}
        return prepared | ({} if allow_parallel_tool_calls else {"most_tool_calls": 1})

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        if allow_parallel_tool_calls:
            return response
        message = response.message
        calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
        if len(calls) > 1:
            kept = [
                block
                for block in message.blocks
                if not isinstance(block, ToolCallBlock) or block is calls[0]
            ]
            extra = {
                **message.additional_kwargs,
                "tool_calls": message.additional_kwargs["tool_calls"][:1],
            }
            response.message = ChatMessage(role=message.role, blocks=kept, additional_kwargs=extra)
        return response

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The calls in a response, whole or still growing; of any integration's making.

        Raises:
            ValueError: there is none, and `error_on_no_tool_call`.
        """
        found = selections(response.message)
        if not found and error_on_no_tool_call:
            raise ValueError("Expected at least one tool call, but got 0 tool calls.")
        return found

    # -- structured output ------------------------------------------------------------------------------------------

    # LlamaIndex would force a tool and fail on any model that answers in text; here the way of asking is chosen for each
    # model, one reader takes every form of answer, and an answer that fails validation is asked of another model.

    def structured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        if self.pydantic_program_mode not in METHODS:
            return super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
        with predicting(output_cls, prompt, prompt_args) as done:
            response = self.chat(
                self._messages(prompt, prompt_args), **self._wish(output_cls, llm_kwargs)
            )
            return done(output_cls.model_validate_json(response.message.content or ""))

    async def astructured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        if self.pydantic_program_mode not in METHODS:
            return await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
        with predicting(output_cls, prompt, prompt_args) as done:
            response = await self.achat(
                self._messages(prompt, prompt_args), **self._wish(output_cls, llm_kwargs)
            )
            return done(output_cls.model_validate_json(response.message.content or ""))

    def _structured_stream_call(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        if self.pydantic_program_mode not in METHODS:
            yield from super()._structured_stream_call(
                output_cls, prompt, llm_kwargs, **prompt_args
            )
            return
        partial = Partial(output_cls)
        for response in self.stream_chat(
            self._messages(prompt, prompt_args), **self._wish(output_cls, llm_kwargs)
        ):
            last = response
            if response.delta:
                yield partial.take(response)
        yield partial.end(last)

    async def _structured_astream_call(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        if self.pydantic_program_mode not in METHODS:
            return await super()._structured_astream_call(
                output_cls, prompt, llm_kwargs, **prompt_args
            )
        messages, wish = self._messages(prompt, prompt_args), self._wish(output_cls, llm_kwargs)

        async def generate() -> AsyncGenerator[Any, None]:
            partial = Partial(output_cls)
            async for response in await self.astream_chat(messages, **wish):
                last = response
                if response.delta:
                    yield partial.take(response)
            yield partial.end(last)

        return generate()

    def _messages(self, prompt: PromptTemplate, arguments: dict[str, Any]) -> list[ChatMessage]:
        return self._extend_messages(prompt.format_messages(llm=self, **arguments))

    def _wish(
        self, output_cls: type[BaseModel], llm_kwargs: dict[str, Any] | None
    ) -> dict[str, Any]:
        """What asks for `output_cls`. Settings that belong to forcing a tool have no place here."""
        tool_only = ("tool_choice", "tool_required", "allow_parallel_tool_calls")
        kwargs = {key: value for key, value in (llm_kwargs or {}).items() if key not in tool_only}
        method = METHODS[self.pydantic_program_mode]
        return {**kwargs, "response_format": response_format_of(output_cls, method)}


def _renamed(answer: Answer, names: dict[str, str]) -> Answer:
    if not names:
        return answer
    return answer.with_(
        tool_calls=tuple(replace(c, name=names.get(c.name, c.name)) for c in answer.tool_calls)
    )
