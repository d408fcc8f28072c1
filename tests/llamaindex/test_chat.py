"""The eight endpoints of `FreeRouter`: events, tokens, streams, windows, requests it rejects."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from llama_index.core import (
    Settings,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    TextBlock,
    ThinkingBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation import get_dispatcher

from freerouter_core import errors
from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter

from ..frameworks import collect_awaited, llamaindex_model
from ..inspection import comes_to_rest, health_of

HELLO = [ChatMessage("hello")]


def all_eight(llm: FreeRouter) -> dict[str, Any]:
    """The last response of each endpoint."""
    return {
        "chat": llm.chat(HELLO),
        "achat": asyncio.run(llm.achat(HELLO)),
        "stream_chat": list(llm.stream_chat(HELLO))[-1],
        "astream_chat": asyncio.run(collect_awaited(llm.astream_chat(HELLO)))[-1],
        "complete": llm.complete("hello"),
        "acomplete": asyncio.run(llm.acomplete("hello")),
        "stream_complete": list(llm.stream_complete("hello"))[-1],
        "astream_complete": asyncio.run(collect_awaited(llm.astream_complete("hello")))[-1],
    }


class Counting(BaseEventHandler):
    counts: Any = None

    def handle(self, event: Any, **_: Any) -> None:
        self.counts[type(event).__name__] += 1


def test_the_eight_endpoints_fire_their_events_once_and_count_tokens() -> None:
    handler, tokens = Counting(counts=Counter()), TokenCountingHandler(tokenizer=str.split)
    dispatcher = get_dispatcher("root")
    dispatcher.add_event_handler(handler)
    try:
        with World([SimModel("a/m:free")]) as world:
            answers = all_eight(llamaindex_model(world, callback_manager=CallbackManager([tokens])))
    finally:
        dispatcher.event_handlers.remove(handler)

    for name, count in (("Start", 4), ("End", 4)):
        assert handler.counts[f"LLMChat{name}Event"] == count
        assert handler.counts[f"LLMCompletion{name}Event"] == count
    used = [answer.raw["usage"] for answer in answers.values()]
    assert tokens.total_llm_token_count == sum(usage["total_tokens"] for usage in used)
    assert {answer.raw["freerouter"]["model_name"] for answer in answers.values()} == {"a/m:free"}


def test_tokens_of_streams_are_counted() -> None:
    tokens = TokenCountingHandler(tokenizer=str.split)
    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world, callback_manager=CallbackManager([tokens]))
        list(llm.stream_chat([ChatMessage("hello")]))
        list(llm.stream_complete("hello"))

        assert [event.total_token_count for event in tokens.llm_token_counts] == [
            event.prompt_token_count + event.completion_token_count
            for event in tokens.llm_token_counts
        ]
        assert tokens.llm_token_counts[0].prompt_token_count > 1


def test_streamed_responses_are_cumulative_and_their_deltas_are_strings() -> None:
    with World([SimModel("a/m:free", reasoning=True)]) as world:
        responses = list(llamaindex_model(world).stream_chat(HELLO))
    text = ""
    for response in responses:
        assert isinstance(response.delta, str)
        text += response.delta
        assert (response.message.content or "") == text
    thinking, *others = responses[-1].message.blocks
    thoughts = "".join(r.additional_kwargs.get("thinking_delta", "") for r in responses)

    assert isinstance(thinking, ThinkingBlock)
    assert [type(block) for block in others] == [TextBlock]
    assert thoughts == thinking.content


def test_closing_a_stream_early_is_no_failure_of_the_model() -> None:
    with World([SimModel("a/m:free", speed=20.0)], clock="real") as world:
        stream = llamaindex_model(world).stream_chat([ChatMessage(content="a long story " * 500)])
        next(stream)
        stream.close()

        assert comes_to_rest(world.runtime)
        health = health_of(world.runtime, "a/m:free")
        assert health.failures == health.answers == 0


def test_models_with_less_than_the_context_window_are_not_asked() -> None:
    models = [SimModel("a/small:free", context=16_000), SimModel("b/kept:free", context=32_768)]
    with World(models) as world:
        llm = llamaindex_model(world)
        llm.complete("hello")
        llm.complete(
            "considerable " * 9_900
        )  # what a helper packs into the promise by a real tokenizer

        assert world.asked == ["b/kept:free"] * 2
        assert llm.metadata.context_window == 32_768
        with pytest.raises(errors.NoCandidates, match="min_context"):
            FreeRouter(router=world.router(min_context=99_000)).complete("x")


def test_long_prompts_and_context_errors_lead_to_larger_models() -> None:
    sizes = {"a/small:free": 8_000, "b/middle:free": 40_000, "c/large:free": 200_000}
    with World([SimModel(name, context=size) for name, size in sizes.items()]) as world:
        llm = FreeRouter(router=world.router(), context_window=4_000)
        for count, least in ((20, 0), (16_000, 40_000), (60_000, 200_000)):
            llm.complete("word " * count)
            assert sizes[world.asked[-1]] >= least
        assert not any(seen.problem for seen in world.requests)

    lied = [
        SimModel("a/m:free", context=40_000, script=["400-context"]),
        SimModel("b/m:free", context=39_000),
        SimModel("c/m:free", context=90_000),
    ]
    with World(lied) as world:
        FreeRouter(router=world.router(model="a/m:free")).complete("hi")

        assert world.asked[0] == "a/m:free"
        assert all(world.models[name].context > 8_192 for name in world.asked[1:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra_body": 3},
        {"tool_choice": 3, "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": 3},
    ],
)
def test_values_that_make_no_sense_are_bad_requests(wrong: dict[str, Any]) -> None:
    with World([SimModel("a/m:free")]) as world, pytest.raises(errors.BadRequest):
        llamaindex_model(world).chat([ChatMessage(blocks=[TextBlock(text="x")])], **wrong)


@pytest.mark.parametrize("paid", [{"plugins": [{"id": "web"}]}, {"models": ["a/paid"]}])
def test_no_keyword_argument_asks_for_what_costs_money(paid: dict[str, Any]) -> None:
    with World([SimModel("a/m:free")]) as world:
        for llm, kwargs in (
            (llamaindex_model(world), paid),
            (llamaindex_model(world, additional_kwargs=paid), {}),
        ):
            with pytest.raises(errors.BadRequest):
                llm.chat(HELLO, **kwargs)

        assert world.requests == []


def test_settings_llm_works_in_many_loops() -> None:
    with World([SimModel("a/m:free")]) as world:
        Settings.llm = llamaindex_model(world)

        assert [asyncio.run(Settings.llm.acomplete(str(n))).text[-1] for n in range(3)] == [
            "0",
            "1",
            "2",
        ]
