"""What observers are told of each request: its whole way, in the context of whoever asked."""

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
    AttemptTrace,
    CalledOff,
    Event,
    GaveUp,
    RequestTrace,
    counted,
)
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.stream import Assembler

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
KEY = "sk-or-v1-observed-0123456789"


def watched(world: World[Clock], **policy: Any) -> tuple[Router, list[Event]]:
    router = world.router(**policy)
    seen: list[Event] = []
    router.subscribe(seen.append)
    return router, seen


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_tells_its_whole_way(streamed: bool) -> None:
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


def test_numbers_tell_requests_apart() -> None:
    with World([SimModel("a/x:free")]) as world:
        router, seen = watched(world)
        for _ in range(3):
            router.chat("hello")
        router.flush()

    assert len({e.trail.number for e in seen if isinstance(e, Answered) and e.trail}) == 3


def test_giving_up_tells_its_whole_way() -> None:
    with World([SimModel("a/x:free", script=["502"] * 9)]) as world:
        router, seen = watched(world, max_retries=0)
        with pytest.raises(Exhausted):
            router.chat("hello")
        router.flush()
    (event,) = [e for e in seen if isinstance(e, GaveUp)]

    assert (event.error, event.attempts, event.status) == ("Exhausted", 1, 502)
    assert event.trail is not None
    assert [t.fault for t in event.trail.tries] == ["busy"]


async def test_a_call_that_is_called_off_is_told_with_what_was_under_way() -> None:
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


def test_observers_find_the_caller_s_context() -> None:
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


def test_no_trail_and_no_log_of_it_holds_a_key_or_what_was_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = [SimModel("a/x:free", script=["401"] * 3), SimModel("b/y:free")]
    with World(models, [SimAccount(KEY)]) as world, caplog.at_level(logging.DEBUG, "freerouter"):
        router, seen = watched(world, api_key=KEY)
        with contextlib.suppress(FreeRouterError):
            router.chat("a secret wish")
        router.flush()
    told = repr(seen) + "".join(repr(record.__dict__) for record in caplog.records)

    assert seen
    assert caplog.records
    assert KEY not in told
    assert "secret wish" not in told


@pytest.mark.parametrize("raised", [ValueError, SystemExit, asyncio.CancelledError])
def test_an_observer_that_raises_keeps_nothing_from_others(raised: type[BaseException]) -> None:
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


def test_a_second_model_that_lost_is_no_fallback() -> None:
    common: Any = {"provider": "p", "at": 0.0, "seconds": 1.0, "cause": ""}
    first = AttemptTrace(number=1, model="a", fault=None, status=200, **common)
    hedge = AttemptTrace(number=2, model="b", fault="cancelled", status=None, hedge=True, **common)
    trail = RequestTrace(1, 0.0, "auto", False, (hedge, first))
    answered = Answered(model="a", provider="p", attempts=2, seconds=1.0)

    assert counted(replace(answered, trail=trail))["fell_back"] == 0
    assert counted(answered)["fell_back"] == 1


def test_a_letter_in_two_halves_is_one() -> None:
    assembler = Assembler("m")
    halves = [
        {"choices": [{"delta": {"content": part}}]} for part in ("a\ud83d", "\ude00b", "c\ud83d")
    ]
    deltas = [assembler.feed(half) for half in halves]
    rest = assembler.close()

    assert [delta.text for delta in (*deltas, rest) if delta is not None] == [
        "a",
        "\U0001f600b",
        "c",
        "\ufffd",
    ]
    assert assembler.answer().text == "a\U0001f600bc\ufffd"


def test_closing_amid_a_slow_observer_is_no_failure() -> None:
    going, held = threading.Event(), threading.Event()

    def slow(event: Event) -> None:
        going.set()
        held.wait(30)

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
            held.set()
            for closer in closers:
                closer.join(30)
        finally:
            threading.excepthook = hook

    assert not failed


def test_an_observer_may_close_and_flush() -> None:
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
