"""Structured prediction of `FreeRouter`: four ways, every program mode, streams, events."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
)
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel

from freerouter_core import errors
from freerouter_core.simulator import SimModel, World

from ..frameworks import Person, collect_awaited, llamaindex_model
from ..storms import llamaindex_storm

T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    value: T


class Tree(BaseModel):
    v: int
    kids: list[Tree] = []


PROMPT = PromptTemplate("Tell of {who}, 33")
HELLO = [ChatMessage("hello")]


FORMS = [
    {},
    {"structured": False},
    {"structured": False, "tool_choice": False},
    {"structured": False, "tools": False, "json_object": False},
]


@pytest.mark.parametrize("flags", FORMS)
def test_four_kinds_of_model_predict_objects_in_five_ways(flags: dict[str, Any]) -> None:
    with World([SimModel("a/m:free", **flags)]) as world:
        llm = llamaindex_model(world, system_prompt="Be brief.")
        got = [
            llm.structured_predict(Person, PROMPT, who="Anna"),
            asyncio.run(llm.astructured_predict(Person, PROMPT, who="Anna")),
            list(llm.stream_structured_predict(Person, PROMPT, who="Anna"))[-1],
            asyncio.run(
                collect_awaited(llm.astream_structured_predict(Person, PROMPT, who="Anna"))
            )[-1],
            llm.as_structured_llm(Person).complete("Tell of Anna, 33").raw,
        ]

        assert got == [Person(name="Anna", age=33)] * 5
        assert all(
            "Be brief." in seen.body["messages"][0]["content"] for seen in world.requests[:4]
        )
        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize(
    "mode", [PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM, PydanticProgramMode.OPENAI]
)
def test_every_program_mode_keeps_the_system_prompt_and_the_callers_options(
    mode: PydanticProgramMode,
) -> None:
    prompt, options = (
        PromptTemplate("Tell of {who}, 33"),
        {"tool_choice": "auto", "temperature": 0.1},
    )
    with llamaindex_storm() as world:
        llm = llamaindex_model(world, pydantic_program_mode=mode, system_prompt="Be brief.")
        llm_kwargs = dict(options)
        got = [
            llm.structured_predict(Person, prompt, llm_kwargs=llm_kwargs, who="Anna"),
            asyncio.run(llm.astructured_predict(Person, prompt, llm_kwargs=llm_kwargs, who="Anna")),
            list(llm.stream_structured_predict(Person, prompt, llm_kwargs=llm_kwargs, who="Anna"))[
                -1
            ],
        ]

        assert got == [Person(name="Anna", age=33)] * 3
        assert llm_kwargs == options
        assert all("Be brief." in seen.body["messages"][0]["content"] for seen in world.requests)


def test_a_structured_stream_grows_and_ends_with_a_valid_object() -> None:
    with World([SimModel("a/m:free")]) as world:
        parts = list(llamaindex_model(world).stream_structured_predict(Person, PROMPT, who="Anna"))
    filled = [sum(value is not None for value in part.model_dump().values()) for part in parts]

    assert filled == sorted(filled)
    assert type(parts[-1]) is Person


@pytest.mark.parametrize("flags", FORMS)
def test_generic_and_recursive_classes_are_predicted(flags: dict[str, Any]) -> None:
    with World([SimModel("a/m:free", **flags)]) as world:
        llm = llamaindex_model(world)

        assert llm.structured_predict(Box[int], PROMPT, who="x").value == 33
        assert isinstance(llm.structured_predict(Tree, PROMPT, who="x"), Tree)
        assert not any(seen.problem for seen in world.requests)


def test_events_of_structured_calls_can_be_serialised() -> None:
    seen: list[str] = []

    class Keeping(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            if type(event).__name__ == "LLMChatStartEvent":
                seen.append(event.model_dump_json())

    handler = Keeping()
    get_dispatcher("root").add_event_handler(handler)
    try:
        with World([SimModel("a/m:free")]) as world:
            llamaindex_model(world).structured_predict(Person, PROMPT, who="Anna")
    finally:
        get_dispatcher("root").event_handlers.remove(handler)

    assert len(seen) == 1


def test_a_response_format_may_be_a_class() -> None:
    with World([SimModel("a/m:free")]) as world:
        answer = llamaindex_model(world).chat([ChatMessage("Anna, 33")], response_format=Person)

        assert Person.model_validate_json(answer.message.content or "").age == 33
        with pytest.raises(errors.BadRequest):
            llamaindex_model(world).chat(HELLO, response_format=3)
