"""Failures, and failover from them."""

from __future__ import annotations

from functools import partial
from typing import Any

from behaviours import OTHER, Package, failing, quick, raises, staged
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core import exceptions
from langchain_core.messages import HumanMessage

from .fixtures import Person, get_weather, shows, whole


def _read_stream(llm: Any) -> Any:
    return whole(llm.stream("hi")).content


@shows("another model answers where one is limited, empty, gone or broken")
def _(package: Package) -> None:
    for fault in ("429-upstream", "empty", "404-gone", "error-in-200", "choices-empty", "502"):
        with failing(package, *[fault] * 9) as stage:
            assert stage.llm(max_retries=3).invoke("hi").content, fault


@shows("… in streams, before anything was shown")
def _(package: Package) -> None:
    for fault in ("429-upstream", "empty", "stream-error-before", "stream-error-empty-choices"):
        with failing(package, *[fault] * 9) as stage:
            assert whole(stage.llm(max_retries=3).stream("hi")).content, fault


@shows("a stream that breaks is an error, not a short answer")
def _(package: Package) -> None:
    for fault in ("mid-stream-error", "mid-stream-finish-error", "mid-stream-cut"):
        with staged(package, quick(script=[fault] * 9)) as stage:
            raises(Exception, partial(_read_stream, stage.llm(max_retries=0)))


@shows("a broken stream can be continued, nothing said twice")
def _(package: Package) -> None:
    other = quick(OTHER, says=lambda _: "upon a time.")
    with staged(package, quick(script=["mid-stream-cut"]), other) as stage:
        message = whole(stage.llm(on_stream_break="continue").stream("hi"))
        assert message.content == "Once upon a time."


@shows("an empty answer is not taken for one")
def _(package: Package) -> None:
    with staged(package, quick(script=["empty"] * 9)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).invoke("hi"))


@shows("errors are `ModelError`s that know whether to retry")
def _(package: Package) -> None:
    kinds = {
        "429-upstream": (exceptions.ModelRateLimitError, True),
        "401": (exceptions.ModelAuthenticationError, False),
        "502": (exceptions.ModelAPIError, True),
        "error-in-200": (exceptions.ModelError, True),
    }
    for fault, (kind, retryable) in kinds.items():
        with staged(package, quick(script=[fault] * 9)) as stage:
            caught = raises(kind, partial(stage.llm(max_retries=0).invoke, "hi"))
            assert caught.is_retryable is retryable, fault


@shows("`max_retries=0` asks once")
def _(package: Package) -> None:
    with staged(package, quick(script=["502"] * 50)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).invoke("hi"))
        assert len(stage.bodies) == 1, f"{len(stage.bodies)} requests"


@shows("an agent with tools and a typed answer, in a storm")
def _(package: Package) -> None:
    with failing(package, "empty", "429-upstream", "truncated-tool", "502") as stage:
        agent = create_agent(stage.llm(), [get_weather], response_format=ToolStrategy(Person))
        message = HumanMessage("Use get_weather in Lisbon, for Anna who is 33")
        state = agent.invoke({"messages": [message]})
        assert state["structured_response"].age == 33
