"""Equal requests cost nothing on LangChain and LlamaIndex, in every way of asking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate

from freerouter_core import AnswerCache
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import (
    Person,
    collect,
    collect_awaited,
    langchain_model,
    langchain_weather,
    llamaindex_model,
    llamaindex_weather,
    merged,
)

ASK = "Why is the sky blue?"
MESSAGES = [ChatMessage(role="user", content=ASK)]


def langchain(world: World[Any]) -> ChatFreeRouter:
    return langchain_model(world, answer_cache="memory")


def llamaindex(world: World[Any]) -> FreeRouter:
    return llamaindex_model(world, answer_cache="memory")


def stream_text(messages: Iterable[AIMessage]) -> str:
    return str(merged(messages).content)


LANGCHAIN: dict[str, Callable[[ChatFreeRouter], object]] = {
    "invoke": lambda llm: llm.invoke(ASK).content,
    "ainvoke": lambda llm: asyncio.run(llm.ainvoke(ASK)).content,
    "batch": lambda llm: {str(message.content) for message in llm.batch([ASK] * 8)}.pop(),
    "stream": lambda llm: stream_text(llm.stream(ASK)),
    "astream": lambda llm: stream_text(asyncio.run(collect(llm.astream(ASK)))),
}
LLAMAINDEX: dict[str, Callable[[FreeRouter], object]] = {
    "chat": lambda llm: llm.chat(MESSAGES).message.content,
    "achat": lambda llm: asyncio.run(llm.achat(MESSAGES)).message.content,
    "complete": lambda llm: llm.complete(ASK).text,
    "stream_chat": lambda llm: list(llm.stream_chat(MESSAGES))[-1].message.content,
    "stream_complete": lambda llm: list(llm.stream_complete(ASK))[-1].text,
    "astream_chat": lambda llm: (
        asyncio.run(collect_awaited(llm.astream_chat(MESSAGES)))[-1].message.content
    ),
}
STRUCTURED: dict[str, Callable[[World[Any]], object]] = {
    "json_schema": lambda world: (
        langchain(world).with_structured_output(Person, method="json_schema").invoke(ASK)
    ),
    "function_calling": lambda world: (
        langchain(world).with_structured_output(Person, method="function_calling").invoke(ASK)
    ),
    "json_mode": lambda world: (
        langchain(world).with_structured_output(Person, method="json_mode").invoke(ASK)
    ),
    "streamed": lambda world: list(langchain(world).with_structured_output(Person).stream(ASK))[-1],
    "structured_predict": lambda world: llamaindex(world).structured_predict(
        Person, PromptTemplate(ASK)
    ),
    "stream_structured_predict": lambda world: list(
        llamaindex(world).stream_structured_predict(Person, PromptTemplate(ASK))
    )[-1],
}


def a_world() -> World[Any]:
    return World([SimModel("acme/a:free"), SimModel("acme/b:free", context=65_536)])


def test_every_way_of_asking_shares_one_answer_in_each_framework() -> None:
    """LlamaIndex promises a context window, so its requests are others than LangChain's."""
    world = a_world()
    texts = {str(ask(langchain(world))) for ask in LANGCHAIN.values()}
    assert (len(texts), len(world.asked)) == (1, 1)
    texts = {str(ask(llamaindex(world))) for ask in LLAMAINDEX.values()}
    assert (len(texts), len(world.asked)) == (1, 2)


@pytest.mark.parametrize("way", STRUCTURED)
def test_objects_are_kept(way: str) -> None:
    world = a_world()
    one, other = STRUCTURED[way](world), STRUCTURED[way](world)
    assert isinstance(one, Person)
    assert one == other
    assert len(world.asked) == 1


def test_what_is_told_and_fresh_on_langchain() -> None:
    world = a_world()
    llm = langchain(world)
    first, again, fresh = llm.invoke(ASK), llm.invoke(ASK), llm.invoke(ASK, fresh=True)
    assert "cached" not in first.response_metadata
    told = again.response_metadata
    assert told["cached"]["model"] == "acme/a:free"
    assert (told["cost"], told["attempts"]) == (0.0, [])
    assert again.usage_metadata == first.usage_metadata
    assert "cached" not in fresh.response_metadata
    assert len(world.asked) == 2
    whole = merged(llm.stream(ASK))
    assert whole.response_metadata["cached"]
    assert whole.usage_metadata == first.usage_metadata


def test_what_is_told_and_fresh_on_llamaindex() -> None:
    world = a_world()
    llm = llamaindex(world)
    first, again = llm.chat(MESSAGES), llm.chat(MESSAGES)
    assert "cached" not in first.raw["freerouter"]  # type: ignore[index]  # `raw` is a dict of ours
    assert again.raw["freerouter"]["cached"]["age"] >= 0  # type: ignore[index]
    llm.chat(MESSAGES, fresh=True)
    llm.complete(ASK, fresh=True)
    assert len(world.asked) == 3


def test_langchains_own_cache_works_beside_it() -> None:
    world = a_world()
    llm = langchain_model(world, answer_cache="memory", cache=InMemoryCache())
    for _ in range(3):
        llm.invoke(ASK)
        list(llm.stream(ASK))
    assert len(world.asked) == 1


def test_agents_asked_twice_cost_once() -> None:
    world = a_world()
    for _ in range(2):
        agent = create_agent(langchain(world), [langchain_weather])
        agent.invoke({"messages": [HumanMessage("Weather in Paris?")]})
    once = len(world.asked)
    assert once == 2  # a call, and the answer to its result

    async def ask() -> str:
        agent = FunctionAgent(tools=[llamaindex_weather], llm=llamaindex(world))
        return str(await agent.run("Weather in Paris?"))

    assert asyncio.run(ask()) == asyncio.run(ask())
    assert len(world.asked) == once + 2


def test_a_query_engine_asked_twice_costs_once() -> None:
    world = a_world()
    documents = [Document(text="The bridge opened in 1998."), Document(text="It is long.")]
    engine = SummaryIndex.from_documents(documents).as_query_engine(llm=llamaindex(world))
    answers = {str(engine.query("When was the bridge opened?")) for _ in range(2)}
    assert len(answers) == 1
    assert len(world.asked) == 1


def test_the_option_survives_being_written() -> None:
    for value, written in ((False, False), (True, True), ("memory", {"store": "memory"})):
        llm = ChatFreeRouter(answer_cache=value)
        assert json.loads(dumps(llm))["kwargs"].get("answer_cache", False) == written
        loaded = ChatFreeRouter(**json.loads(dumps(llm))["kwargs"])
        assert loaded.answer_cache == llm.answer_cache
        model = FreeRouter(answer_cache=value)
        assert json.loads(model.to_json())["answer_cache"] == written
        assert FreeRouter.from_dict(model.to_dict()).answer_cache == llm.answer_cache
    assert ChatFreeRouter(answer_cache="memory")._router.config.answer_cache == AnswerCache(
        store="memory"
    )
    secret = ChatFreeRouter(answer_cache="redis://:hunter22@host/0")
    assert "hunter22" not in dumps(secret) + repr(secret) + str(secret._identifying_params)
