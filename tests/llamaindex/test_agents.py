"""`FreeRouter` in LlamaIndex's agents and workflows. In most of them, models fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
)

from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter

from ..frameworks import Person, llamaindex_model, llamaindex_weather
from ..storms import llamaindex_storm


async def ran(agent: Any, question: str, **options: Any) -> tuple[Any, list[Any]]:
    handler = agent.run(question, **options)
    events = [event async for event in handler.stream_events()]
    return await handler, events


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("kind", [FunctionAgent, AgentWorkflow])
def test_an_agent_calls_tools_streamed_or_not(kind: Any, streaming: bool) -> None:
    async def run(llm: FreeRouter) -> str:
        agent = FunctionAgent(tools=[llamaindex_weather], llm=llm, streaming=streaming)
        workflow = AgentWorkflow(agents=[agent]) if kind is AgentWorkflow else agent
        return str(await workflow.run("What is the weather in Paris?"))

    with World(
        [SimModel("a/m:free", script=["empty", "429-upstream"]), SimModel("b/m:free")]
    ) as world:
        assert "Paris: sunny" in asyncio.run(run(llamaindex_model(world)))
        assert not any(seen.problem for seen in world.requests)


def test_an_agent_streams_thoughts_and_sends_them_back() -> None:
    async def run() -> tuple[Any, list[Any]]:
        agent = FunctionAgent(tools=[llamaindex_weather], llm=llm)
        return await ran(agent, "get_weather in Paris")

    with World([SimModel("a/m:free", reasoning=True)]) as world:
        llm = llamaindex_model(world)
        answer, events = asyncio.run(run())
        streamed = [event for event in events if isinstance(event, AgentStream)]

        assert "Paris: sunny" in str(answer)
        assert "".join(event.thinking_delta or "" for event in streamed)
        assert all(isinstance(event.delta, str) for event in streamed)
        replayed = [m for m in world.requests[-1].body["messages"] if m.get("reasoning_details")]
        assert replayed, "the same model gets its own thoughts back"


def test_agents_hand_over_and_answer_with_an_object() -> None:
    async def run() -> Any:
        first = FunctionAgent(
            name="first",
            description="asks",
            tools=[llamaindex_weather],
            llm=llm,
            can_handoff_to=["second"],
        )
        second = FunctionAgent(
            name="second", description="knows", tools=[llamaindex_weather], llm=llm
        )
        workflow = AgentWorkflow(agents=[first, second], root_agent="first", output_cls=Person)
        return (await ran(workflow, "get_weather in Paris for Anna, 33"))[0]

    with llamaindex_storm() as world:
        llm = llamaindex_model(world)
        answer = asyncio.run(run())

        assert answer.structured_response["age"] == 33
        assert not any(seen.problem for seen in world.requests)


def test_an_agent_that_stops_early_may_end_with_a_system_message() -> None:
    """`early_stopping_method="generate"` appends a system message, which this model rejects."""

    def objects(body: dict[str, Any]) -> str | None:
        later = any(m["role"] == "system" for m in body["messages"][1:])
        return "System message must be at the beginning." if later else None

    async def run() -> Any:
        agent = FunctionAgent(
            tools=[llamaindex_weather],
            llm=llm,
            system_prompt="Be brief.",
            early_stopping_method="generate",
        )
        return (await ran(agent, "get_weather in Paris", max_iterations=1))[0]

    with World([SimModel("a/m:free", objects=objects)]) as world:
        llm = llamaindex_model(world)

        assert str(asyncio.run(run())).strip()


def test_a_react_agent_answers() -> None:
    says = iter(
        [
            'Thought: I need it.\nAction: get_weather\nAction Input: {"city": "Paris"}\n',
            "Thought: I can answer.\nAnswer: sunny",
        ]
    )

    async def run(llm: FreeRouter) -> str:
        return str(await ReActAgent(tools=[llamaindex_weather], llm=llm).run("Weather in Paris?"))

    with World([SimModel("a/m:free", says=lambda body: next(says))]) as world:
        assert asyncio.run(run(llamaindex_model(world))) == "sunny"


def test_a_react_agent_needs_no_model_with_tools() -> None:
    """Models without tools of their own, in an agent that needs none."""
    says = iter(
        [
            'Thought: I look.\nAction: get_weather\nAction Input: {"city": "Paris"}',
            "Thought: I know.\nAnswer: sunny",
        ]
    )

    async def run() -> Any:
        return (await ran(ReActAgent(tools=[llamaindex_weather], llm=llm), "Weather in Paris?"))[0]

    with World([SimModel("a/m:free", tools=False, says=lambda _: next(says))]) as world:
        llm = llamaindex_model(world, is_function_calling_model=False)

        assert "sunny" in str(asyncio.run(run()))
        assert not any("tools" in seen.body for seen in world.requests)


def test_an_agent_writes_and_runs_code() -> None:
    says = iter(["I compute it.\n<execute>\nprint(40 + 2)\n</execute>", "The answer is 42."])

    def run_code(code: str) -> str:
        assert code.strip() == "print(40 + 2)"
        return "42"

    async def run() -> Any:
        agent = CodeActAgent(code_execute_fn=run_code, tools=[], llm=llm)
        return (await ran(agent, "What is 40 + 2?"))[0]

    with World(
        [SimModel("a/m:free", script=["empty", None, "mid-stream-error"]), SimModel("b/m:free")]
    ) as world:
        for model in world.models.values():
            model.says = lambda _: next(says)
        world.models["a/m:free"].script = ["empty"]
        llm = llamaindex_model(world)

        assert "42" in str(asyncio.run(run()))
