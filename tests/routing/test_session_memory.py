"""What is remembered of a session, and which model it keeps."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core.errors import Exhausted
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.session_memory import (
    MAX_IDLE,
    MAX_SESSIONS,
    MAX_STEPS,
    MIN_CHANCE,
    SessionMemory,
    Step,
    memory_of,
)

from .driver import NOW, Play, answers, busy, fails, likely, model, plan, play

A, B = model("a"), model("b", "two")


def remembering(*names: str) -> SessionMemory:
    """These models answered, in order."""
    memory = SessionMemory(name="s")
    for name in names:
        m = {"a": A, "b": B}[name]
        memory.answered("step", Play(plan(m), {name: answers()}).run(), 1.0, NOW)
    return memory


def test_the_model_that_answered_last_is_kept() -> None:
    assert remembering("a", "b").keeps(HealthBook(), NOW) == "b"
    assert SessionMemory(name="s").keeps(HealthBook(), NOW) is None


def test_half_an_hour_without_an_answer_ends_it() -> None:
    memory = remembering("a")

    assert memory.keeps(HealthBook(), NOW + MAX_IDLE) == "a"
    assert memory.keeps(HealthBook(), NOW + MAX_IDLE + 1.0) is None


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({}, True),
        ({"benched_until": NOW + 1.0}, False),
        ({"benched_until": NOW}, True),
        ({"gone": NOW - 60.0}, False),
        ({"availability": likely(MIN_CHANCE)}, True),
        ({"availability": likely(MIN_CHANCE - 0.01)}, False),
    ],
)
def test_a_benched_gone_or_unlikely_model_is_given_up(record: dict[str, Any], kept: bool) -> None:
    book = HealthBook()
    book.sent(A.identity, NOW)
    for name, value in record.items():
        setattr(book.models[A.identity], name, value)

    assert (remembering("a").keeps(book, NOW) == "a") is kept


def test_the_sessions_model_comes_before_models_that_were_not_named() -> None:
    policy = Policy(preferred=("x", "y", "a", "z"))
    kept = remembering("a").keeping(policy, HealthBook(), NOW)

    assert (kept.kept, kept.preferred) == ("a", ("x", "a", "y", "z"))
    other = remembering("b").keeping(policy, HealthBook(), NOW)
    assert (other.kept, other.preferred) == ("b", policy.preferred)
    first = remembering("a").keeping(Policy(preferred=("a", "y")), HealthBook(), NOW)
    assert first.preferred == ("a", "y")


def test_without_a_kept_model_the_policy_stays() -> None:
    policy, book = Policy(), HealthBook()
    book.failed(A.identity, busy(), NOW, Random(0))

    assert remembering("a").keeping(policy, book, NOW) is policy


def test_steps_and_switches_are_counted() -> None:
    memory = remembering("a", "a", "b")
    with pytest.raises(Exhausted) as error:
        Play(plan(A, max_retries=1), {"a": fails()}).run()
    memory.failed("last", error.value, 9.0)
    memory.failed("odd", ValueError("x"), 1.0)

    assert memory.switches == 1
    assert list(memory.steps)[2:] == [
        Step("step", "b", 1.0, 1),
        Step("last", "", 9.0, 2, "Exhausted"),
        Step("odd", "", 1.0, 0, "ValueError"),
    ]
    assert memory.steps.maxlen == MAX_STEPS


def test_a_kept_answer_is_a_step_that_asked_nobody() -> None:
    memory = remembering("a")
    outcome = play(plan(B), {"b": answers()}).outcome
    assert outcome is not None
    memory.reused("again", outcome, 0.5)

    assert list(memory.steps)[-1] == Step("again", "b", 0.5, 0)
    assert (memory.model, memory.switches) == ("a", 0)


def test_sessions_of_one_name_share_their_memory() -> None:
    sessions: dict[str, SessionMemory] = {}
    memory = memory_of(sessions, "s", NOW)

    assert memory_of(sessions, "s", NOW + 5.0) is memory
    assert memory.used == NOW + 5.0


def test_the_least_recently_used_session_is_forgotten() -> None:
    sessions: dict[str, SessionMemory] = {}
    for n in range(MAX_SESSIONS):
        memory_of(sessions, str(n), NOW + n)
    memory_of(sessions, "0", NOW + 1e6)
    memory_of(sessions, "new", NOW + 1e6)

    assert len(sessions) == MAX_SESSIONS
    assert "0" in sessions
    assert "1" not in sessions
