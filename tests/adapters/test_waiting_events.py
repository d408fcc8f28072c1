"""Frameworks are told of a wait, while somebody there listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import llama_index_instrumentation as instrumentation
import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from pydantic import Field

from freerouter_core import Limit, Provider
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter
from langchain_freerouter.waiting import WAITING, wait_observer
from llamaindex_freerouter import FreeRouter
from llamaindex_freerouter.waiting import WaitingEvent

REASON = "the 1 request a minute of openrouter is used"


@pytest.fixture
def options() -> Iterator[dict[str, Any]]:
    with World([SimModel("a/x:free")]) as world:
        limits = [Limit(requests=1)]
        provider = Provider("openrouter", "https://x.invalid/api/v1", "k", limits=limits)
        router = world.router(providers=(provider,))
        router.chat("the first takes the minute")
        yield {"router": router}
        world.runtime.flush()


class Handler(BaseCallbackHandler):
    def __init__(self) -> None:
        self.told: list[tuple[str, Any, Any]] = []
        self.runs: list[Any] = []

    def on_chat_model_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self.runs.append(run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: Any, **_: Any) -> None:
        self.told.append((name, data, run_id))


class AsyncHandler(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.told: list[tuple[str, Any, Any]] = []
        self.loops: list[object] = []

    async def on_custom_event(self, name: str, data: Any, *, run_id: Any, **_: Any) -> None:
        self.loops.append(asyncio.get_running_loop())
        self.told.append((name, data, run_id))


class Silent(BaseCallbackHandler):
    """Listens to nothing of this kind."""


def test_a_callback_gets_a_custom_event_of_its_run(options: dict[str, Any]) -> None:
    llm, handler = ChatFreeRouter(**options), Handler()
    llm.invoke("Hello", {"callbacks": [handler]})
    options["router"].runtime.flush()

    ((name, data, run_id),) = handler.told
    assert (name, data["reason"]) == (WAITING, REASON)
    assert data["seconds"] == pytest.approx(60.0, abs=1.0)
    assert [run_id] == handler.runs


async def test_an_asynchronous_callback_is_called_on_its_own_loop(options: dict[str, Any]) -> None:
    llm, handler, plain = ChatFreeRouter(**options), AsyncHandler(), Handler()
    await llm.ainvoke("Hello", {"callbacks": [handler, plain]})
    await asyncio.to_thread(options["router"].runtime.flush)
    await asyncio.sleep(0.05)

    assert [name for name, _, _ in (*handler.told, *plain.told)] == [WAITING] * 2
    assert set(handler.loops) == {asyncio.get_running_loop()}


async def test_events_of_a_chain_are_in_its_stream_of_events(options: dict[str, Any]) -> None:
    chain = RunnableLambda(str.upper) | ChatFreeRouter(**options)
    names = [
        event["name"]
        async for event in chain.astream_events("Hello", version="v2")
        if event["event"] == "on_custom_event"
    ]
    handler = Handler()
    await asyncio.to_thread(lambda: list(chain.stream("Hello", {"callbacks": [handler]})))

    assert names == [WAITING]
    assert [(name, run_id) for name, _, run_id in handler.told] == [(WAITING, *handler.runs)]


async def test_a_stream_tells_its_own_waits(options: dict[str, Any]) -> None:
    llm, sync, plain, other = ChatFreeRouter(**options), Handler(), Handler(), AsyncHandler()
    await asyncio.to_thread(lambda: list(llm.stream("Hello", {"callbacks": [sync]})))
    async for _ in llm.astream("Hello", {"callbacks": [other, plain]}):
        pass
    await asyncio.to_thread(options["router"].runtime.flush)
    await asyncio.sleep(0.05)

    assert [(name, run_id) for name, _, run_id in sync.told] == [(WAITING, *sync.runs)]
    assert [(name, run_id) for name, _, run_id in plain.told] == [(WAITING, *plain.runs)]
    assert [name for name, _, _ in other.told] == [WAITING]


def test_who_does_not_listen_costs_nothing() -> None:
    assert wait_observer(None) is None


def test_a_silent_callback_of_a_stream_is_not_told(options: dict[str, Any]) -> None:
    assert list(ChatFreeRouter(**options).stream("Hello", {"callbacks": [Silent()]}))


def test_a_silent_callback_is_not_told(options: dict[str, Any]) -> None:
    told = threading.Event()
    options["router"].subscribe(lambda event: told.set())

    assert ChatFreeRouter(**options).invoke("Hello", {"callbacks": [Silent()]}).text


class Listener(BaseEventHandler):
    events: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.events.append(event)


@pytest.fixture
def listener() -> Iterator[Listener]:
    root = instrumentation.get_dispatcher()
    listener = Listener()
    root.add_event_handler(listener)
    yield listener
    root.event_handlers.remove(listener)


async def test_llama_index_dispatches_an_instrumentation_event(
    options: dict[str, Any], listener: Listener
) -> None:
    llm = FreeRouter(**options)
    await asyncio.to_thread(llm.complete, "Hello")
    await llm.acomplete("Hello")
    await asyncio.to_thread(options["router"].runtime.flush)

    waits = [event for event in listener.events if isinstance(event, WaitingEvent)]
    assert [wait.reason for wait in waits] == [REASON] * 2
    assert waits[0].class_name() == "FreeRouterWaitingEvent"
    spans = {event.span_id for event in listener.events if event not in waits}
    assert {wait.span_id for wait in waits} <= spans


def test_without_a_listener_llama_index_is_not_told(options: dict[str, Any]) -> None:
    assert FreeRouter(**options)._request([], {}).on_wait is None
