"""Models of both frameworks over a simulated world, their tools, and their streams."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable
from functools import reduce
from operator import add
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

T = TypeVar("T")


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sunny"


langchain_weather = tool(get_weather)
llamaindex_weather = FunctionTool.from_defaults(get_weather)


def langchain_model(world: World[Clock], **options: Any) -> ChatFreeRouter:
    """A `ChatFreeRouter` that asks the model with the largest context first."""
    return ChatFreeRouter(router=world.router(strategy="context"), **options)


def llamaindex_model(world: World[Clock], **options: Any) -> FreeRouter:
    """A `FreeRouter` that asks the model with the largest context first."""
    return FreeRouter(router=world.router(strategy="context"), **options)


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [item async for item in stream]


async def collect_awaited(stream: Awaitable[AsyncIterable[T]]) -> list[T]:
    """What a LlamaIndex stream yields: its coroutine returns the stream."""
    return await collect(await stream)


def chunks_of(messages: Iterable[AIMessage]) -> list[AIMessageChunk]:
    """A stream's messages as the chunks they are: LangChain annotates them as `AIMessage`."""
    chunks = []
    for message in messages:
        assert isinstance(message, AIMessageChunk)
        chunks.append(message)
    return chunks


def merged(messages: Iterable[AIMessage]) -> AIMessageChunk:
    """A stream's messages as one."""
    return reduce(add, chunks_of(messages))


def raw_of(response: ChatResponse | CompletionResponse) -> dict[str, Any]:
    """LlamaIndex's `raw`, which every answer of ours has."""
    assert isinstance(response.raw, dict)
    return response.raw
