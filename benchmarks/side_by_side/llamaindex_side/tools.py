"""Tool calls, agents and structured output."""

from __future__ import annotations

import asyncio
from typing import Any

from behaviours import Package, mistral_ids, quick, staged
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock

from .fixtures import HELLO, MULTIPLY, PROMPT, WEATHER, Person, shows

# -- tools ----------------------------------------------------------------------------------------


@shows("several tool calls, whole and streamed")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        tools, prompt = [WEATHER, MULTIPLY], "get_weather in Rome, and multiply 3 by 4"
        whole = llm.chat_with_tools(tools, prompt, allow_parallel_tool_calls=True)
        stream = llm.stream_chat_with_tools(tools, prompt, allow_parallel_tool_calls=True)
        for response in (whole, list(stream)[-1]):
            calls = {c.tool_name: c.tool_kwargs for c in llm.get_tool_calls_from_response(response)}
            assert calls == {"get_weather": {"city": "Rome"}, "multiply": {"a": 3, "b": 4}}


@shows("FunctionAgent streams text and thoughts")
def _(package: Package) -> None:
    async def run(llm: Any) -> tuple[str, list[Any]]:
        handler = FunctionAgent(tools=[WEATHER], llm=llm).run("get_weather in Paris")
        events = [
            event async for event in handler.stream_events() if isinstance(event, AgentStream)
        ]
        return str(await handler), events

    with staged(package, quick(reasoning=True)) as stage:
        answer, events = asyncio.run(run(stage.llm()))
        assert "sunny" in answer
        assert "".join(event.thinking_delta or "" for event in events)


@shows("ReActAgent")
def _(package: Package) -> None:
    says = iter(
        [
            'Thought: I look.\nAction: get_weather\nAction Input: {"city": "Paris"}',
            "Thought: I know.\nAnswer: sunny",
        ]
    )

    async def run(llm: Any) -> str:
        return str(await ReActAgent(tools=[WEATHER], llm=llm).run("Weather in Paris?"))

    with staged(package, quick(says=lambda _: next(says))) as stage:
        assert asyncio.run(run(stage.llm())) == "sunny"


@shows("tool-call ids as Mistral demands them")
def _(package: Package) -> None:
    calls = ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[
            ToolCallBlock(
                tool_call_id="call_0123456789",
                tool_name="get_weather",
                tool_kwargs={"city": "Rome"},
            )
        ],
    )
    result = ChatMessage(
        role=MessageRole.TOOL,
        content="sunny",
        additional_kwargs={"tool_call_id": "call_0123456789"},
    )
    with staged(package, quick("mistralai/devstral:free", objects=mistral_ids)) as stage:
        stage.llm("mistralai/devstral:free").chat([*HELLO, calls, result])


# -- structured output ----------------------------------------------------------------------------


@shows("structured_predict, its async twin and streams")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        people = [
            llm.structured_predict(Person, PROMPT, who="Anna"),
            asyncio.run(llm.astructured_predict(Person, PROMPT, who="Anna")),
            list(llm.stream_structured_predict(Person, PROMPT, who="Anna"))[-1],
        ]
        assert [person.age for person in people] == [33, 33, 33]


@shows("… with the system prompt in each")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm(system_prompt="Be brief.")
        llm.structured_predict(Person, PROMPT, who="Anna")
        asyncio.run(llm.astructured_predict(Person, PROMPT, who="Anna"))
        assert all("Be brief." in str(body["messages"][0]["content"]) for body in stage.bodies)


@shows("JSON that came fenced, or after `<think>`, from a model without tools")
def _(package: Package) -> None:
    answer = '<think>easy</think>Here:\n```json\n{"name": "Anna", "age": 33}\n```'
    plain = quick(tools=False, structured=False, json_object=False, says=lambda _: answer)
    with staged(package, plain) as stage:
        assert stage.llm().structured_predict(Person, PROMPT, who="Anna").age == 33


@shows("the caller's `llm_kwargs` are not changed")
def _(package: Package) -> None:
    with staged(package) as stage:
        kwargs = {"tool_choice": "auto"}
        stage.llm().structured_predict(Person, PROMPT, llm_kwargs=kwargs, who="Anna")
        assert kwargs == {"tool_choice": "auto"}
