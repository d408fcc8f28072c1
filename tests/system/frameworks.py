"""Runs agents of other frameworks over `router.openai_client()`: a program for an environment of
its own. Each line that it prints is a framework and its answer."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from freerouter_core import Router
from freerouter_core.simulator import SimModel, World


def router() -> Router:
    """Its first model fails, its second answers."""
    busy = SimModel("acme/busy:free", script=["429-retry-after", "502"])
    models = [busy, SimModel("acme/good:free", says=lambda _: "It is blue.")]
    return World(models).router(model="acme/busy:free")


def openai_agents() -> str:
    import agents

    agents.set_tracing_disabled(disabled=True)
    agents.set_default_openai_client(router().async_openai_client(), use_for_tracing=False)
    agent = agents.Agent(name="A", model="auto")
    chat = agents.OpenAIChatCompletionsModel("auto", router().async_openai_client())
    other = agents.Runner.run_sync(agents.Agent(name="B", model=chat), "Why?").final_output

    async def streamed() -> str:
        result = agents.Runner.run_streamed(agent, "Why?")
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    answers = {str(agents.Runner.run_sync(agent, "Why?").final_output), other}
    return " ".join(answers | {asyncio.run(streamed())})


def pydantic_ai() -> str:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=router().async_openai_client())
    kinds = (OpenAIChatModel, OpenAIResponsesModel)
    answers = {Agent(kind("auto", provider=provider)).run_sync("Why?").output for kind in kinds}
    return " ".join(answers)


def instructor() -> str:
    import instructor
    from pydantic import BaseModel

    class Sky(BaseModel):
        colour: str

    client = instructor.from_openai(World([SimModel("acme/a:free")]).router().openai_client())
    question = [{"role": "user", "content": "Which colour is the sky?"}]
    sky = client.chat.completions.create(model="auto", response_model=Sky, messages=question)
    return "It is blue." if sky.colour else ""


def autogen() -> str:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_ext.models.openai import BaseOpenAIChatCompletionClient

    async def ask() -> str:
        client = BaseOpenAIChatCompletionClient(
            router().async_openai_client(),
            create_args={"model": "auto"},
            model_info={
                "vision": False,
                "function_calling": True,
                "json_output": True,
                "structured_output": True,
                "family": "unknown",
            },
        )
        result = await AssistantAgent("A", model_client=client).run(task="Why?")
        return str(result.messages[-1].content)

    return asyncio.run(ask())


def smolagents() -> str:
    from smolagents import OpenAIServerModel

    model = OpenAIServerModel("auto", api_key="any")
    model.client = router().openai_client()
    return str(model([{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]).content)


def haystack() -> str:
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.utils import Secret

    generator = OpenAIChatGenerator(model="auto", api_key=Secret.from_token("any"))
    generator.client = router().openai_client()
    return str(generator.run([ChatMessage.from_user("Why?")])["replies"][0].text)


def dspy() -> str:
    import dspy

    client = router().openai_client()

    class FreeLM(dspy.BaseLM):  # type: ignore[misc]  # not installed where types are checked
        def forward(self, prompt: Any = None, messages: Any = None, **_: Any) -> Any:
            messages = messages or [{"role": "user", "content": prompt}]
            return client.chat.completions.create(model="auto", messages=messages)

    return str(FreeLM("auto")("Why?")[0])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, globals()[name]())  # noqa: T201
