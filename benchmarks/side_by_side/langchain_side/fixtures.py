"""What several behaviours use: their register, a schema, two tools, and streams put together."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from functools import reduce
from operator import add
from typing import Any

from behaviours import Behaviours
from langchain_core.tools import tool
from pydantic import BaseModel

shows = Behaviours()


class Person(BaseModel):
    """A person."""

    name: str
    age: int
    nick: str | None = None


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: sunny"


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def whole(stream: Iterable[Any]) -> Any:
    """The sum of a stream's chunks."""
    return reduce(add, stream)


async def awaited(stream: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in stream]
