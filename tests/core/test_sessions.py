"""Sessions that keep their model while that is wise, recommendations in plain words, tasks, and what a router counts."""

from __future__ import annotations

from random import Random

import pytest
from langchain_core.load import dumpd

from freerouter_core import Model, Session
from freerouter_core.errors import BadSetting, Exhausted, NoCandidates
from freerouter_core.routing.health import HealthBook
from freerouter_core.routing.session_memory import KEPT, SessionMemory
from freerouter_core.routing.task import TASKS, analyse
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


def test_it_is_given_up_when_it_fails_and_after_half_an_hour() -> None:
    models = [SimModel("a/x:free", script=[None, "502"]), SimModel("b/x:free")]
    with World(models) as world:
        session = world.router().session("talk", model="a/x:free")
        for _ in range(3):
            session.chat("x")
        assert world.asked == ["a/x:free", "a/x:free", "b/x:free", "b/x:free"], (
            "it rests; who answered last goes on"
        )

        world.clock.advance(KEPT + 1)
        session.chat("x")
        assert world.asked[-1] == "a/x:free"
        assert session.stats().switches == 2


def test_a_model_that_has_become_unlikely_to_answer_is_not_kept() -> None:
    book, model = HealthBook(), Model("a")
    memory = SessionMemory("talk", model.id, model.identity, last=1_000.0)
    book.answered(model.identity, 900.0, first_token=None, seconds=1.0, tokens=10)
    assert memory.keeps(book, 1_001.0) == "a"

    for _ in range(3):
        book.failed(
            model.identity, Fault(Kind.BROKEN, Cause.EMPTY), 1_000.0, Random(0), longest=0.0
        )
    assert book.of(model.identity).bench <= 1_001.0
    assert memory.keeps(book, 1_001.0) is None


def test_what_a_session_remembers() -> None:
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


def test_several_steps_in_one_conversation() -> None:
    with World([SimModel("a/x:free")]) as world:
        session = world.router().session("steps")
        outcome = session.run([("plan", "plan it"), ("do", "do it")])
        said = [message["content"] for message in world.requests[-1].body["messages"]]

        assert said[0] == "plan it"
        assert said[2] == "do it"
        assert outcome.text
        assert [step.label for step in session.stats().steps] == ["plan", "do"]


def test_sessions_of_one_name_are_one_in_both_frameworks() -> None:
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


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Generate Python code for a web scraper", "code"),
        ("Prove that the square root of two is irrational, step by step", "reasoning"),
        ("Write a poem about the sea", "creative"),
        ("Summarise this whole book for me", "long_context"),
        ("What do you see in this image?", "vision"),
        ("Translate this letter, please", "multilingual"),
        ("Find the correlations in this dataset.csv", "data"),
        ("An agent that can search the web with tools", "tools"),
        ("Good morning", None),
    ],
)
def test_tasks_are_told_by_words(text: str, task: str | None) -> None:
    assert analyse(text).task == task


def test_a_task_brings_those_made_for_it_first() -> None:
    models = [*(SimModel(f"plain/m{n}:free") for n in range(5)), SimModel("acme/qwen-coder:free")]
    with World(models) as world:
        coder = [
            world.router(task=task, prefer="quality").explain("def f(): pass").candidates[0].id
            for task in ("code", "auto")
        ]
        asked = (
            ChatFreeRouter(router=world.router(prefer="quality"), task="code")
            .make_router()
            .explain("x")
        )

    assert coder == ["acme/qwen-coder:free"] * 2
    assert asked.candidates[0].id == "acme/qwen-coder:free"
    for make in (ChatFreeRouter, FreeRouter):
        with pytest.raises(BadSetting, match="code"):
            make(task="dancing")


def test_recommendations_in_plain_words_with_their_parts() -> None:
    models = [
        SimModel("acme/coder-70b:free", context=262_144),
        SimModel("acme/tiny-1b:free", context=8_192),
        SimModel("acme/eyes:free", inputs=("text", "image")),
    ]
    with World(models) as world:
        router = world.router()
        code = router.recommend("Generate Python code for neural networks", limit=2)
        seen = router.recommend("what is in this picture?")
        weighed = router.recommend("code", weights={"capability": 0.0, "context": 100.0})
        liked = router.recommend("x", provider_preference={"openrouter": 0.2})
        with pytest.raises(BadSetting, match="capability"):
            router.recommend("x", weights={"price": 1.0})

        assert not world.requests
    assert code[0].model.id == "acme/coder-70b:free"
    assert len(code) == 2
    assert set(code[0].parts) == {"capability", "context", "provider", "free", "availability"}
    assert code[0].score == pytest.approx(sum(code[0].parts.values()), abs=0.1)
    assert 0 <= code[1].score <= code[0].score <= 100
    assert "made for code" in code[0].reasons
    assert seen[0].model.id == "acme/eyes:free"
    assert weighed[0].model.context == 262_144
    assert liked[0].parts["provider"] == 5.0


def test_every_task_is_a_row_that_can_be_found() -> None:
    assert set(TASKS) == {
        "code",
        "reasoning",
        "creative",
        "data",
        "long_context",
        "vision",
        "tools",
        "multilingual",
    }


def test_what_is_counted() -> None:
    with World(
        [SimModel("a/x:free", script=["502", "403-harness"]), SimModel("b/x:free", tools=False)]
    ) as world:
        router = world.router(model="a/x:free")
        router.chat("x")
        with pytest.raises(Exhausted):
            world.router(model="a/x:free", fallback_models=(), timeout=2).chat("x")
        stats = router.stats()

    assert (stats.listed, stats.free, stats.capabilities["tools"]) == (2, 2, 1)
    assert (stats.answered, stats.gave_up, stats.attempts) == (1, 1, 3)
    assert stats.fallback_rate == 1.0
    assert stats.faults == {"busy": 1, "gone": 1}
    assert stats.errors == {"Exhausted": 1}
    assert stats.error_rates == {"a/x:free": 1.0, "b/x:free": 0.0}
    assert "1 answers" in str(stats)


def test_percentiles_and_kinds_of_fault_are_kept() -> None:
    with World([SimModel("a/x:free", script=["502"], first_token=1.0, jitter=0.0)]) as world:
        router = world.router()
        for _ in range(4):
            list(router.stream("x"))
        row = router.performance("a/x:free").rows[0]

    assert (row.answers, row.failures, row.faults) == (4, 1, {"busy": 1})
    assert row.first_token_p50 == pytest.approx(1.0, rel=0.13)
    assert row.p95 is not None
    assert row.speed is not None


def test_thresholds_that_leave_nobody_name_the_nearest() -> None:
    with World(
        [SimModel("a/7b:free", context=8_192), SimModel("b/70b:free", context=32_768)]
    ) as world:
        for policy, words in (
            ({"min_quality": 9.9}, "b/70b:free, has a quality prior"),
            ({"min_context": 100_000}, "b/70b:free, has 32,768 tokens"),
        ):
            with pytest.raises(NoCandidates, match=words):
                world.router(**policy).chat("x")


def test_an_opinion_of_ones_own_replaces_the_prior() -> None:
    with World([SimModel("a/7b:free"), SimModel("b/70b:free")]) as world:
        router = world.router(quality={"a/7b:free": 9.8}, min_quality=9.5001)

        assert [model.id for model in router.explain().candidates] == ["a/7b:free"]
