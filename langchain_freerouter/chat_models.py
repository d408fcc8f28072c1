"""`ChatFreeRouter`: LangChain's side of a request. `freerouter_core` chooses the model and sends.

How a call travels:

- invoke: `_generate` > `_request` > `Router.chat` > `result_of`
- stream: `_stream` > `_request` > `Router.stream` > `ChunkWriter`
- bind_tools: binds tools as wire dicts, which `_request` finds among its keyword arguments
- with_structured_output: binds an `OutputFormat` the same way, and parses the message
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict
from typing_extensions import override

from freerouter_core.errors import FreeRouterError
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Method

from . import blocks  # noqa: F401  # registers how our messages become content blocks
from .attempt_runs import traced
from .base import BaseFreeRouter
from .errors import as_model_error, as_model_errors
from .messages import to_wire
from .outputs import ChunkWriter, result_of
from .streamed_runs import streamed_run
from .tools import wire_tool_choice
from .waiting import wait_observer

if TYPE_CHECKING:
    from freerouter_core import Bulk

    from .bulk import BulkInput
    from .structured import OutputFormat, Schema
else:
    # Few calls need what these would load. The annotations still resolve at run time.
    Bulk = BulkInput = OutputFormat = Schema = Any

Tool = Json | type | Callable[..., Any] | BaseTool
_NOT_SENT = (
    "ls_structured_output_format",
    "structured_output_format",
    "stream_usage",
    "stream",
)
"""Keyword arguments of a call that LangChain passes on and no endpoint takes."""


class ChatFreeRouter(BaseFreeRouter):
    """The world's free models as one chat model: a capable, healthy one within its limits answers.

    Example:
        ```python
        from langchain_freerouter import ChatFreeRouter

        llm = ChatFreeRouter()  # OPENROUTER_API_KEY from the environment; free models only
        message = llm.invoke("Why is the sky blue?")
        message.content, message.response_metadata["model_name"]
        ```

    Options are those of `freerouter_core.Router` and the usual sampling parameters. `model_name` is
    accepted for `model`. `response_metadata` tells which model answered (`model_name`,
    `upstream_provider`), its cost in USD (`cost`), and every attempt. Errors are of the
    `freerouter_core.errors` tree, and each is a LangChain `ModelError` as well.
    """

    model_config = ConfigDict(defer_build=False)

    # -- answers ------------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with as_model_errors():
            request, router = self._request(messages, stop, kwargs, run_manager), self._router
        try:
            with traced(run_manager) as end:
                outcome = end(router.chat(request))
        except FreeRouterError as error:
            raise as_model_error(error) from None
        return result_of(outcome)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with as_model_errors():
            request, router = self._request(messages, stop, kwargs, run_manager), self._router
        try:
            with traced(run_manager) as end:
                outcome = end(await router.achat(request))
        except FreeRouterError as error:
            raise as_model_error(error) from None
        return result_of(outcome)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        usage = kwargs.pop("stream_usage", self.stream_usage)
        with as_model_errors():
            request, router = self._request(messages, stop, kwargs, run_manager), self._router
            stream = router.stream(request)
        is_final = router.config.on_stream_break == "raise" and not request.replaces
        writer = ChunkWriter(names_model=is_final)
        try:
            with traced(run_manager or streamed_run.get()) as end:
                for delta in stream:
                    chunk = writer.chunk(delta)
                    if chunk is None:
                        continue
                    if run_manager is not None:
                        run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk
                outcome = end(stream.outcome)
        except FreeRouterError as error:
            raise as_model_error(error) from None
        finally:
            stream.close()
        yield writer.last_chunk(outcome, usage=usage)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        usage = kwargs.pop("stream_usage", self.stream_usage)
        with as_model_errors():
            request, router = self._request(messages, stop, kwargs, run_manager), self._router
            stream = router.astream(request)
        is_final = router.config.on_stream_break == "raise" and not request.replaces
        writer = ChunkWriter(names_model=is_final)
        try:
            with traced(run_manager or streamed_run.get()) as end:
                async for delta in stream:
                    chunk = writer.chunk(delta)
                    if chunk is None:
                        continue
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(delta.text, chunk=chunk)
                    yield chunk
                outcome = end(stream.outcome)
        except FreeRouterError as error:
            raise as_model_error(error) from None
        finally:
            await stream.aclose()
        yield writer.last_chunk(outcome, usage=usage)

    def _request(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        run: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None = None,
    ) -> ChatRequest:
        """The core's request: the options of this model, overruled by those of the call."""
        options = {name: value for name, value in kwargs.items() if name not in _NOT_SENT}
        tools = [
            tool if isinstance(tool, dict) else convert_to_openai_tool(tool)
            for tool in options.pop("tools", None) or ()
        ]
        output: OutputFormat | None = options.pop("structured", None)
        replaces = output is not None  # an `ObjectParser` reads the stream
        response_format = options.pop("response_format", None)
        if output is None and response_format is not None:
            from .structured import OutputFormat

            output = OutputFormat.of_response_format(response_format)
        return ChatRequest(
            messages=to_wire(messages),
            tools=tools,
            tool_choice=wire_tool_choice(options.pop("tool_choice", None), tools),
            parallel_tool_calls=options.pop("parallel_tool_calls", None),
            structured=None if output is None else output.structured,
            validate=None if output is None else output.validator,
            replaces=replaces,
            reasoning=options.pop("reasoning", self.reasoning),
            extra_body={**self.extra_body, **(options.pop("extra_body", None) or {})},
            model=options.pop("model", None) or options.pop("model_name", None),
            timeout=options.pop("timeout", None),
            lane=options.pop("lane", None),
            fresh=bool(options.pop("fresh", False)),
            on_wait=wait_observer(run or streamed_run.get()),
            parameters=self._parameters({**options, **({"stop": stop} if stop else {})}),
        )

    # -- tools and structured output ----------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: Json | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools. Only models that support them are asked, and `tool_choice` too where it is
        needed.

        Args:
            tools: pydantic classes, functions, `BaseTool`s or OpenAI tool dicts.
            tool_choice: "auto", "none", "required" ("any", True), a tool's name, or OpenAI's dict.
            strict: whether arguments must keep to the schema exactly.
            parallel_tool_calls: whether several tools may be called at once.

        Raises:
            BadRequest: `tool_choice` names a tool that is not offered.
        """
        with as_model_errors():
            wire_tools = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
            choice = wire_tool_choice(tool_choice, wire_tools)
        bound: dict[str, Any] = {"tools": wire_tools}
        if choice is not None:
            bound["tool_choice"] = choice
        if parallel_tool_calls is not None:
            bound["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(**bound, **kwargs)

    def with_structured_output(
        self,
        schema: Schema | None = None,
        *,
        method: Method = "auto",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answer with objects of `schema`.

        Each model is asked in the way it supports. An answer that fails validation is asked of
        another model.

        Args:
            schema: a pydantic class (answers are its instances), a TypedDict or a JSON schema
                (answers are dicts).
            method: "auto", "json_schema", "function_calling" or "json_mode": the way to prefer
                where a model supports several.
            include_raw: return `{"raw", "parsed", "parsing_error"}` instead.
            strict: whether to enforce the schema while the answer is generated. None: where the
                schema already allows it.
        """
        from .structured import ObjectParser, OutputFormat

        with as_model_errors():
            output = OutputFormat.of(schema, method, strict)
        tools = kwargs.pop("tools", None)
        if tools:
            kwargs["tools"] = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        bound = {
            "structured": output,
            "ls_structured_output_format": {
                "kwargs": {"method": method, "strict": strict},
                "schema": schema,
            },
            **kwargs,
        }
        if include_raw:
            from .include_raw import LastAnswerBinding, raw_and_parsed

            return RunnableMap(raw=LastAnswerBinding(bound=self, kwargs=bound)) | raw_and_parsed(
                output
            )
        return self.bind(**bound) | ObjectParser(format=output)

    # -- jobs ---------------------------------------------------------------------------------

    def bulk(
        self,
        inputs: Iterable[BulkInput],
        path: str | os.PathLike[str],
        *,
        schema: Schema | None = None,
        **options: Any,
    ) -> Bulk:
        """A job of many inputs over days, kept in a file. See `freerouter_core.Router.bulk`.

        Iterate it. The `value` of a result is an `AIMessage`, or an object of `schema`; failed rows
        have an `error`.

        Args:
            inputs: what `invoke` takes, alone or after an id in a tuple. Any iterable.
            path: the job's file.
            schema: as for `with_structured_output`.
            options: those of `Router.bulk`, such as `order`, `attempts`, `until`.

        Raises:
            BadSetting: an option makes no sense.
            BadRequest: the schema cannot be used.
        """
        from .bulk import rows_of, shape_of
        from .structured import OutputFormat

        with as_model_errors():
            output = None if schema is None else OutputFormat.of(schema, "auto", None)
            if isinstance(inputs, Sized):
                options.setdefault("total", len(inputs))
            rows = rows_of(inputs, lambda item: self._row_request(item, output))
            shape = shape_of(output, options.pop("validate", None))
            return self._router.bulk(rows, path, schema=shape, **options)

    def _row_request(self, item: LanguageModelInput, output: OutputFormat | None) -> ChatRequest:
        messages = self._convert_input(item).to_messages()
        return self._request(messages, None, {} if output is None else {"structured": output})

    # -- token counts: estimates, since no tokenizer fits every model that may answer ---------

    @override
    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Tool] | None = None
    ) -> int:
        """An estimate, made offline."""
        wire: list[Json | BaseTool] | None = (
            [convert_to_openai_tool(tool) for tool in tools] if tools else None
        )
        return count_tokens_approximately(messages, tools=wire)

    @override
    def get_num_tokens(self, text: str) -> int:
        """An estimate, made offline."""
        return -(-len(text) // 4)

    @override
    def get_token_ids(self, text: str) -> list[int]:
        """One id for every four characters."""
        return [sum(map(ord, text[n : n + 4])) for n in range(0, len(text), 4)]


# LangChain looks up these signatures on every call; `inspect` returns what is stored here.
for _method in (vars(ChatFreeRouter)["_generate"], vars(ChatFreeRouter)["_agenerate"]):
    _method.__signature__ = inspect.signature(_method)
