"""Streams of `ChatFreeRouter`: chunks that merge, and what callbacks and events see of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.tools import tool
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from freerouter_core.simulator import SimModel, World, calm_models

from ..frameworks import langchain_model, merged


def test_names_costs_and_usage_stand_on_one_chunk_only() -> None:
    with World([SimModel("a/m:free", reasoning=True)]) as world:
        chunks = list(langchain_model(world).stream("x"))
    named = [chunk for chunk in chunks if "model_name" in chunk.response_metadata]
    counted = [chunk for chunk in chunks if chunk.usage_metadata]
    full = merged(chunks)

    assert len(named) == len(counted) == 1
    assert full.response_metadata["model_name"] == "a/m:free"
    assert full.response_metadata["model_provider"] == "freerouter"
    assert full.response_metadata["finish_reason"] == "stop"
    assert full.response_metadata["cost"] == 0
    assert full.additional_kwargs["reasoning_content"].startswith("The user")
    assert [block["type"] for block in full.content_blocks] == ["reasoning", "text"]


def test_a_stream_merges_to_what_invoke_returns() -> None:
    with World(calm_models()) as world:
        llm = langchain_model(world)
        whole, full = llm.invoke("x"), merged(llm.stream("x"))

        assert set(whole.response_metadata) == set(full.response_metadata)
        assert whole.content == full.content
        assert whole.usage_metadata == full.usage_metadata
        assert merged(llm.stream("x", stream_usage=False)).usage_metadata is None


def test_callbacks_see_the_tokens_and_the_usage_of_the_model_that_answered() -> None:
    class Tokens(BaseCallbackHandler):
        def __init__(self) -> None:
            self.text = ""

        def on_llm_new_token(self, token: str | list[str | dict[str, Any]], **_: Any) -> None:
            self.text += str(token)

    with World(
        [SimModel("a/m:free", context=900_000, script=["empty"]), SimModel("b/m:free")]
    ) as world:
        tokens, usage = Tokens(), UsageMetadataCallbackHandler()
        llm = langchain_model(world, streaming=True)
        message = llm.invoke("x", {"callbacks": [tokens, usage]})

        assert tokens.text == message.content
        assert set(usage.usage_metadata) == {"b/m:free"}


def test_events_of_version_2_end_with_the_models_end() -> None:
    async def kinds() -> list[str]:
        return [event["event"] async for event in llm.astream_events("x", version="v2")]

    with World(calm_models()) as world:
        llm = langchain_model(world)

        assert asyncio.run(kinds())[-1] == "on_chat_model_end"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.filterwarnings("ignore:The method .* is in beta")
@pytest.mark.parametrize("reasoning", [True, False])
def test_events_of_version_3_form_a_valid_stream(reasoning: bool) -> None:
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
