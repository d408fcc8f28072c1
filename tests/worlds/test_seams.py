"""Streams that break after text was shown, and `on_stream_break="continue"`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from freerouter_core import ChatRequest, Limit, Provider, Router, errors
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.request_transforms import CONTINUE_PROMPT
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import Person, collect, merged, raw_of

STORY = "Once upon a time there was a cat."
BREAKS = [
    "mid-stream-error",
    "mid-stream-finish-error",
    "mid-stream-cut",
    "mid-stream-eof",
    "stall",
]
GOES_ON = [STORY, "time there was a cat.", " time there was a cat.", "upon a time there was a cat."]


def broken(fault: str, *others: SimModel, **model: Any) -> World:
    return World([SimModel("a/m:free", script=[fault], **model), *others])


def router_in(world: World, **options: Any) -> Router:
    return world.router(strategy="context", on_stream_break="continue", **options)


def read(world: World, way: str) -> tuple[str, dict[str, Any]]:
    """(text, metadata) as a caller of `way` sees it in the end."""
    router = router_in(world)
    if way == "core":
        stream = router.stream("hello")
        text = "".join(delta.text for delta in stream)
        assert stream.outcome.text == text
        return text, stream.outcome.metadata
    if way.startswith("langchain"):
        chat = ChatFreeRouter(router=router)
        message = merged(
            chat.stream("hello")
            if way == "langchain"
            else asyncio.run(collect(chat.astream("hello")))
        )
        return message.text, message.response_metadata
    llm = FreeRouter(router=router)

    async def run() -> list[ChatResponse]:
        return await collect(await llm.astream_chat([ChatMessage("hello")]))

    responses = (
        list(llm.stream_chat([ChatMessage("hello")])) if way == "llamaindex" else asyncio.run(run())
    )
    text = "".join(response.delta or "" for response in responses)
    assert text == responses[-1].message.content
    return text, raw_of(responses[-1])["freerouter"]


@pytest.mark.parametrize(
    "way", ["core", "langchain", "langchain-async", "llamaindex", "llamaindex-async"]
)
@pytest.mark.parametrize("fault", BREAKS)
def test_a_broken_stream_is_continued_however_it_broke(fault: str, way: str) -> None:
    with broken(fault, SimModel("b/m:free", says=lambda _: " time there was a cat.")) as world:
        text, metadata = read(world, way)

        assert text == STORY
        assert metadata["model_name"] == "b/m:free"
        [seam] = metadata["seams"]
        assert (seam["at"], seam["model"]) == (len("Once upon a "), "a/m:free")
        assert [a["fault"] is None for a in metadata["attempts"]] == [False, True]


@pytest.mark.parametrize("says", GOES_ON)
def test_a_continuation_repeats_nothing(says: str) -> None:
    with broken(
        "mid-stream-cut", SimModel("b/m:free", says=lambda _: says, reasoning=True)
    ) as world:
        stream = router_in(world).stream("hello")
        deltas = list(stream)

        assert "".join(d.text for d in deltas) == STORY
        assert not any(d.reasoning for d in deltas), (
            "thoughts about how to go on would stand amid the text"
        )
        assert world.requests[1].body["messages"][-1] == {
            "role": "assistant",
            "content": "Once upon a",
        }


def test_a_stream_may_be_continued_twice() -> None:
    with broken(
        "mid-stream-cut",
        SimModel("b/m:free", script=["mid-stream-half"], says=lambda _: "time there was a cat."),
        SimModel("c/m:free", says=lambda body: STORY),
    ) as world:
        stream = router_in(world).stream("hello")
        text = "".join(delta.text for delta in stream)

        assert text == STORY
        assert len(stream.outcome.seams) == 2


def test_a_model_that_begins_another_story_is_passed_over() -> None:
    with broken(
        "mid-stream-cut",
        SimModel("b/m:free", says=lambda _: "Once upon another day, a dog."),
        SimModel("c/m:free", says=lambda _: STORY),
    ) as world:
        stream = router_in(world).stream("hello")

        assert "".join(delta.text for delta in stream) == STORY
        assert world.asked == ["a/m:free", "b/m:free", "c/m:free"]


def test_a_model_without_prefill_is_asked_in_words_from_then_on() -> None:
    def objects(body: Any) -> str | None:
        refused = body["messages"][-1]["role"] == "assistant"
        return "This model does not support assistant message prefill." if refused else None

    picky = SimModel("b/m:free", objects=objects, says=lambda _: "time there was a cat.")
    with World([SimModel("a/m:free", script=["mid-stream-cut", "mid-stream-cut"]), picky]) as world:
        router = router_in(world, model="a/m:free")
        for requests in (3, 5):
            stream = router.stream("hello")
            assert "".join(delta.text for delta in stream) == STORY
            assert world.requests[-1].body["messages"][-1] == {
                "role": "user",
                "content": CONTINUE_PROMPT,
            }
            assert len(world.requests) == requests
            world.clock.advance(700.0)


def test_the_text_is_whole_when_two_models_have_nothing_to_add() -> None:
    others = [SimModel(name, script=["empty"]) for name in ("b/m:free", "c/m:free")]
    with World(
        [SimModel("a/m:free", script=["mid-stream-half"], says=lambda _: "It ends.\n"), *others]
    ) as world:
        stream = router_in(world).stream("hello")

        assert "".join(delta.text for delta in stream) == "It ends."
        assert stream.outcome.text == "It ends."


def test_text_that_ends_inside_a_sentence_is_never_whole() -> None:
    others = [SimModel(name, script=["empty"] * 9) for name in ("b/m:free", "c/m:free")]
    with broken("mid-stream-eof", *others) as world:
        stream = router_in(world, max_retries=2).stream("hello")
        with pytest.raises(errors.StreamBroken):
            list(stream)


def test_a_continuation_may_wait_for_a_limit_past_the_first_deadline() -> None:
    """The models that continue have a first-token deadline of their own."""
    slow = SimModel("a/m:free", script=["stall"], first_token=1.0, jitter=0.0)
    with World(
        [slow, SimModel("b/m:free", says=lambda _: STORY)], [SimAccount("k", None)]
    ) as world:
        provider = Provider(
            "openrouter", "https://x.test/v1", "k", limits=[Limit(requests=1, per=40.0)]
        )
        router = Router(
            providers=(provider,),
            runtime=world.runtime,
            strategy="context",
            on_stream_break="continue",
            timeout=25.0,
        )
        stream = router.stream("hello")

        assert "".join(delta.text for delta in stream) == STORY
        assert len(stream.outcome.journal.entries) < 40


def test_a_continued_object_must_be_valid_json() -> None:
    """Pieces that were shown and are no JSON together are no answer, whatever stands amid them."""
    whole = '{"name": "Anna", "age": 33}'
    with World(
        [
            SimModel("a/m:free", script=["mid-stream-half"]),
            SimModel("b/m:free", says=lambda _: whole + " ok?"),
        ]
    ) as world:
        llm = ChatFreeRouter(router=router_in(world, max_retries=1)).with_structured_output(Person)
        with pytest.raises(errors.StreamBroken):
            list(llm.stream("A person named Anna, 33"))


def test_when_no_model_can_continue_the_error_holds_the_text() -> None:
    with World(
        [SimModel(n, script=["mid-stream-cut", "502"]) for n in ("a/m:free", "b/m:free")]
    ) as world:
        world.models["b/m:free"].script = ["502"] * 9
        stream = router_in(world, max_retries=2).stream("hello")
        with pytest.raises(errors.StreamBroken, match="nobody could continue") as caught:
            list(stream)

        assert caught.value.partial == "Once upon a "
        assert len(caught.value.attempts) == 3


def test_a_stream_never_restarts_after_a_tool_call_was_shown() -> None:
    tool = {
        "type": "function",
        "function": {"name": "delete_records", "parameters": {"type": "object", "properties": {}}},
    }
    request = ChatRequest.of("delete_records").but(tools=[tool])
    for streaming, continued in (("whole", True), ("fragments", False)):
        with broken("truncated-tool", SimModel("b/m:free")) as world:
            stream = router_in(world, tool_streaming=streaming).stream(request)
            if continued:
                assert [c.name for d in stream for c in d.tool_calls] == ["delete_records"]
            else:
                list(stream)
                answer = stream.outcome.answer
                assert (answer.tool_calls, len(answer.invalid_calls)) == ((), 1)


def test_a_structured_stream_continues_inside_the_object() -> None:
    whole = '{"name": "Anna", "age": 33}'

    def rest(body: Any) -> str:
        begun = body["messages"][-1]["content"]
        assert "response_format" not in body, "it would begin with a brace again"
        assert whole.startswith(begun)
        return whole[len(begun) :]

    with World([SimModel("a/m:free", script=["mid-stream-half"]), SimModel("b/m:free")]) as world:
        world.models["b/m:free"].says = rest
        llm = ChatFreeRouter(router=router_in(world)).with_structured_output(Person)
        grown = list(llm.stream("A person named Anna, 33"))

        assert grown[-1] == Person(name="Anna", age=33)
        assert world.asked == ["a/m:free", "b/m:free"]
