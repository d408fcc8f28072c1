"""`ChatFreeRouter` in agents, graphs and middlewares. In most of them, models fail."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolRetryMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import ModelRateLimitError
from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel

from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

from ..frameworks import Person, langchain_model, langchain_weather
from ..storms import langchain_storm


class Weather(BaseModel):
    """What the weather is."""

    city: str
    degrees: int


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def graph_of(llm: ChatFreeRouter, **compiled: Any) -> Any:
    bound = llm.bind_tools([langchain_weather, add])

    def ask(state: State) -> dict[str, Any]:
        return {"messages": [bound.invoke(state["messages"])]}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("tools", ToolNode([langchain_weather, add]))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", tools_condition, {"tools": "tools", END: END})
    graph.add_edge("tools", "ask")
    return graph.compile(**compiled)


def test_a_graph_keeps_its_memory_while_models_fail() -> None:
    with langchain_storm() as world:
        graph = graph_of(langchain_model(world), checkpointer=InMemorySaver())
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        for question in ("What is get_weather in Oslo?", "And add 2 and 3?"):
            state = graph.invoke({"messages": [HumanMessage(question)]}, thread)

        results = [str(m.content) for m in state["messages"] if isinstance(m, ToolMessage)]
        assert results == ["Oslo: sunny", "5"]
        assert not any(seen.problem for seen in world.requests)


def test_a_graph_streams_tokens() -> None:
    async def tokens() -> list[str]:
        stream = graph.astream({"messages": [HumanMessage("hello")]}, stream_mode="messages")
        return [str(message.content) async for message, _ in stream]

    with World([SimModel("a/m:free", script=["empty"]), SimModel("b/m:free")]) as world:
        graph = graph_of(langchain_model(world))
        texts = asyncio.run(tokens())

        assert len(texts) > 3
        assert "b/m:free" in "".join(texts)


@pytest.mark.parametrize(
    "response_format", [None, Person, ToolStrategy(Person), ProviderStrategy(Person)]
)
def test_an_agent_calls_tools_and_gives_objects(response_format: Any) -> None:
    with World(
        [SimModel("a/m:free", script=["empty", "429-upstream"]), SimModel("b/m:free")]
    ) as world:
        agent = create_agent(
            langchain_model(world), [langchain_weather], response_format=response_format
        )
        state = agent.invoke(
            {"messages": [HumanMessage("Use get_weather in Lisbon, for Anna who is 33")]}
        )

        assert any(
            isinstance(m, ToolMessage) and "sunny" in str(m.content) for m in state["messages"]
        )
        if response_format is not None:
            assert state["structured_response"].age == 33


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_an_agent_gives_objects_in_both_output_versions(version: str) -> None:
    with langchain_storm() as world:
        llm = langchain_model(world, output_version=version)
        agent = create_agent(llm, [langchain_weather], response_format=ToolStrategy(Weather))
        state = agent.invoke(
            {"messages": [HumanMessage("use get_weather in Lima, it is 21 degrees")]}
        )

        assert state["structured_response"].degrees == 21


def test_an_agent_streams_alike_with_and_without_async() -> None:
    with langchain_storm() as world:
        agent = create_agent(langchain_model(world), [langchain_weather])
        question = HumanMessage("get_weather in Lima")

        def messages() -> list[AnyMessage]:
            stream = agent.stream({"messages": [question]}, stream_mode="messages", version="v2")
            return [part["data"][0] for part in stream if part["type"] == "messages"]

        async def amessages() -> list[AnyMessage]:
            stream = agent.astream({"messages": [question]}, stream_mode="messages", version="v2")
            return [part["data"][0] async for part in stream if part["type"] == "messages"]

        for chunks in (messages(), asyncio.run(amessages())):
            assert any(getattr(chunk, "tool_call_chunks", None) for chunk in chunks)
            assert any("sunny" in str(chunk.content) for chunk in chunks)


def test_an_agent_emits_events_of_the_model_and_the_tool() -> None:
    async def run() -> set[str]:
        stream = agent.astream_events(
            {"messages": [HumanMessage("get_weather in Lima")]}, version="v2"
        )
        return {event["event"] async for event in stream}

    with langchain_storm() as world:
        agent = create_agent(langchain_model(world), [langchain_weather])

        assert {"on_chat_model_stream", "on_tool_end", "on_chat_model_end"} <= asyncio.run(run())


def test_the_retry_middleware_retries_only_retryable_errors() -> None:
    for script, tries in (["502"], 3), (["401"], 1):
        with World([SimModel("a/m:free", script=script * 9)]) as world:
            llm = langchain_model(world, max_retries=0)
            again = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, on_failure="error")
            with pytest.raises(Exception, match="a/m:free"):
                create_agent(llm, [], middleware=[again]).invoke({"messages": [HumanMessage("hi")]})

            assert len(world.requests) == tries


def test_the_fallback_middleware_takes_over_from_an_exhausted_router() -> None:
    with World([SimModel("a/m:free", script=["502"] * 99), SimModel("b/m:free")]) as world:
        only = [
            ChatFreeRouter(router=world.router(model=name, fallback_models=(), max_retries=0))
            for name in ("a/m:free", "b/m:free")
        ]
        agent = create_agent(
            only[0], [langchain_weather], middleware=[ModelFallbackMiddleware(only[1])]
        )
        state = agent.invoke({"messages": [HumanMessage("get_weather in Rome")]})

        assert "sunny" in str(state["messages"][-1].content)


def test_the_summarization_middleware_trusts_our_token_counts() -> None:
    """The middleware believes usage only if `model_provider` is the model's `ls_provider`."""
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        short = SummarizationMiddleware(model=llm, trigger=("tokens", 50), keep=("messages", 2))
        agent = create_agent(llm, [], middleware=[short], checkpointer=InMemorySaver())
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        for n in range(6):
            state = agent.invoke(
                {"messages": [HumanMessage(f"message {n} " + "word " * 30)]}, thread
            )

        assert "summary" in str(state["messages"][0].content).lower()
        assert len(state["messages"]) < 12


def test_the_summarization_middleware_reads_the_window_in_the_profile() -> None:
    """`("fraction", …)` needs `profile["max_input_tokens"]`."""
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        agent = create_agent(
            llm, [], middleware=[SummarizationMiddleware(model=llm, trigger=("fraction", 0.8))]
        )

        assert agent.invoke({"messages": [HumanMessage("hi")]})["messages"][-1].content


def test_the_tool_selector_middleware_selects_by_structured_output() -> None:
    with langchain_storm() as world:
        llm = langchain_model(world)
        agent = create_agent(
            llm,
            [langchain_weather, add],
            middleware=[LLMToolSelectorMiddleware(model=llm, max_tools=1), ToolRetryMiddleware()],
        )

        assert agent.invoke({"messages": [HumanMessage("use get_weather in Lima")]})["messages"][
            -1
        ].content


def test_models_with_fallbacks_or_retries_bind_tools_and_schemas() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        both = llm.with_fallbacks([langchain_model(world)])

        assert both.bind_tools([langchain_weather]).invoke("get_weather in Paris").tool_calls
        assert both.with_structured_output(Person).invoke("Anna is 33").age == 33
        assert llm.with_retry(stop_after_attempt=2).invoke("x").content


def test_retries_and_fallbacks_act_on_our_errors() -> None:
    with World([SimModel("a/m:free", script=["429-upstream", "429-upstream"])]) as world:
        llm = langchain_model(world, max_retries=0, timeout=5.0)
        stubborn = llm.with_retry(
            retry_if_exception_type=(ModelRateLimitError,),
            stop_after_attempt=3,
            wait_exponential_jitter=False,
        )

        assert stubborn.invoke("x").content
    with (
        World([SimModel("a/m:free", script=["502"] * 9)]) as broken,
        World([SimModel("b/m:free")]) as sound,
    ):
        both = langchain_model(broken, max_retries=0).with_fallbacks([langchain_model(sound)])
        chain = ChatPromptTemplate.from_messages([("human", "{q}")]) | both

        assert "b/m:free" in "".join(str(c.content) for c in chain.stream({"q": "hello"}))
