"""Structured output of `ChatFreeRouter`: schemas, streams, validation, `include_raw`."""

from __future__ import annotations

import asyncio
import json
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Annotated, Any, Optional, TypedDict

import pytest
from langchain_core.exceptions import (
    ModelAPIError,
    ModelInvalidRequestError,
)
from langchain_core.messages import (
    AIMessage,
)
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field

from freerouter_core import errors
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.schema import find_violation
from langchain_freerouter.outputs import ChunkWriter, text_of
from langchain_freerouter.structured import ObjectParser, OutputFormat

from ..frameworks import (
    Person,
    langchain_model,
    llamaindex_model,
)


class Nicknamed(Person):
    nick: str = "none"


class Typed(TypedDict):
    """A typed person."""

    name: str
    age: int


SCHEMAS: list[Any] = [
    Person,
    Person.model_json_schema(),
    {"name": "person", "parameters": Person.model_json_schema()},
    {"type": "function", "function": {"name": "person", "parameters": Person.model_json_schema()}},
    {
        "type": "json_schema",
        "json_schema": {"name": "person", "schema": Person.model_json_schema()},
    },
    {"name": "person", "input_schema": Person.model_json_schema()},
]


@pytest.mark.parametrize(
    "schema", SCHEMAS, ids=["class", "schema", "function", "tool", "response_format", "anthropic"]
)
@pytest.mark.parametrize("method", ["auto", "json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("strict", [None, True])
def test_every_kind_of_schema_and_every_method_gives_the_object(
    schema: Any, method: Any, strict: bool | None
) -> None:
    with World([SimModel("a/m:free"), SimModel("b/m:free", structured=False)]) as world:
        chain = langchain_model(world).with_structured_output(schema, method=method, strict=strict)
        got, *_, last = chain.invoke("Anna is 33"), *chain.stream("Anna is 33")

        for value in (got, last):
            plain = value.model_dump() if isinstance(value, BaseModel) else value
            assert isinstance(value, Person) is (schema is Person)
            assert plain["age"] == 33
        assert not any(seen.problem for seen in world.requests)


def test_a_typed_dict_or_no_schema_gives_a_dict() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)

        assert llm.with_structured_output(Typed).invoke("Anna is 33")["age"] == 33
        assert llm.with_structured_output(None, method="json_mode").invoke('Give "color"')["color"]
        with pytest.raises(ModelInvalidRequestError):
            llm.with_structured_output(None)


def test_a_structured_stream_grows() -> None:
    with World([SimModel("a/m:free")]) as world:
        parts = list(
            langchain_model(world)
            .with_structured_output(Person.model_json_schema())
            .stream("Anna is 33")
        )

        assert len(parts) > 1
        assert all(set(a) <= set(b) for a, b in pairwise(parts))


def test_nulls_for_optional_fields_are_left_out_in_streams_too() -> None:
    with World(
        [SimModel("a/m:free", says=lambda body: '{"name": "A", "age": 1, "nick": null}')]
    ) as world:
        chain = langchain_model(world).with_structured_output(Nicknamed)

        assert chain.invoke("x") == Nicknamed(name="A", age=1)
        assert list(chain.stream("x"))[-1] == Nicknamed(name="A", age=1)
        assert langchain_model(world, streaming=True).with_structured_output(Nicknamed).invoke(
            "x"
        ) == Nicknamed(name="A", age=1)


def test_an_answer_that_the_class_rejects_is_asked_of_another_model() -> None:
    class Adult(BaseModel):
        age: int = Field(ge=18)

    kid = SimModel(
        "a/m:free", context=900_000, says=lambda body: '{"age": 3}', structured=False, tools=False
    )
    with World([kid, SimModel("b/m:free")]) as world:
        got = langchain_model(world).with_structured_output(Adult).invoke("Somebody of 40")

        assert got.age == 40
        assert world.asked == ["a/m:free", "b/m:free"]


def test_a_class_may_accept_what_its_schema_rejects() -> None:
    answer = '{"name": "Anna", "age": "33"}'
    with World(
        [
            SimModel(
                "a/m:free", says=lambda _: answer, tools=False, structured=False, json_object=False
            )
        ]
    ) as world:
        assert llamaindex_model(world).structured_predict(Person, PROMPT, who="Anna").age == 33
        assert langchain_model(world).with_structured_output(Person).invoke("Anna").age == 33
        assert len(world.requests) == 2
        with pytest.raises(errors.Exhausted):
            langchain_model(world, max_retries=0).with_structured_output(
                Person.model_json_schema() | {"title": "P"}
            ).invoke("Anna")


PROMPT = PromptTemplate("Tell of {who}, 33")


def test_include_raw_gives_the_message_and_the_object() -> None:
    with World([SimModel("a/m:free")]) as world:
        got = (
            langchain_model(world)
            .with_structured_output(Person, include_raw=True)
            .invoke("Anna is 33")
        )

        assert isinstance(got["raw"], AIMessage)
        assert got["parsed"].age == 33
        assert got["parsing_error"] is None


@pytest.mark.parametrize("schema", [Person, Person.model_json_schema() | {"title": "Person"}])
def test_include_raw_streams_chunks_that_add_up_to_the_three_keys(schema: Any) -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world).with_structured_output(schema, include_raw=True)
        parts = list(llm.stream("A person named Anna, 33"))
        whole = reduce(add, parts)

        assert sum("raw" in part for part in parts) > 1
        assert [part for part in parts if "parsed" in part] == [parts[-1]]
        assert sorted(whole) == ["parsed", "parsing_error", "raw"]
        assert json.loads(whole["raw"].text) == {"name": "Anna", "age": 33}
        assert whole["parsed"] in ({"name": "Anna", "age": 33}, Person(name="Anna", age=33))
        assert whole["parsing_error"] is None


def test_traces_of_include_raw_show_the_three_keys() -> None:
    async def outputs() -> list[Any]:
        events = llm.astream_events("A person named Anna, 33", version="v2")
        ends = [e async for e in events if e["event"] == "on_chain_end"]
        return [e["data"]["output"] for e in ends if e["name"] == "RunnableSequence"]

    with World([SimModel("a/m:free")]) as world:
        schema = Person.model_json_schema() | {"title": "Person"}
        llm = langchain_model(world).with_structured_output(schema, include_raw=True)
        (output,) = asyncio.run(outputs())

        assert sorted(output) == ["parsed", "parsing_error", "raw"]
        assert output["parsed"] == {"name": "Anna", "age": 33}


def test_include_raw_reports_an_answer_that_does_not_parse() -> None:
    with World([SimModel("a/m:free", tools=False, says=lambda _: "no JSON at all")]) as world:
        llm = langchain_model(world)
        got = llm.with_structured_output(Person, include_raw=True).invoke("x")

        assert got["raw"].content == "no JSON at all"
        assert got["parsed"] is None
        assert got["parsing_error"] is not None
        with pytest.raises(ModelAPIError):
            llm.with_structured_output(Person).invoke("x")


@pytest.mark.parametrize("says", ["no json at all", '{"name": "Anna", "age": "old"}'])
@pytest.mark.parametrize("way", ["invoke", "stream", "astream", "streaming", "batch"])
def test_include_raw_never_raises_for_an_answer_that_does_not_parse(way: str, says: str) -> None:
    with World(
        [
            SimModel(
                "a/m:free", says=lambda _: says, tools=False, structured=False, json_object=False
            )
        ]
    ) as world:
        llm = langchain_model(
            world, max_retries=0, streaming=way == "streaming"
        ).with_structured_output(Person, include_raw=True)

        async def run() -> Any:
            return reduce(add, [part async for part in llm.astream("Anna")])

        ways: dict[str, Any] = {
            "invoke": lambda: llm.invoke("Anna"),
            "streaming": lambda: llm.invoke("Anna"),
            "stream": lambda: reduce(add, llm.stream("Anna")),
            "astream": lambda: asyncio.run(run()),
            "batch": lambda: llm.batch(["Anna"])[0],
        }
        got = ways[way]()

        assert says.startswith(str(got["raw"].content)[:9])
        assert got["parsed"] is None
        assert got["parsing_error"] is not None


class Address(TypedDict):
    """Where somebody lives."""

    street: str
    floor: Optional[int]  # noqa: UP045  # as users write it


class Contact(TypedDict):
    """A person."""

    name: Annotated[str, ..., "the first name"]
    nick: str | None
    address: Address
    others: list[Address]


def test_a_typed_dict_allows_null_where_it_says_so() -> None:
    """LangChain's schema drops `None`, so that a model with nothing to say fails."""
    contact = {
        "name": "Anna",
        "nick": None,
        "address": {"street": "x", "floor": None},
        "others": [{"street": "y", "floor": 1}],
    }
    with World([SimModel("a/m:free", says=lambda body: json.dumps(contact))]) as world:
        llm = langchain_model(world).with_structured_output(Contact, method="json_mode")

        assert llm.invoke("x") == contact
    schema = OutputFormat.of(Contact, "auto", None).structured.schema or {}
    assert schema["properties"]["name"] == {"type": "string", "description": "the first name"}
    assert find_violation({**contact, "name": None}, schema) is not None


# -- streams that begin again ----------------------------------------------------------------------


def test_the_object_of_a_stream_begins_again_on_another_model() -> None:
    with World([SimModel("a/m:free", script=["mid-stream-half"]), SimModel("b/m:free")]) as world:
        llm = langchain_model(world).with_structured_output(Person)
        grown = list(llm.stream("Anna is 33"))

        assert isinstance(grown[-1], Person)
        assert grown[-1].age == 33
        assert len(world.requests) == 2


def test_what_is_merged_tells_where_the_object_began_again() -> None:
    writer = ChunkWriter(names_model=False)
    deltas = [Delta('{"name": "An'), Delta('{"name"', restarts=True), Delta(': "Anna", "age": 33}')]
    chunks = [chunk for delta in deltas if (chunk := writer.chunk(delta))]
    merged_chunk = merge_chat_generation_chunks(chunks)
    assert merged_chunk is not None

    assert text_of(merged_chunk.message) == '{"name": "Anna", "age": 33}'
    parsed = ObjectParser(format=OutputFormat.of(Person, "auto", None)).parse_result([merged_chunk])
    assert parsed == Person(name="Anna", age=33)
