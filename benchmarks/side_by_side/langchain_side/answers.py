"""Requests, and what comes back."""

from __future__ import annotations

import asyncio

from behaviours import MODEL, OTHER, Package, quick, raises, staged
from langchain_core.messages import HumanMessage

from .fixtures import awaited, get_weather, shows, whole

# -- asking ---------------------------------------------------------------------------------------


@shows("invoke, ainvoke, stream, astream, batch")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        assert llm.invoke("hi").content
        assert whole(llm.stream("hi")).content
        assert all(m.content for m in llm.batch(["a", "b", "c"]))
        assert asyncio.run(llm.ainvoke("hi")).content


@shows("several event loops in turn, streaming")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        for _ in range(3):
            assert whole(asyncio.run(awaited(llm.astream("hi")))).content
            assert asyncio.run(llm.ainvoke("hi")).content


@shows("an empty `tools` or `stop` is not sent")
def _(package: Package) -> None:
    with staged(package) as stage:
        stage.llm(stop=[]).bind_tools([]).invoke("hi")
        assert not stage.refused
        assert not {"tools", "stop"} & stage.bodies[-1].keys()


@shows("a `model=` of one call is asked and told")
def _(package: Package) -> None:
    with staged(package) as stage:
        message = stage.llm().invoke("hi", model=stage.name(OTHER))
        assert stage.world.asked == [OTHER]
        assert str(message.response_metadata["model_name"]).endswith(OTHER)


@shows("an unknown `tool_choice` is refused before anything is sent")
def _(package: Package) -> None:
    with staged(package) as stage:
        llm = stage.llm()
        raises(Exception, lambda: llm.bind_tools([get_weather], tool_choice="nope").invoke("x"))
        assert not stage.bodies


@shows("one `reasoning` setting reaches the wire")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        stage.llm(reasoning={"effort": "low"}).invoke("hi")
        body = stage.bodies[-1]
        effort = body.get("reasoning_effort", body.get("reasoning", {}).get("effort"))
        assert effort == "low", "not in the request"
        assert not stage.refused


# -- what comes back ------------------------------------------------------------------------------


@shows("usage in streams, without asking for it")
def _(package: Package) -> None:
    with staged(package) as stage:
        assert whole(stage.llm().stream("hi")).usage_metadata["input_tokens"] > 0


@shows("reasoning, cached and written tokens in usage")
def _(package: Package) -> None:
    part = {"type": "text", "text": "remember", "cache_control": {"type": "ephemeral"}}
    with staged(package, quick(reasoning=True)) as stage:
        written = stage.llm().invoke([HumanMessage([part])]).usage_metadata
        read = stage.llm().invoke([HumanMessage([part])]).usage_metadata
        assert written["output_token_details"]["reasoning"] > 0
        assert written["input_token_details"]["cache_creation"] > 0
        assert read["input_token_details"]["cache_read"] > 0


@shows("cost, model and inference provider, once in a stream")
def _(package: Package) -> None:
    with staged(package) as stage:
        metadata = whole(stage.llm().stream("hi")).response_metadata
        assert str(metadata["model_name"]).endswith(MODEL), metadata["model_name"]
        assert 0 in (metadata.get("cost"), metadata.get("response_cost")), "no cost"
        assert "Simulated" in str(metadata), "no provider"


@shows("reasoning as content blocks, streamed and whole")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        for message in (stage.llm().invoke("hi"), whole(stage.llm().stream("hi"))):
            assert "reasoning" in [block["type"] for block in message.content_blocks]


@shows("`reasoning_details` return unchanged to their writer")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        answer = whole(stage.llm().stream("hi"))
        stage.llm().invoke([HumanMessage("hi"), answer, HumanMessage("and?")])
        [detail] = stage.bodies[-1]["messages"][1]["reasoning_details"]
        assert detail["text"] == "The user wants an answer, so I will give one."
        assert not stage.refused


@shows("… and to nobody else")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True), quick(OTHER)) as stage:
        answer = stage.llm().invoke("hi")
        stage.llm(OTHER).invoke([HumanMessage("hi"), answer, HumanMessage("and?")])
        assert "reasoning_details" not in stage.bodies[-1]["messages"][1]


@shows("`<think>` is split off the text")
def _(package: Package) -> None:
    with staged(package, quick(says=lambda _: "<think>hm</think>\n\nHello.")) as stage:
        assert whole(stage.llm().stream("hi")).content == "Hello."
        assert stage.llm().invoke("hi").content == "Hello."


@shows("the v3 event protocol, with reasoning")
def _(package: Package) -> None:
    with staged(package, quick(reasoning=True)) as stage:
        events = list(stage.llm().stream_events("hi", version="v3"))
        assert events[0]["event"] == "message-start"
        assert events[-1]["event"] == "message-finish"
        blocks = [event for event in events if event["event"] == "content-block-start"]
        assert {"reasoning", "text"} <= {block["content"]["type"] for block in blocks}
