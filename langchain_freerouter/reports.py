"""`include_raw`: what came, what it parses to, or why it does not. It reports, it does not raise: neither whole nor streamed."""

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

from .messages import to_message
from .structured import Wanted, parser_for


class Reported(RunnableBinding[LanguageModelInput, AIMessage]):
    """A bound model of which an answer that nobody gave rightly is wanted all the same. Where there is none, its error stands."""

    def invoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        try:
            return super().invoke(input, config, **kwargs)
        except (Exhausted, StreamBroken) as error:
            return _rejected(error)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        try:
            return await super().ainvoke(input, config, **kwargs)
        except (Exhausted, StreamBroken) as error:
            return _rejected(error)

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessage]:
        try:
            yield from super().stream(input, config, **kwargs)
        except (Exhausted, StreamBroken) as error:
            yield _rest(error)

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        try:
            async for chunk in super().astream(input, config, **kwargs):
                yield chunk
        except (Exhausted, StreamBroken) as error:
            yield _rest(error)

    # A binding hands these to what it binds, which would go round the four above.
    batch, abatch = Runnable.batch, Runnable.abatch
    transform, atransform = Runnable.transform, Runnable.atransform


def _rejected(error: Exhausted | StreamBroken) -> AIMessage:
    """The answer that was rejected last, with the attempts that came to it."""
    answer = error.answer
    if answer is None:
        raise error
    told = {
        "model_name": answer.model,
        "finish_reason": answer.finish_reason,
        "attempts": list(error.attempts),
    }
    return to_message(answer, told)


def _rest(error: Exhausted | StreamBroken) -> AIMessageChunk:
    """What of it was not streamed yet."""
    message = _rejected(error)
    shown = error.partial if isinstance(error, StreamBroken) else ""
    return AIMessageChunk(
        content=str(message.content).removeprefix(shown)
        if str(message.content).startswith(shown)
        else "",
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )


class _Report:
    """A message as it comes, and what is known of the object in it."""

    def __init__(self, wanted: Wanted) -> None:
        self._parser = parser_for(wanted)
        self._raw: Any = None
        self._shown: Any = None

    def take(self, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
        chunk = part["raw"]
        self._raw = chunk if self._raw is None else self._raw + chunk
        yield AddableDict(raw=chunk)
        if isinstance(chunk, AIMessageChunk):
            found = self._parser.parse_result(self._said(), partial=True)
            if found is not None and found != self._shown:
                self._shown = found
                yield AddableDict(parsed=found)

    def end(self) -> dict[str, Any]:
        """The object, or why there is none; neither where a tool was called instead."""
        parsed, problem = None, None
        if self._raw is not None and (self._raw.content or not self._raw.tool_calls):
            try:
                parsed = self._parser.parse_result(self._said())
            except OutputParserException as error:
                problem = error
        known = {} if parsed is not None and parsed == self._shown else {"parsed": parsed}
        return AddableDict(known, parsing_error=problem)

    def _said(self) -> list[Generation]:
        content = self._raw.content
        return [Generation(text=content if isinstance(content, str) else self._raw.text)]


def report_of(wanted: Wanted) -> Runnable[dict[str, Any], dict[str, Any]]:
    """From `{"raw": message}` to `{"raw", "parsed", "parsing_error"}`."""

    def grow(parts: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        report = _Report(wanted)
        for part in parts:
            yield from report.take(part)
        yield report.end()

    async def agrow(parts: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        report = _Report(wanted)
        async for part in parts:
            for found in report.take(part):
                yield found
        yield report.end()

    return RunnableGenerator(grow, agrow)
