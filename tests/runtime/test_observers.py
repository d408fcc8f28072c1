"""Events: every request with its attempts, in the context of its caller."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from dataclasses import replace
from typing import Any

import pytest

from freerouter_core import Router
from freerouter_core.errors import Exhausted, FreeRouterError
from freerouter_core.events import (
    Answered,
    AttemptFailed,
    AttemptTrace,
    CalledOff,
    Event,
    GaveUp,
    ModelChosen,
    ModelsFetched,
    RequestTrace,
    counted,
)
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimAccount, SimModel, World

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
KEY = "sk-or-v1-observed-0123456789"


def watched(world: World[Clock], **options: Any) -> tuple[Router, list[Event]]:
    router = world.router(**options)
    seen: list[Event] = []
    router.subscribe(seen.append)
    return router, seen


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answered_event_has_every_attempt(streamed: bool) -> None:
    with World([SimModel("a/x:free", script=["502"]), SimModel("b/y:free")]) as world:
        router, seen = watched(world, strategy="context", model="a/x:free")
        if streamed:
            list(router.stream("hello"))
        else:
            router.chat("hello")
        router.flush()
    (event,) = [e for e in seen if isinstance(e, Answered)]
    trail = event.trail

    assert trail is not None
    assert (trail.asked, trail.streamed, trail.number > 0) == ("a/x:free", streamed, True)
    assert [(t.number, t.model, t.provider, t.fault, t.status) for t in trail.tries] == [
        (1, "a/x:free", "openrouter", "busy", 502),
        (2, "b/y:free", "openrouter", None, 200),
    ]
    first, second = trail.tries
    assert trail.at <= first.at < first.at + first.seconds <= second.at
    assert second.at + second.seconds <= trail.at + event.seconds + 1e-6
    assert (
        event.prompt_tokens
        and event.completion_tokens
        and event.id
        and event.finish_reason == "stop"
    )


def test_each_request_has_a_number_of_its_own() -> None:
    with World([SimModel("a/x:free")]) as world:
        router, seen = watched(world)
        for _ in range(3):
            router.chat("hello")
        router.flush()

    assert len({e.trail.number for e in seen if isinstance(e, Answered) and e.trail}) == 3


def test_a_gave_up_event_has_every_attempt() -> None:
    with World([SimModel("a/x:free", script=["502"] * 9)]) as world:
        router, seen = watched(world, max_retries=0)
        with pytest.raises(Exhausted):
            router.chat("hello")
        router.flush()
    (event,) = [e for e in seen if isinstance(e, GaveUp)]

    assert (event.error, event.attempts, event.status) == ("Exhausted", 1, 502)
    assert event.trail is not None
    assert [t.fault for t in event.trail.tries] == ["busy"]


async def test_a_called_off_event_has_the_cancelled_attempt() -> None:
    with World([SimModel("a/x:free", script=["hang"])], clock="real") as world:
        router, seen = watched(world, hedge="off")
        sent = asyncio.Event()
        loop = asyncio.get_running_loop()
        router.subscribe(lambda _: loop.call_soon_threadsafe(sent.set))
        task = asyncio.create_task(router.achat("hello"))
        await sent.wait()
        while not world.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not any(isinstance(e, CalledOff) for e in seen):
            await asyncio.sleep(0)
    (event,) = [e for e in seen if isinstance(e, CalledOff)]

    assert event.trail is not None
    assert [(t.model, t.fault, t.status) for t in event.trail.tries] == [
        ("a/x:free", "cancelled", None)
    ]
    assert not any(isinstance(e, GaveUp) for e in seen)
    assert router.stats().gave_up == 0


def test_observers_run_in_the_context_of_the_caller() -> None:
    heard: list[str] = []
    with World([SimModel("a/x:free")]) as world:
        router = world.router()
        router.subscribe(lambda _: heard.append(WHO.get()))

        def ask(name: str) -> None:
            WHO.set(name)
            router.chat("hello")

        for name in ("ann", "ben"):
            contextvars.copy_context().run(ask, name)
        router.flush()

    assert {"ann", "ben"} <= set(heard)
    assert set(heard) <= {"ann", "ben"}
    assert WHO.get() == "nobody"


def test_events_and_logs_hold_neither_keys_nor_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = [SimModel("a/x:free", script=["401"] * 3), SimModel("b/y:free")]
    with World(models, [SimAccount(KEY)]) as world, caplog.at_level(logging.DEBUG, "freerouter"):
        router, seen = watched(world, api_key=KEY)
        with contextlib.suppress(FreeRouterError):
            router.chat("a secret wish")
        router.flush()
    shown = repr(seen) + "".join(repr(record.__dict__) for record in caplog.records)

    assert seen
    assert caplog.records
    assert KEY not in shown
    assert "secret wish" not in shown


@pytest.mark.parametrize("raised", [ValueError, SystemExit, asyncio.CancelledError])
def test_an_observer_that_raises_does_not_affect_others(raised: type[BaseException]) -> None:
    def fails(event: Event) -> None:
        raise raised

    with World([SimModel("a/x:free")]) as world:
        router = world.router()
        router.subscribe(fails)
        seen: list[Event] = []
        router.subscribe(seen.append)
        router.chat("hello")
        router.flush()

    assert [type(event) for event in seen][-1] is Answered


def test_a_hedge_that_lost_is_not_a_fallback() -> None:
    common: Any = {"provider": "p", "at": 0.0, "seconds": 1.0, "cause": ""}
    first = AttemptTrace(number=1, model="a", fault=None, status=200, **common)
    hedge = AttemptTrace(number=2, model="b", fault="cancelled", status=None, hedge=True, **common)
    trail = RequestTrace(1, 0.0, "auto", False, (hedge, first))
    answered = Answered(model="a", provider="p", attempts=2, seconds=1.0)

    assert counted(replace(answered, trail=trail))["fell_back"] == 0
    assert counted(answered)["fell_back"] == 1


def test_closing_while_an_observer_is_slow_raises_nothing() -> None:
    going, waiting = threading.Event(), threading.Event()

    def slow(event: Event) -> None:
        going.set()
        waiting.wait(30)

    with World([SimModel("a/x:free")]) as world:
        router = world.router()
        router.subscribe(slow)
        router.chat("hello")
        assert going.wait(30)
        closers = [threading.Thread(target=router.close) for _ in range(2)]
        failed: list[object] = []
        hook, threading.excepthook = threading.excepthook, failed.append
        try:
            for closer in closers:
                closer.start()
            waiting.set()
            for closer in closers:
                closer.join(30)
        finally:
            threading.excepthook = hook

    assert not failed


def test_an_observer_may_flush_and_close() -> None:
    with World([SimModel("a/x:free")]) as world:
        router = world.router()
        done = threading.Event()

        def ends(event: Event) -> None:
            if isinstance(event, Answered):
                router.flush()
                router.close()
                done.set()

        router.subscribe(ends)
        router.chat("hello")

        assert done.wait(5)
        assert router.chat("hello").text


def test_observers_get_events_in_order_and_flush_waits_for_them() -> None:
    seen: list[Event] = []
    with World(
        [SimModel("a/m:free", context=900_000, script=["empty"]), SimModel("b/m:free")]
    ) as world:
        router = world.router(strategy="context")
        stop = router.subscribe(seen.append)
        router.chat("x")
        world.runtime.flush()
        kinds = [type(event) for event in seen]
        stop()
        router.chat("y")
        world.runtime.flush()

    assert kinds == [
        ModelsFetched,
        ModelChosen,
        AttemptFailed,
        ModelChosen,
        Answered,
    ]
    assert len(seen) == len(kinds)
