"""Odd counts of tokens lose no answer, in either framework, whole or streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

from freerouter_core.client.router import Router
from langchain_freerouter import ChatFreeRouter
from langchain_freerouter.outputs import usage_of
from llamaindex_freerouter import FreeRouter

from ..frameworks import chunks_of, collect, collect_awaited, merged
from ..scripted import scripted_router

ODD = ["1e999", "-1e999", "NaN", "Infinity", "-1", "null", "{}", "[7]", '"?"', "true", "1e300"]
CHUNK = 'data: {"choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]}\n\n'


def said(usage: str, *, stream: bool) -> httpx.Response:
    if stream:
        body = f'{CHUNK}data: {{"choices": [], "usage": {usage}}}\n\ndata: [DONE]\n\n'
        return httpx.Response(200, text=body, headers={"content-type": "text/event-stream"})
    choice = '{"message": {"content": "hello"}, "finish_reason": "stop"}'
    content = f'{{"model": "m", "choices": [{choice}], "usage": {usage}}}'
    return httpx.Response(200, text=content, headers={"content-type": "application/json"})


async def astreamed(llm: ChatFreeRouter) -> AIMessage:
    return merged(chunks_of(await collect(llm.astream("q"))))


LANGCHAIN: dict[str, Callable[[ChatFreeRouter], AIMessage]] = {
    "invoke": lambda llm: llm.invoke("q"),
    "ainvoke": lambda llm: asyncio.run(llm.ainvoke("q")),
    "stream": lambda llm: merged(llm.stream("q")),
    "astream": lambda llm: asyncio.run(astreamed(llm)),
}
LLAMAINDEX: dict[str, Callable[[FreeRouter], Any]] = {
    "complete": lambda llm: llm.complete("q"),
    "acomplete": lambda llm: asyncio.run(llm.acomplete("q")),
    "stream": lambda llm: list(llm.stream_complete("q"))[-1],
    "astream": lambda llm: asyncio.run(collect_awaited(llm.astream_complete("q")))[-1],
}


def answering(usage: str, how: str) -> Router:
    return scripted_router(said(usage, stream="stream" in how))


@pytest.mark.parametrize("how", LANGCHAIN)
@pytest.mark.parametrize("count", ODD)
def test_an_odd_count_loses_no_answer_in_langchain(how: str, count: str) -> None:
    for usage in (
        f'{{"prompt_tokens": {count}, "completion_tokens": 5}}',
        f'{{"prompt_tokens": 5, "completion_tokens": {count}, "cost": {count}}}',
    ):
        heard = UsageMetadataCallbackHandler()
        llm = ChatFreeRouter(router=answering(usage, how), callbacks=[heard])
        message = LANGCHAIN[how](llm)

        assert (message.text, message.usage_metadata) == ("hello", None)
        assert heard.usage_metadata == {}
        json.dumps(message.response_metadata["token_usage"], allow_nan=False)


@pytest.mark.parametrize("how", LLAMAINDEX)
@pytest.mark.parametrize("count", ODD)
def test_an_odd_count_loses_no_answer_in_llamaindex(how: str, count: str) -> None:
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": 5}}'
    tokens = TokenCountingHandler(tokenizer=str.split)
    llm = FreeRouter(router=answering(usage, how), callback_manager=CallbackManager([tokens]))
    response = LLAMAINDEX[how](llm)

    assert response.text == "hello"
    assert response.raw["usage"] == {"completion_tokens": 5}
    (event,) = tokens.llm_token_counts
    assert event.completion_token_count == 5
    assert event.prompt_token_count > 0, "it is estimated"


@pytest.mark.parametrize("how", LANGCHAIN)
@pytest.mark.parametrize(
    "usage",
    [
        '{"prompt_tokens": "11", "completion_tokens": "5"}',
        '{"input_tokens": 11, "output_tokens": 5}',
        '{"prompt_tokens": 11.0, "completion_tokens": null, "total_tokens": 16}',
        '{"prompt_tokens": null, "completion_tokens": 5, "total_tokens": "16"}',
    ],
)
def test_counts_in_other_words_are_read(how: str, usage: str) -> None:
    message = LANGCHAIN[how](ChatFreeRouter(router=answering(usage, how)))

    assert message.usage_metadata == {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16}


@pytest.mark.parametrize("usage", [None, {}, {"cost": 0.0}, {"total_tokens": 16}])
def test_counts_that_nobody_told_are_not_zero(usage: Any) -> None:
    assert usage_of(usage) is None
