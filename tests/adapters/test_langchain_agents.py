"""ChatFreeRouter where LangChain's users put it: agents, graphs, middlewares, events; models fail beneath in most of them."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
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
from langchain.agents.structured_output import ToolStrategy
from langchain_core.exceptions import ModelPermissionDeniedError, ModelRateLimitError
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel

from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

from ..conftest import Serve
from ..frameworks import langchain_model, langchain_weather


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


def storm() -> World:
    """Two models that fail in turn and one that is well."""
    failing = ["empty", "429-upstream", "mid-stream-error", "error-in-200", "truncated-tool"]
    return World(
        [
            SimModel("a/m:free", script=failing),
            SimModel("b/m:free", script=["502", "hang"]),
            SimModel("c/m:free"),
        ]
    )


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


def test_a_graph_with_memory_while_models_fail() -> None:
    with storm() as world:
        graph = graph_of(langchain_model(world), checkpointer=InMemorySaver())
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        for question in ("What is get_weather in Oslo?", "And add 2 and 3?"):
            state = graph.invoke({"messages": [HumanMessage(question)]}, thread)

        results = [str(m.content) for m in state["messages"] if isinstance(m, ToolMessage)]
        assert results == ["Oslo: sunny", "5"]
        assert not any(seen.problem for seen in world.requests)


def test_a_graph_streams_its_tokens() -> None:
    async def tokens() -> list[str]:
        stream = graph.astream({"messages": [HumanMessage("hello")]}, stream_mode="messages")
        return [str(message.content) async for message, _ in stream]

    with World([SimModel("a/m:free", script=["empty"]), SimModel("b/m:free")]) as world:
        graph = graph_of(langchain_model(world))
        said = asyncio.run(tokens())

        assert len(said) > 3
        assert "b/m:free" in "".join(said)


def test_agents_in_both_worlds_stream_alike() -> None:
    with storm() as world:
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


def test_agents_events() -> None:
    async def run() -> set[str]:
        stream = agent.astream_events(
            {"messages": [HumanMessage("get_weather in Lima")]}, version="v2"
        )
        return {event["event"] async for event in stream}

    with storm() as world:
        agent = create_agent(langchain_model(world), [langchain_weather])

        assert {"on_chat_model_stream", "on_tool_end", "on_chat_model_end"} <= asyncio.run(run())


@pytest.mark.filterwarnings("ignore:The method .* is in beta")
@pytest.mark.parametrize("reasoning", [True, False])
def test_events_v3_have_a_lawful_life(reasoning: bool) -> None:
    async def run() -> list[Any]:
        return [event async for event in await llm.astream_events("hello", version="v3")]

    with World(
        [SimModel("a/m:free", script=["empty"]), SimModel("b/m:free", reasoning=reasoning)]
    ) as world:
        llm = langchain_model(world)
        for events in (list(llm.stream_events("hello", version="v3")), asyncio.run(run())):
            assert_valid_event_stream(events)
        for events in (list(llm.bind_tools([add]).stream_events("add 2 and 3", version="v3")),):
            assert_valid_event_stream(events)


# -- middlewares -----------------------------------------------------------------------------------------------------


def test_retry_retries_only_what_may_pass() -> None:
    for script, tries in (["502"], 3), (["401"], 1):
        with World([SimModel("a/m:free", script=script * 9)]) as world:
            llm = langchain_model(world, max_retries=0)
            again = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, on_failure="error")
            with pytest.raises(Exception, match="a/m:free"):
                create_agent(llm, [], middleware=[again]).invoke({"messages": [HumanMessage("hi")]})

            assert len(world.requests) == tries


def test_fallback_takes_over_from_an_exhausted_router() -> None:
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


def test_summaries_trust_our_counts() -> None:
    """The middleware believes reported usage only where `model_provider` is the model's own `ls_provider`."""
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


def test_summaries_by_a_share_of_the_window() -> None:
    """`("fraction", …)` needs `profile["max_input_tokens"]`."""
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        agent = create_agent(
            llm, [], middleware=[SummarizationMiddleware(model=llm, trigger=("fraction", 0.8))]
        )

        assert agent.invoke({"messages": [HumanMessage("hi")]})["messages"][-1].content


def test_tools_are_selected_by_structured_output() -> None:
    with storm() as world:
        llm = langchain_model(world)
        agent = create_agent(
            llm,
            [langchain_weather, add],
            middleware=[LLMToolSelectorMiddleware(model=llm, max_tools=1), ToolRetryMiddleware()],
        )

        assert agent.invoke({"messages": [HumanMessage("use get_weather in Lima")]})["messages"][
            -1
        ].content


def test_with_retry_and_fallbacks_by_our_errors() -> None:
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


# -- what comes back -------------------------------------------------------------------------------------------------


def test_a_refusal_is_one_error_and_a_block() -> None:
    script = ["403-moderation"] * 9
    with World([SimModel("a/m:free", script=script), SimModel("b/m:free", script=script)]) as world:
        with pytest.raises(ModelPermissionDeniedError) as caught:
            langchain_model(world).invoke("x")

        assert caught.value.is_retryable is False
    message = AIMessage(
        "", additional_kwargs={"refusal": "no"}, response_metadata={"model_provider": "freerouter"}
    )
    [block] = message.content_blocks
    # Since langchain-core 1.7.5 a refusal is a block of its own; before, it was a non-standard one.
    refusal = block["value"] if block["type"] == "non_standard" else block
    assert dict(refusal)["refusal"] == "no"


def test_sources_become_citations() -> None:
    source = {
        "type": "url_citation",
        "url_citation": {
            "url": "https://a.example",
            "title": "A",
            "start_index": 0,
            "end_index": 3,
            "content": "so",
        },
    }
    file = {"type": "file", "file": {"hash": "h"}}
    message = AIMessage(
        "text",
        additional_kwargs={"annotations": [source, file]},
        response_metadata={"model_provider": "freerouter"},
    )
    [block] = message.content_blocks
    assert block["type"] == "text"

    assert block["annotations"][0] == {
        "type": "citation",
        "url": "https://a.example",
        "title": "A",
        "start_index": 0,
        "end_index": 3,
        "cited_text": "so",
    }
    assert block["annotations"][1] == {"type": "non_standard_annotation", "value": file}


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_structured_agents_with_both_output_versions(version: str) -> None:
    with storm() as world:
        llm = langchain_model(world, output_version=version)
        agent = create_agent(llm, [langchain_weather], response_format=ToolStrategy(Weather))
        state = agent.invoke(
            {"messages": [HumanMessage("use get_weather in Lima, it is 21 degrees")]}
        )

        assert state["structured_response"].degrees == 21


# -- where it runs ---------------------------------------------------------------------------------------------------


def test_loops_threads_and_a_running_loop() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)

        async def inside() -> str:
            return str(llm.invoke("inside a running loop").content) + str(
                (await llm.ainvoke("x")).content
            )

        assert all("a/m:free" in asyncio.run(inside()) for _ in range(3))
        with ThreadPoolExecutor(8) as pool:
            assert all(m.content for m in pool.map(llm.invoke, ["x"] * 24))
        assert len(llm.batch(["x"] * 8)) == 8
        assert len(asyncio.run(llm.abatch(["x"] * 8))) == 8


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork(serve: Serve) -> None:
    llm = ChatFreeRouter(
        base_url=serve(World([SimModel("a/m:free", first_token=0.0)], clock="real")), api_key="sk-x"
    )
    assert llm.invoke("before").content
    child = os.fork()
    if child == 0:
        os._exit(0 if llm.invoke("in the child").content else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert llm.invoke("after").content
