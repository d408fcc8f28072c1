"""A simulated model obeys the schemas that users' classes become."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, HttpUrl, IPvAnyAddress, TypeAdapter

from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.instances import instance
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    breed: str | None


class Tree(BaseModel):
    name: str
    children: list[Tree]


class Link(BaseModel):
    value: int
    next: Link | None


KINDS: list[Any] = [
    bool,
    bytes,
    Any,
    Colour,
    Tree,
    Link,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
    HttpUrl,
    IPvAnyAddress,
    Literal["x", 3],
    int | None,
    dict[str, int],
    tuple[int, str],
    tuple[int, ...],
    set[int],
    set[bool],
    Annotated[Cat | Dog, Field(discriminator="kind")],
    Annotated[float, Field(gt=0, lt=10)],
    Annotated[float, Field(ge=0, le=1)],
    Annotated[float, Field(lt=-5.5)],
    Annotated[int, Field(gt=3, lt=5)],
    Annotated[int, Field(multiple_of=7, ge=10)],
    Annotated[int, Field(multiple_of=7, gt=14, lt=28)],
    Annotated[str, Field(max_length=2)],
    Annotated[str, Field(min_length=50)],
    Annotated[list[str], Field(min_length=3, max_length=3)],
    Annotated[list[int], Field(max_length=0)],
    Annotated[set[str], Field(min_length=3)],
    Annotated[set[int], Field(min_length=3)],
    Annotated[set[bool], Field(min_length=2)],
    Annotated[frozenset[Colour], Field(min_length=2)],
    Annotated[dict[str, int], Field(min_length=2)],
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    "prompt", ["Hello", "about Lisbon with 545796 inhabitants", "-3.7 'q' on 2025-03-04T10:00:00Z"]
)
def test_a_value_of_each_kind_is_valid(kind: Any, prompt: str) -> None:
    adapter = TypeAdapter(kind)

    adapter.validate_python(instance(adapter.json_schema(), prompt))


def test_all_parts_of_a_schema_count() -> None:
    schema = {
        "allOf": [
            {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    }

    assert instance(schema, "5 and 'q'") == {"a": 5, "b": "q"}


def test_values_come_from_the_prompt() -> None:
    when = {"type": "string", "format": "date"}

    assert instance(when, "born on 1815-12-10 in London") == "1815-12-10"


def test_a_model_calls_no_tool_where_none_is_offered() -> None:
    """As in the last step of an agent, which asks for a typed answer."""
    model = SimModel("a/m:free", calls=lambda _: [("get_weather", {"city": "Porto"})])
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    request = ChatRequest.of("about Lisbon").but(structured=Structured(schema))
    with World([model]) as world:
        outcome = world.router().chat(request)

    assert not outcome.answer.tool_calls
    assert "Lisbon" in outcome.text
