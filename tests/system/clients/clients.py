"""Runs the Python clients against the service at the given address. Prints one JSON line a case.

They have an environment of their own: some of them cannot be installed beside the project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from agents import Agent, Runner, function_tool, set_default_openai_client, set_tracing_disabled
from langchain_openrouter import ChatOpenRouter
from openai import AsyncOpenAI
from openrouter import OpenRouter
from pydantic import BaseModel
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider

ADDRESS, BROKEN = sys.argv[1:]
MESSAGES: Any = [{"role": "user", "content": "hi"}]


class City(BaseModel):
    """A city."""

    name: str


def look(place: str) -> str:
    """Look somewhere."""
    return f"a door at {place}"


async def run(name: str, work: Callable[[], Awaitable[Any]]) -> None:
    try:
        result = await work()
    except Exception as error:
        result = f"{type(error).__name__}: {str(error)[:300]}"
    print(json.dumps([name, result]), flush=True)  # noqa: T201


def client(base: str, path: str = "/v1") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=base + path, api_key="any", max_retries=0)


async def openai() -> None:
    sdk, lost = client(ADDRESS), client(BROKEN)

    async def chat() -> Any:
        async with sdk.chat.completions.stream(model="auto", messages=MESSAGES) as stream:
            return (await stream.get_final_completion()).choices[0].message.content

    async def chat_structured() -> Any:
        about: Any = [{"role": "user", "content": "About Lisbon"}]
        parsed = await sdk.chat.completions.parse(
            model="auto", messages=about, response_format=City
        )
        return parsed.choices[0].message.parsed.name

    async def responses() -> Any:
        async with sdk.responses.stream(model="auto", input="hi") as stream:
            return (await stream.get_final_response()).output_text

    async def responses_structured() -> Any:
        parsed = await sdk.responses.parse(model="auto", input="About Lisbon", text_format=City)
        return parsed.output_parsed.name

    async def tools() -> Any:
        tool: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}}
        answer = await sdk.responses.create(model="auto", input="look around", tools=[tool])
        while calls := [item for item in answer.output if item.type == "function_call"]:
            outputs: Any = [
                {
                    "type": "function_call_output",
                    "call_id": call.call_id,
                    "output": look(**json.loads(call.arguments)),
                }
                for call in calls
            ]
            answer = await sdk.responses.create(
                model="auto", input=outputs, tools=[tool], previous_response_id=answer.id
            )
        return answer.output_text

    async def error() -> Any:
        stream = await lost.chat.completions.create(model="auto", messages=MESSAGES, stream=True)
        return [chunk.choices async for chunk in stream]

    await run("openai chat", chat)
    await run("openai chat structured", chat_structured)
    await run("openai responses", responses)
    await run("openai responses structured", responses_structured)
    await run("openai responses tools", tools)
    await run("openai error", error)


async def openai_agents() -> None:
    set_tracing_disabled(True)
    set_default_openai_client(client(ADDRESS), use_for_tracing=False)
    agent = Agent(name="Guide", instructions="Be brief.", tools=[function_tool(look)])
    city = Agent(name="City", output_type=City)

    async def streamed() -> Any:
        result = Runner.run_streamed(agent, "look around")
        async for _ in result.stream_events():
            pass
        return result.final_output

    async def structured() -> Any:
        return (await Runner.run(city, "About Lisbon")).final_output.name

    async def tools() -> Any:
        return (await Runner.run(agent, "look around")).final_output

    async def error() -> Any:
        set_default_openai_client(client(BROKEN), use_for_tracing=False)
        result = Runner.run_streamed(Agent(name="Lost"), "hi")
        async for _ in result.stream_events():
            pass

    await run("agents tools", tools)
    await run("agents stream", streamed)
    await run("agents structured", structured)
    await run("agents error", error)


async def pydantic_ai() -> None:
    openrouter = OpenRouterModel(
        "openrouter/auto", provider=OpenRouterProvider(openai_client=client(ADDRESS, "/api/v1"))
    )
    responses = OpenAIResponsesModel("auto", provider=OpenAIProvider(openai_client=client(ADDRESS)))
    for name, model in (("openrouter", openrouter), ("responses", responses)):
        agent = PydanticAgent(model, tools=[look])
        city: PydanticAgent[None, City] = PydanticAgent(model, output_type=City)

        async def tools(agent: Any = agent) -> Any:
            return (await agent.run("look around")).output

        async def streamed(agent: Any = agent) -> Any:
            async with agent.run_stream("look around") as result:
                return await result.get_output()

        async def structured(city: Any = city) -> Any:
            return (await city.run("About Lisbon")).output.name

        await run(f"pydantic-ai {name} tools", tools)
        await run(f"pydantic-ai {name} stream", streamed)
        await run(f"pydantic-ai {name} structured", structured)


async def openrouters() -> None:
    with OpenRouter(api_key="any", server_url=f"{ADDRESS}/api/v1") as sdk:

        async def chat() -> Any:
            answer = await sdk.chat.send_async(messages=MESSAGES, model="auto")
            return answer.choices[0].message.content

        async def streamed() -> Any:
            stream = await sdk.chat.send_async(messages=MESSAGES, model="auto", stream=True)
            async with stream as events:
                deltas = [e.choices[0].delta.content async for e in events if e.choices]
            return "".join(filter(None, deltas))

        async def responses() -> Any:
            answer = await sdk.beta.responses.send_async(input="hi", model="auto")
            return answer.output[-1].content[0].text

        async def account() -> Any:
            key = await sdk.api_keys.get_current_key_metadata_async()
            credit = await sdk.credits.get_credits_async()
            count = await sdk.models.count_async()
            return [key.data.label, credit.data.total_usage, count.data.count]

        async def error() -> Any:
            await sdk.chat.send_async(messages=[], model="auto")

        await run("openrouter chat", chat)
        await run("openrouter stream", streamed)
        await run("openrouter responses", responses)
        await run("openrouter account", account)
        await run("openrouter error", error)


async def chat_openrouter() -> None:
    model = ChatOpenRouter(model="auto", api_key="any", base_url=f"{ADDRESS}/api/v1")
    lost = ChatOpenRouter(model="auto", api_key="any", base_url=f"{BROKEN}/api/v1", max_retries=0)

    async def chat() -> Any:
        return (await model.ainvoke("hi")).content

    async def streamed() -> Any:
        return "".join([chunk.content async for chunk in model.astream("hi")])

    async def structured() -> Any:
        return (await model.with_structured_output(City).ainvoke("About Lisbon")).name

    async def tools() -> Any:
        return (await model.bind_tools([look]).ainvoke("look around")).tool_calls[0]["name"]

    async def error() -> Any:
        return [chunk.content async for chunk in lost.astream("hi")]

    await run("ChatOpenRouter chat", chat)
    await run("ChatOpenRouter stream", streamed)
    await run("ChatOpenRouter structured", structured)
    await run("ChatOpenRouter tools", tools)
    await run("ChatOpenRouter error", error)


async def main() -> None:
    for clients in (openai, openai_agents, pydantic_ai, openrouters, chat_openrouter):
        await clients()


asyncio.run(main())
