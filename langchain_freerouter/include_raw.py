"""`include_raw=True`: the message, the object in it, or why there is none.

An answer that does not parse raises nothing, whether it is whole or streamed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import Generation
from langchain_core.runnables import (
    AddableDict,
    Runnable,
    RunnableBinding,
    RunnableConfig,
    RunnableGenerator,
)

from freerouter_core.errors import Exhausted, StreamBroken
from freerouter_core.wire.json_values import Json

from .outputs import text_of, to_message
from .structured import ObjectParser, OutputFormat


class LastAnswerBinding(RunnableBinding[LanguageModelInput, AIMessage]):
    """A bound model that returns the answer it rejected last instead of raising. If there was no
    answer at all, its error is raised."""

    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        try:
            return super().invoke(input, config, **kwargs)
        except (Exhausted, StreamBroken) as error:
            return _last_answer(error)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        try:
            return await super().ainvoke(input, config, **kwargs)
        except (Exhausted, StreamBroken) as error:
            return _last_answer(error)

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessage]:
        try:
            yield from super().stream(input, config, **kwargs)
        except (Exhausted, StreamBroken) as error:
            yield _rest_of_last_answer(error)

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        try:
            async for chunk in super().astream(input, config, **kwargs):
                yield chunk
        except (Exhausted, StreamBroken) as error:
            yield _rest_of_last_answer(error)

    # A binding hands these to what it binds, past the four methods above.
    batch, abatch = Runnable.batch, Runnable.abatch
    transform, atransform = Runnable.transform, Runnable.atransform


def _last_answer(error: Exhausted | StreamBroken) -> AIMessage:
    """The answer that was rejected last, with the attempts that led to it."""
    answer = error.answer
    if answer is None:
        raise error
    metadata = {
        "model_name": answer.model,
        "finish_reason": answer.finish_reason,
        "attempts": list(error.attempts),
    }
    return to_message(answer, metadata)


def _rest_of_last_answer(error: Exhausted | StreamBroken) -> AIMessageChunk:
    """What of that answer the stream has not shown yet."""
    message = _last_answer(error)
    text = str(message.content)
    shown = error.partial if isinstance(error, StreamBroken) else ""
    return AIMessageChunk(
        content=text.removeprefix(shown) if text.startswith(shown) else "",
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )


def raw_and_parsed(format: OutputFormat) -> Runnable[Json, Json]:
    """From `{"raw": message}` to `{"raw", "parsed", "parsing_error"}`."""

    def parse(parts: Iterator[Json]) -> Iterator[Json]:
        parser = _RawParser(format)
        for part in parts:
            yield parser.feed(part)
        yield parser.finish()

    async def aparse(parts: AsyncIterator[Json]) -> AsyncIterator[Json]:
        parser = _RawParser(format)
        async for part in parts:
            yield parser.feed(part)
        yield parser.finish()

    return RunnableGenerator(parse, aparse)


class _RawParser:
    """The message so far. The object comes once, at the end: chunks are added up, and objects
    cannot be added."""

    def __init__(self, format: OutputFormat) -> None:
        self._parser = ObjectParser(format=format)
        self._message: AIMessage | None = None

    def feed(self, part: Json) -> Json:
        """The chunk."""
        chunk: AIMessage = part["raw"]
        if isinstance(chunk, AIMessageChunk) and isinstance(self._message, AIMessageChunk):
            self._message = self._message + chunk
        else:
            self._message = chunk
        return AddableDict(raw=chunk)

    def finish(self) -> Json:
        """The object, or why there is none; neither if the model called a tool instead."""
        parsed, parsing_error = None, None
        message = self._message
        if message is not None and (message.content or not message.tool_calls):
            try:
                parsed = self._parser.parse_result(_generations(message))
            except OutputParserException as error:
                parsing_error = error
        return AddableDict(parsed=parsed, parsing_error=parsing_error)


def _generations(message: AIMessage) -> list[Generation]:
    return [Generation(text=text_of(message))]
