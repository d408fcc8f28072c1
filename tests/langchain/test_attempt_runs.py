"""Attempts below the model's run, for tracers such as LangSmith's (langchain#26646)."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from freerouter_core.errors import FreeRouterError
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter


class Keeps(BaseTracer):
    """Keeps whole runs, as LangSmith's tracer sends them."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def model(*scripts: str) -> ChatFreeRouter:
    models = [
        SimModel(f"acme/{n}:free", script=[script] if script else [])
        for n, script in enumerate(scripts)
    ]
    router = World(models).router(model="acme/0:free", fallback_models=["acme/1:free"])
    return ChatFreeRouter(router=router)


async def ask(llm: ChatFreeRouter, way: str, config: Any) -> None:
    match way:
        case "invoke":
            llm.invoke("hello", config)
        case "ainvoke":
            await llm.ainvoke("hello", config)
        case "stream":
            list(llm.stream("hello", config))
        case "astream":
            [_ async for _ in llm.astream("hello", config)]
        case "invoke, streaming":
            llm.model_copy(update={"streaming": True}).invoke("hello", config)
        case "ainvoke, streaming":
            await llm.model_copy(update={"streaming": True}).ainvoke("hello", config)
        case "in a chain":
            list((RunnableLambda(str) | llm).stream("hello", config))
        case _:
            [_ async for _ in (RunnableLambda(str) | llm).astream("hello", config)]


WAYS = ("invoke", "ainvoke", "stream", "astream", "invoke, streaming", "ainvoke, streaming",
        "in a chain", "in an async chain")  # fmt: skip


def run_of_the_model(tracer: Keeps) -> Run:
    (root,) = tracer.roots
    return root if root.run_type != "chain" else root.child_runs[-1]


@pytest.mark.parametrize("way", WAYS)
async def test_each_attempt_is_a_run_below_the_models(way: str) -> None:
    tracer = Keeps()
    await ask(model("502", ""), way, {"callbacks": [tracer]})

    root = run_of_the_model(tracer)
    failed, answered = root.child_runs
    told = [run.extra["metadata"] for run in root.child_runs]
    assert (failed.name, answered.name) == ("attempt 1", "attempt 2")
    assert [run.parent_run_id for run in root.child_runs] == [root.id, root.id]
    assert [data["model"] for data in told] == ["acme/0:free", "acme/1:free"]
    assert (told[0]["fault"], told[0]["status"], told[1]["fault"]) == ("busy", 502, None)
    assert all(data["waited"] >= 0 and data["seconds"] > 0 for data in told)
    assert "busy server 502" in str(failed.error)
    assert answered.error is None
    assert answered.outputs is not None
    assert answered.outputs["upstream_provider"] == "openrouter"


@pytest.mark.parametrize("way", WAYS)
async def test_the_attempts_of_a_request_that_failed_are_there_too(way: str) -> None:
    tracer = Keeps()
    with pytest.raises(FreeRouterError):
        await ask(
            model("402", "402").model_copy(update={"timeout": 5}), way, {"callbacks": [tracer]}
        )

    root = run_of_the_model(tracer)
    assert root.error
    assert root.child_runs
    assert all(run.error for run in root.child_runs)


def test_callbacks_that_trace_nothing_see_one_call_of_one_model() -> None:
    seen: list[str] = []

    class Listens(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            seen.append("model")

        def on_chain_start(self, *_: Any, **__: Any) -> None:
            seen.append("chain")

    model("502", "").invoke("hello", {"callbacks": [Listens(), Keeps()]})

    assert seen == ["model"]
