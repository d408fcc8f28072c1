"""What several behaviours use: their register, a message, a schema and two tools."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable
from typing import Any

from behaviours import Behaviours
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

HELLO = [ChatMessage("hello")]
PROMPT = PromptTemplate("Tell of a person named {who}, 33")
shows = Behaviours()


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sunny"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


WEATHER, MULTIPLY = FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(multiply)


async def awaited(stream: Awaitable[AsyncIterable[Any]]) -> list[Any]:
    return [item async for item in await stream]
