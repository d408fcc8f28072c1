"""LangChain messages on the wire, and answers as LangChain messages."""

from __future__ import annotations

from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from freerouter_core.errors import BadRequest
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer
from langchain_freerouter import ChatFreeRouter
from langchain_freerouter.outputs import to_message

from ..frameworks import (
    langchain_model,
    langchain_weather,
)

FOREIGN: list[Any] = [
    AIMessage(
        [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "I see"},
        ]
    ),
    AIMessage(
        [
            {"type": "server_tool_use", "id": "1", "name": "x", "input": {}},
            {"type": "text", "text": "I see"},
        ]
    ),
    AIMessage([{"type": "reasoning_content", "reasoning_content": {}}, "I see"]),
    AIMessage([{"type": "non_standard", "value": {}}, {"type": "text", "text": "I see"}]),
]


@pytest.mark.parametrize("message", FOREIGN)
def test_blocks_of_other_providers_are_left_out_of_the_history(message: AIMessage) -> None:
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).invoke([HumanMessage("hi"), message, HumanMessage("and?")])

        assert world.requests[0].body["messages"][1] == {"role": "assistant", "content": "I see"}


MEDIA = [
    ({"type": "image", "base64": "aGk=", "mime_type": "image/png"}, "image_url"),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        "image_url",
    ),
    ({"type": "image_url", "image_url": "https://x.test/a.png"}, "image_url"),
    ({"type": "audio", "base64": "aGk=", "mime_type": "audio/mpeg"}, "input_audio"),
    ({"type": "video", "url": "https://x.test/a.mp4"}, "video_url"),
    ({"type": "file", "base64": "aGk=", "mime_type": "application/pdf"}, "file"),
    ({"type": "file", "url": "https://x.test/a.pdf"}, "file"),
    (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
        },
        "file",
    ),
    ({"type": "text-plain", "text": "hello"}, "text"),
]


@pytest.mark.parametrize(("block", "kind"), MEDIA)
def test_every_medium_is_sent_to_a_model_that_takes_it(block: dict[str, Any], kind: str) -> None:
    inputs = ("text", "image", "audio", "video", "file")
    with World(
        [SimModel("a/blind:free", context=900_000), SimModel("b/m:free", inputs=inputs)]
    ) as world:
        langchain_model(world).invoke(
            [SystemMessage("s"), HumanMessage([{"type": "text", "text": "what?"}, block])]
        )
        seen = world.requests[0]
        content = seen.body["messages"][1]["content"]

        assert not seen.problem
        if kind == "text":
            assert content == "what?\nhello"
        else:
            assert seen.model == "b/m:free"
            assert content[1]["type"] == kind
            assert content[1].get("input_audio", {}).get("format", "mp3") == "mp3"


def test_reasoning_details_return_only_to_the_model_that_wrote_them() -> None:
    with World(
        [SimModel("a/m:free", reasoning=True), SimModel("b/m:free", reasoning=True)]
    ) as world:
        llm = langchain_model(world)
        first = llm.invoke("x", model="a/m:free")
        llm.invoke([HumanMessage("x"), first, HumanMessage("y")], model="a/m:free")
        llm.invoke([HumanMessage("x"), first, HumanMessage("y")], model="b/m:free")
        own, other = (seen.body["messages"][1] for seen in world.requests[1:])

        assert own["reasoning_details"] == first.additional_kwargs["reasoning_details"]
        assert "reasoning_details" not in other
        assert "model" not in own


def test_parameters_of_the_call_overrule_those_of_the_model() -> None:
    with World([SimModel("a/m:free"), SimModel("b/m:free")]) as world:
        llm = langchain_model(world, temperature=0.1, stop=["END"], max_tokens=50)
        llm.invoke(
            [HumanMessage("x", name="anna")], model="b/m:free", temperature=0.9, stop=["X"], seed=7
        )
        body = world.requests[0].body

    assert (body["model"], body["temperature"], body["stop"], body["seed"]) == (
        "b/m:free",
        0.9,
        ["X"],
        7,
    )
    assert body["messages"][0]["name"] == "anna"
    assert "stop" not in _body_of(ChatFreeRouter, stop=[])


def _body_of(kind: type, **options: Any) -> dict[str, Any]:
    with World([SimModel("a/m:free")]) as world:
        kind(router=world.router(), **options).invoke("x")
        return world.requests[0].body


def test_the_providers_id_is_not_the_messages_id() -> None:
    """LangGraph replaces messages by their ids, and some servers give every answer the same."""
    assert to_message(Answer(text="x", id="always-this"), {"id": "always-this"}).id is None
    with World([SimModel("a/m:free")]) as world:
        agent = create_agent(
            langchain_model(world),
            [langchain_weather],
            checkpointer=InMemorySaver(),
            name="my agent <1>",
        )
        thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
        for _ in range(2):
            state = agent.invoke({"messages": [HumanMessage("get_weather in Rome")]}, thread)

        assert len({message.id for message in state["messages"]}) == len(state["messages"]) == 8
        assert not any(seen.problem for seen in world.requests)
        names = {
            m["name"] for seen in world.requests for m in seen.body["messages"] if m.get("name")
        }
        assert names == {"my_agent_1_"}


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


def test_tokens_are_counted_offline() -> None:
    llm = ChatFreeRouter(api_key="k")

    assert llm.get_num_tokens("four characters a token") > 3
    assert llm.get_num_tokens_from_messages([HumanMessage("hello")], tools=[langchain_weather]) > 10


OLD_CALL = {"function_call": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}


def test_functions_of_old_versions_are_calls_and_results() -> None:
    history = [
        HumanMessage("weather?"),
        AIMessage("", additional_kwargs=OLD_CALL),
        FunctionMessage(content=[{"type": "text", "text": "sunny"}], name="get_weather"),
    ]
    with World([SimModel("a/m:free")]) as world:
        langchain_model(world).invoke(history)
        turn, result = world.requests[0].body["messages"][1:]

    assert turn["tool_calls"][0]["function"] == OLD_CALL["function_call"]
    assert result == {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"],
                      "content": "sunny"}  # fmt: skip


@pytest.mark.parametrize("option", ["guards", "strategy", "min_quality", "session", "n"])
def test_an_option_that_a_call_cannot_change_is_refused(option: str) -> None:
    """It would change nothing, and go out on the wire."""
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        given: dict[str, Any] = {option: 2}
        with pytest.raises(BadRequest, match=option):
            llm.invoke("x", **given)
        with pytest.raises(BadRequest, match=option):
            list(llm.stream("x", **given))
        assert not world.requests


def test_a_profile_says_what_is_not_promised() -> None:
    blind = ChatFreeRouter(api_key="k").profile or {}
    seeing = ChatFreeRouter(api_key="k", capabilities=["vision"]).profile or {}

    assert blind["image_inputs"] is blind["image_tool_message"] is blind["pdf_inputs"] is False
    assert seeing["image_inputs"] is seeing["image_tool_message"] is True
    assert seeing["audio_inputs"] is False


def test_a_picture_that_a_model_made_needs_no_eyes_in_the_next_turn() -> None:
    """Neither as v1 blocks, which LangChain makes of it, nor as it came."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    drawn = to_message(Answer("look", images=(image,)), {})
    blocks = AIMessage(cast("list[str | dict[str, Any]]", drawn.content_blocks))
    with World([SimModel("a/blind:free")]) as world:
        for message in (drawn, blocks):
            langchain_model(world).invoke([HumanMessage("draw"), message, HumanMessage("thanks")])

        assert [seen.body["messages"][1]["content"] for seen in world.requests] == ["look"] * 2
    assert any(block["type"] == "image" for block in drawn.content_blocks)
