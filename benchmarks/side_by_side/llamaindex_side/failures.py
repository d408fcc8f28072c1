"""Failures, and failover from them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from behaviours import Package, failing, quick, raises, staged
from llama_index.core.agent.workflow import FunctionAgent

from .fixtures import WEATHER, shows


def _read_stream(llm: Any) -> Any:
    return list(llm.stream_complete("hi"))[-1]


@shows("another model answers where one is limited, empty, gone or broken")
def _(package: Package) -> None:
    for fault in ("429-upstream", "empty", "404-gone", "error-in-200", "choices-empty", "502"):
        with failing(package, *[fault] * 9) as stage:
            assert stage.llm(max_retries=3).complete("hi").text, fault


@shows("… in streams, before anything was shown")
def _(package: Package) -> None:
    for fault in ("429-upstream", "empty", "stream-error-before", "stream-error-empty-choices"):
        with failing(package, *[fault] * 9) as stage:
            assert list(stage.llm(max_retries=3).stream_complete("hi"))[-1].text, fault


@shows("a stream that breaks is an error, not a short answer")
def _(package: Package) -> None:
    for fault in ("mid-stream-error", "mid-stream-finish-error", "mid-stream-cut"):
        with staged(package, quick(script=[fault] * 9)) as stage:
            raises(Exception, partial(_read_stream, stage.llm(max_retries=0)))


@shows("an empty answer is not taken for one")
def _(package: Package) -> None:
    with staged(package, quick(script=["empty"] * 99)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).complete("hi"))


@shows("an error in a 200 says what it was")
def _(package: Package) -> None:
    with staged(package, quick(script=["error-in-200"] * 99)) as stage:
        error = raises(Exception, lambda: stage.llm(max_retries=0).complete("hi"))
        assert "Too Many Requests" in str(error)


@shows("`max_retries=0` asks once")
def _(package: Package) -> None:
    with staged(package, quick(script=["429-upstream"] * 50)) as stage:
        raises(Exception, lambda: stage.llm(max_retries=0).complete("hi"))
        assert len(stage.bodies) == 1, f"{len(stage.bodies)} requests"


@shows("an agent in a storm")
def _(package: Package) -> None:
    async def run(llm: Any) -> str:
        return str(await FunctionAgent(tools=[WEATHER], llm=llm).run("get_weather in Paris"))

    with failing(package, "empty", "429-upstream", "truncated-tool", "502") as stage:
        assert "sunny" in asyncio.run(run(stage.llm()))
