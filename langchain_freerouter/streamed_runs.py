"""`TracedStreams`: a model whose streams know their run.

So tracers see their attempts, and callbacks hear of their waits. LangChain tells `_generate` its
run, and does not tell `_stream`. Here `stream` finds it by a callback of its own, if somebody
traces or listens. While the model works, `streamed_run` is that run.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from contextvars import ContextVar
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig, ensure_config
from typing_extensions import override

from .attempt_runs import tracers_of
from .waiting import WaitingRun, listens

streamed_run: ContextVar[WaitingRun | None] = ContextVar("freerouter_streamed_run", default=None)
"""The run of the stream whose next chunk is asked for."""
T = TypeVar("T")


class TracedStreams(BaseChatModel):
    """A model whose `_stream` finds its run in `streamed_run`."""

    @override
    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        config, run = _followed(self, config, CallbackManager)
        chunks = super().stream(input, config, stop=stop, **kwargs)
        return chunks if run is None else _within(run, chunks)

    @override
    def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        config, run = _followed(self, config, AsyncCallbackManager)
        chunks = super().astream(input, config, stop=stop, **kwargs)
        return chunks if run is None else _awithin(run, chunks)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        token = streamed_run.set(run_manager)
        try:
            return super()._generate_with_cache(messages, stop, run_manager, **kwargs)
        finally:
            streamed_run.reset(token)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        token = streamed_run.set(run_manager)
        try:
            return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)
        finally:
            streamed_run.reset(token)


class _Found(BaseCallbackHandler):
    """A callback that learns the id of a stream's run. `manager`: has the callbacks of that run."""

    run_inline = True

    def __init__(self, manager: CallbackManager | AsyncCallbackManager) -> None:
        self.handlers = manager.handlers
        self.tags, self.metadata = manager.tags, manager.metadata
        self.is_sync = isinstance(manager, CallbackManager)
        self.run_id = UUID(int=0)

    def on_chat_model_start(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.run_id = run_id


def _followed(
    model: BaseChatModel, config: RunnableConfig | None, manager: type[BaseCallbackManager]
) -> tuple[RunnableConfig | None, WaitingRun | None]:
    """(the configuration to stream with, the run that it finds); None: nobody traces or listens."""
    given = ensure_config(config)
    around = given.get("callbacks")
    if not (around or model.callbacks or "langchain_core.tracers.base" in sys.modules):
        return config, None
    kind = cast("type[CallbackManager | AsyncCallbackManager]", manager)
    run = kind.configure(
        around,
        model.callbacks,
        model.verbose,
        given.get("tags"),
        model.tags,
        given.get("metadata"),
        model.metadata,
    )
    if not (tracers_of(run.handlers) or any(map(listens, run.handlers))):
        return config, None
    found = _Found(run)
    if isinstance(around, BaseCallbackManager):
        around = around.copy()
        around.add_handler(found, inherit=False)
    else:
        around = [*(around or ()), found]
    return RunnableConfig(**{**given, "callbacks": around}), found


def _within(run: WaitingRun, chunks: Iterator[T]) -> Iterator[T]:
    """The chunks of a stream, whose model is told its run."""
    with closing(cast("Generator[T, None, None]", chunks)):
        while True:
            token = streamed_run.set(run)
            try:
                chunk = next(chunks)
            except StopIteration:
                return
            finally:
                streamed_run.reset(token)
            yield chunk


async def _awithin(run: WaitingRun, chunks: AsyncIterator[T]) -> AsyncIterator[T]:
    """As `_within`, for event loops."""
    async with aclosing(cast("AsyncGenerator[T, None]", chunks)):
        while True:
            token = streamed_run.set(run)
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            finally:
                streamed_run.reset(token)
            yield chunk
