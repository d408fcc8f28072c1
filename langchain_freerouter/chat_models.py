"""`ChatFreeRouter`: LangChain's side of a call. It translates; `freerouter_core` decides and sends."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap
from langchain_core.tools import BaseTool
from langchain_core.utils import secret_from_env
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, SecretStr, model_validator
from typing_extensions import override

import freerouter_core
from freerouter_core.client.adapter_options import POLICY, RouterOptions, objects_as_data
from freerouter_core.errors import FreeRouterError
from freerouter_core.guards import mark_of
from freerouter_core.wire.request import ChatRequest

from . import blocks  # noqa: F401  # registers how our messages become content blocks
from .errors import as_model_error, as_model_errors
from .messages import PROVIDER, to_wire
from .outputs import chunk_of, end_of, result_of
from .reports import Reported, report_of
from .structured import Wanted, parser_for, wish_in
from .tools import wire_tool_choice

ToolLike = dict[str, Any] | type | Callable[..., Any] | BaseTool
CONTEXT_PROMISE = 32_768
"""Tokens that `profile` promises: what a pool of free models can be held to, not what its largest could take."""


class ChatFreeRouter(RouterOptions, BaseChatModel):
    """The world's free models as one chat model: whichever is able, alive and within its limits answers.

    Example:
        ```python
        from langchain_freerouter import ChatFreeRouter

        llm = ChatFreeRouter()  # OPENROUTER_API_KEY from the environment; free models only
        message = llm.invoke("Why is the sky blue?")
        message.content, message.response_metadata["model_name"], message.response_metadata["attempts"]
        ```

    Options are those of `freerouter_core.Router` and the usual sampling parameters; `model_name` is accepted for `model`.
    `response_metadata` tells which model answered (`model_name`, `upstream_provider`), what it cost in USD (`cost`) and every
    attempt made. Errors are of the `freerouter_core.errors` tree and LangChain `ModelError`s at once.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )
    also_accepted: ClassVar[frozenset[str]] = frozenset({"model_name", "request_timeout"})

    api_key: SecretStr | None = Field(
        default_factory=secret_from_env("OPENROUTER_API_KEY", default=None)
    )
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""
    streaming: bool = False
    """Whether `invoke` streams beneath, so that callbacks see tokens."""
    stream_usage: bool = True
    """Whether a stream ends with a chunk that carries usage."""

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for other, name in (("model_name", "model"), ("request_timeout", "timeout")):
                if other in values:
                    values = dict(values)
                    values.setdefault(name, values.pop(other))
        return values

    @model_validator(mode="after")
    def _set_freerouter_version(self) -> Self:
        self._add_version("freerouter-llm", freerouter_core.__version__)
        return self

    @property
    def model_name(self) -> str:
        """`model`, under LangChain's other name for it."""
        return self.model

    # -- identity ---------------------------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    def _identifying_params(self) -> dict[str, Any]:
        written = objects_as_data(self)
        hidden = {"api_key", "http_client", *written, *BaseChatModel.model_fields}
        own = {name: getattr(self, name) for name in type(self).model_fields if name not in hidden}
        told = {"model_name": self.model} | {
            name: value for name, value in own.items() if value is not None
        }
        always = ("strategy", "providers")
        return told | {name: value for name, value in written.items() if value or name in always}

    @override
    def to_json(self) -> Any:
        """LangChain's serialized form: plain data, no key, nothing that equals its default. It is also the cache's key."""
        made = super().to_json()
        if made["type"] != "constructor":
            return made
        kwargs = made["kwargs"]
        for name in POLICY:
            if name in kwargs and name not in self._chosen:
                del kwargs[name]
        written = objects_as_data(self)
        kwargs |= {name: value for name, value in written.items() if name in self._chosen}
        if written["router"] is not None:  # a session's, where none was given
            kwargs["router"] = written["router"]
        kwargs.pop("http_client", None)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__.pop(
            "_serialized", None
        )  # LangChain's memo of the above: a changed model has another identity
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_serialized", None)
        return copied

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER,
            ls_model_name=str(kwargs.get("model") or self.model),
            ls_model_type="chat",
        )
        temperature = kwargs.get("temperature", self.temperature)
        if temperature is not None:
            params["ls_temperature"] = temperature
        limit = kwargs.get("max_tokens", self.max_tokens)
        if limit is not None:
            params["ls_max_tokens"] = limit
        stops = stop or self.stop
        if stops:
            params["ls_stop"] = [stops] if isinstance(stops, str) else list(stops)
        return params

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return {
            "max_input_tokens": max(self.min_context, CONTEXT_PROMISE),
            "tool_calling": True,
            "structured_output": True,
            "text_inputs": True,
            "text_outputs": True,
        }

    @property
    def lc_secrets(self) -> dict[str, str]:
        return {"api_key": "OPENROUTER_API_KEY"}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        return ["langchain_freerouter", "chat_models"]

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The cache's key, with the models that the environment prefers, which decide who answers, and the guards, which decide what."""
        key = super()._get_llm_string(stop, **kwargs)
        with contextlib.suppress(FreeRouterError):
            router = self._router
            key += "".join(f"|{mark_of(guard)}" for guard in router.config.guards)
            key += f"|{router.preferred}"
        return key

    # -- calls ------------------------------------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with as_model_errors():
            return result_of(self._router.chat(self._request(messages, stop, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with as_model_errors():
            return result_of(await self._router.achat(self._request(messages, stop, kwargs)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        usage = kwargs.pop("stream_usage", self.stream_usage)
        with as_model_errors():
            stream = self._router.stream(self._request(messages, stop, kwargs))
        try:
            for delta in stream:
                chunk = chunk_of(delta)
                if chunk is None:
                    continue
                if run_manager is not None:
                    run_manager.on_llm_new_token(delta.text, chunk=chunk)
                yield chunk
        except FreeRouterError as error:
            raise as_model_error(error) from None
        finally:
            stream.close()
        yield end_of(stream.outcome, usage)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        usage = kwargs.pop("stream_usage", self.stream_usage)
        with as_model_errors():
            stream = self._router.astream(self._request(messages, stop, kwargs))
        try:
            async for delta in stream:
                chunk = chunk_of(delta)
                if chunk is None:
                    continue
                if run_manager is not None:
                    await run_manager.on_llm_new_token(delta.text, chunk=chunk)
                yield chunk
        except FreeRouterError as error:
            raise as_model_error(error) from None
        finally:
            await stream.aclose()
        yield end_of(stream.outcome, usage)

    @property
    def _router(self) -> freerouter_core.Router:
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        # A key that merely lies in the environment is not one given in code: DEV_MODE yields to the latter only.
        return self.make_router(None if key == os.environ.get("OPENROUTER_API_KEY") else key)

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> ChatRequest:
        """The core's request: constructor options, with what the call or a binding gave on top."""
        given = dict(kwargs)
        for unused in (
            "ls_structured_output_format",
            "structured_output_format",
            "stream_usage",
            "stream",
        ):
            given.pop(unused, None)
        wanted = given.pop("structured", None)
        response_format = given.pop("response_format", None)
        if wanted is None and response_format is not None:
            wanted = wish_in(response_format)
        tools = [
            tool if isinstance(tool, dict) else convert_to_openai_tool(tool)
            for tool in given.pop("tools", None) or ()
        ]
        return ChatRequest(
            messages=to_wire(messages),
            tools=tools,
            tool_choice=wire_tool_choice(given.pop("tool_choice", None), tools),
            parallel_tool_calls=given.pop("parallel_tool_calls", None),
            structured=wanted.wish if wanted is not None else None,
            validate=wanted.validate if wanted is not None and wanted.kind is not None else None,
            reasoning=given.pop("reasoning", self.reasoning),
            extra_body={**self.extra_body, **(given.pop("extra_body", None) or {})},
            model=given.pop("model", None) or given.pop("model_name", None),
            timeout=given.pop("timeout", None),
            parameters=self.parameters({**given, **({"stop": stop} if stop else {})}),
        )

    # -- tools and structured output --------------------------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools; only models that have them are asked. Models without `tool_choice` are left out where it is needed.

        Args:
            tools: pydantic classes, functions, `BaseTool`s or OpenAI tool dicts.
            tool_choice: "auto", "none", "required" ("any", True), a tool's name, or OpenAI's dict.
            strict: whether arguments must keep to the schema exactly.
            parallel_tool_calls: whether several tools may be called at once.

        Raises:
            BadRequest: `tool_choice` names a tool that is not offered.
        """
        with as_model_errors():
            made = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
            choice = wire_tool_choice(tool_choice, made)
        bound: dict[str, Any] = {"tools": made}
        if choice is not None:
            bound["tool_choice"] = choice
        if parallel_tool_calls is not None:
            bound["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(**bound, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Literal["auto", "json_schema", "function_calling", "json_mode"] = "auto",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects of `schema`. The way of asking is chosen for each model at the time of the call, the answer is
        validated, and one that fails is asked of another model.

        Args:
            schema: a pydantic class (answers are its instances), a TypedDict or a JSON schema (answers are dicts).
            method: which way to prefer where a model has several.
            include_raw: return `{"raw", "parsed", "parsing_error"}` instead.
            strict: whether the schema is to be enforced while the answer is generated. None: where it already allows it.
        """
        with as_model_errors():
            wanted = Wanted.of(schema, method, strict)
        tools = kwargs.pop("tools", None)
        if tools:
            kwargs["tools"] = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        bound = {
            "structured": wanted,
            "ls_structured_output_format": {
                "kwargs": {"method": method, "strict": strict},
                "schema": schema,
            },
            **kwargs,
        }
        if include_raw:
            return RunnableMap(raw=Reported(bound=self, kwargs=bound)) | report_of(wanted)
        return self.bind(**bound) | parser_for(wanted)

    # -- counting ---------------------------------------------------------------------------------------------------

    @override
    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[ToolLike] | None = None
    ) -> int:
        """An estimate, made offline: no tokenizer fits every model that may answer."""
        wire: list[Any] | None = [convert_to_openai_tool(tool) for tool in tools] if tools else None
        return count_tokens_approximately(messages, tools=wire)

    @override
    def get_num_tokens(self, text: str) -> int:
        """An estimate, made offline."""
        return -(-len(text) // 4)

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """One id for every four characters: there is no tokenizer that fits every model."""
        return [sum(map(ord, text[n : n + 4])) for n in range(0, len(text), 4)]


# LangChain looks the signature up on every call; `inspect` keeps what is written here.
for _method in (vars(ChatFreeRouter)["_generate"], vars(ChatFreeRouter)["_agenerate"]):
    _method.__signature__ = inspect.signature(_method)
