"""Sessions keep to one model while it does well."""

from __future__ import annotations

from random import Random

import pytest
from langchain_core.load import dumpd

from freerouter_core import Model, Session
from freerouter_core.errors import BadSetting, Exhausted
from freerouter_core.routing.guessed_bench import BenchRule
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.session_memory import MAX_IDLE, SessionMemory
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

MANY = [SimModel(f"m{n}/x:free") for n in range(8)]


def test_a_conversation_keeps_its_model() -> None:
    with World(MANY) as world:
        session = world.router(strategy="random").session("talk")
        for turn in range(10):
            session.chat(f"turn {turn}")

        assert len(set(world.asked)) == 1


def test_a_session_gives_up_a_model_that_fails_or_was_idle_for_half_an_hour() -> None:
    models = [SimModel("a/x:free", script=[None, "502"]), SimModel("b/x:free")]
    with World(models) as world:
        session = world.router().session("talk", model="a/x:free")
        for _ in range(3):
            session.chat("x")
        assert world.asked == ["a/x:free", "a/x:free", "b/x:free", "b/x:free"], (
            "it rests; who answered last goes on"
        )

        world.clock.advance(MAX_IDLE + 1)
        session.chat("x")
        assert world.asked[-1] == "a/x:free"
        assert session.stats().switches == 2


def test_a_session_gives_up_a_model_that_is_unlikely_to_answer() -> None:
    book, model = HealthBook(), Model("a")
    memory = SessionMemory(name="talk", model=model.id, identity=model.identity, last=1_000.0)
    book.answered(model.identity, 900.0, first_token=None, seconds=1.0, tokens=10)
    assert memory.keeps(book, 1_001.0) == "a"

    for _ in range(3):
        book.failed(
            model.identity,
            Fault(Kind.BROKEN, Cause.EMPTY),
            1_000.0,
            Random(0),
            rule=BenchRule(longest=0.0),
        )
    assert book.of(model.identity).benched_until <= 1_001.0
    assert memory.keeps(book, 1_001.0) is None


def test_a_session_remembers_its_steps() -> None:
    with World(
        [
            SimModel("a/x:free", script=["502", None]),
            SimModel("b/x:free", script=[None, "402", "402"]),
        ]
    ) as world:
        session = world.router(max_retries=1).session(
            "job", model="a/x:free", fallback_models=["b/x:free"]
        )
        session.chat("x", "draft")
        with pytest.raises(Exhausted):
            world.router(model="b/x:free", fallback_models=(), session_name="job").chat("x")
        stats = session.stats()

    assert (stats.calls, stats.answered, stats.success, stats.attempts) == (2, 1, 0.5, 4)
    assert [(step.label, step.model, step.error) for step in stats.steps] == [
        ("draft", "b/x:free", ""),
        ("", "", "Exhausted"),
    ]
    assert stats.models == {"b/x:free": 1}
    assert "50% answered" in str(stats)


def test_run_takes_several_steps_in_one_conversation() -> None:
    with World([SimModel("a/x:free")]) as world:
        session = world.router().session("steps")
        outcome = session.run([("plan", "plan it"), ("do", "do it")])
        contents = [message["content"] for message in world.requests[-1].body["messages"]]

        assert contents[0] == "plan it"
        assert contents[2] == "do it"
        assert outcome.text
        assert [step.label for step in session.stats().steps] == ["plan", "do"]


def test_both_frameworks_share_a_session_by_its_name() -> None:
    with World(MANY) as world:
        router = world.router(strategy="random")
        session = router.session("shared")
        for _ in range(3):
            ChatFreeRouter(router=router, session="shared").invoke("x")
            FreeRouter(router=router, session=session).complete("x")

        assert len(set(world.asked)) == 1
        assert session.stats().calls == 6
        assert dumpd(ChatFreeRouter(session=session))["kwargs"]["session"] == "shared"


def test_a_session_needs_a_name() -> None:
    with World(MANY) as world:
        with pytest.raises(BadSetting):
            world.router().session("")
        with pytest.raises(BadSetting):
            Session(world.router())
        with pytest.raises(BadSetting):
            ChatFreeRouter(session=3)  # type: ignore[arg-type]  # refused, whatever its type
