"""Tasks and what is recommended for a request in plain words."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.errors import BadSetting
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.recommend import WEIGHTS, Recommendation, check_wish, recommend
from freerouter_core.routing.task import LONG_PROMPT, MAX_TEXT, Analysis, analyse, aptitude

from .driver import NOW, busy, model

A, B = model("a", context=262_144), model("b", "two", context=4_096)


# -- tasks --------------------------------------------------------------------------------------


def test_the_task_with_most_words_is_the_likeliest() -> None:
    analysis = analyse("Solve this equation and prove it, then write code.")

    assert analysis.matches == (
        ("reasoning", ("solve", "equation", "prove")),
        ("code", ("code",)),
    )
    assert analysis.task == "reasoning"


def test_of_equals_the_earlier_task_and_each_word_once() -> None:
    analysis = analyse("Code and CODE and a poem")

    assert analysis.matches == (("code", ("code",)), ("creative", ("poem",)))


def test_a_text_without_such_words_is_no_task() -> None:
    assert analyse("Good morning") == Analysis(context=0)
    assert analyse("Good morning").task is None
    assert analyse("x" * MAX_TEXT + " python").task is None


@pytest.mark.parametrize(
    ("tokens", "task"), [(LONG_PROMPT - 1, None), (LONG_PROMPT, "long_context")]
)
def test_a_long_prompt_is_a_task_of_its_own(tokens: int, task: str | None) -> None:
    analysis = analyse("Good morning", tokens)

    assert analysis.task == task
    assert analysis.context == (128_000 if task else tokens)


def test_a_task_says_what_a_model_must_have() -> None:
    assert analyse("what do you see in this image").capabilities == {"vision"}
    assert analyse("Summarise it", 200_000).context == 200_000


@pytest.mark.parametrize(
    ("changes", "task", "points"),
    [
        ({}, "code", 0.0),
        ({"name": "qwen-coder"}, "code", 1.5),
        ({"name": "qwq", "parameters": frozenset({"reasoning"})}, "reasoning", 2.5),
        ({"inputs": frozenset({"image"})}, "vision", 1.0),
        ({"context": 128_000}, "long_context", 1.0),
        ({"context": 127_999}, "long_context", 0.0),
        ({"name": "qwen-coder"}, None, 0.0),
        ({"name": "qwen-coder"}, "unknown", 0.0),
    ],
)
def test_what_a_model_gains_at_a_task(
    changes: dict[str, Any], task: str | None, points: float
) -> None:
    assert aptitude(model(**{"name": "a", **changes}), task) == points


# -- recommendations ----------------------------------------------------------------------------


def best(*models: Model, text: str = "", book: HealthBook | None = None, **more: Any) -> Any:
    arguments: dict[str, Any] = {"capabilities": (), "preference": {}, "weights": WEIGHTS, **more}
    return recommend(models, analyse(text), book=book or HealthBook(), now=NOW, **arguments)


def test_a_score_is_the_sum_of_its_parts() -> None:
    (row,) = best(A)

    assert row.parts == {
        "capability": 36.0,
        "context": 15.0,
        "provider": 25.0,
        "free": 10.0,
        "availability": 2.5,
    }
    assert (row.score, row.reasons) == (88.5, ("nothing speaks against it",))
    assert str(row) == (
        f" 88.5  {'a':50} capability 36.0, context 15.0, provider 25.0, free 10.0, "
        "availability 2.5  (nothing speaks against it)"
    )


def test_the_best_comes_first_and_of_equals_the_first_by_name() -> None:
    rows = best(model("c"), B, model("a"))

    assert [row.model.id for row in rows] == ["a", "c", "b"]


def test_reasons_name_what_a_model_has_and_lacks() -> None:
    blind = model("a", parameters=frozenset({"tools"}))
    (row,) = best(blind, text="what is in this image", capabilities=("tools", "tools"))

    assert row.reasons == ("has tools", "lacks vision")
    assert row.parts["capability"] == round(45.0 * (0.6 * 0.5 + 0.4 * 0.5), 2)


def test_reasons_name_a_model_made_for_the_task_and_a_small_window() -> None:
    (row,) = best(
        model("qwen-coder", context=4_096), text="Summarise this python code, class, def f("
    )

    assert row.reasons == (
        "made for code",
        "its 4,096 tokens of context may not suffice",
    )
    assert row.parts["context"] == 0.0


@pytest.mark.parametrize(("context", "points"), [(0, 0.0), (32_768, 3.75), (10**9, 7.5)])
def test_half_of_the_contexts_points_are_for_its_size(context: int, points: float) -> None:
    rows = best(model("a", context=context), text="Summarise it")
    enough = 7.5 if context >= 128_000 else 0.0

    assert rows[0].parts["context"] == points + enough


def test_preferred_providers_gain_and_others_get_a_half() -> None:
    points = [
        best(A, preference=preference)[0].parts["provider"]
        for preference in ({}, {"one": 1.0}, {"one": 0.2}, {"two": 1.0}, {"one": 9.0})
    ]
    assert points == [25.0, 25.0, 5.0, 12.5, 25.0]


def test_a_benched_model_is_not_available() -> None:
    book = HealthBook()
    book.answered(A.identity, NOW - 1.0, first_token=1.0, seconds=2.0, tokens=45)
    (row,) = best(A, book=book)
    assert row.parts["availability"] == round(5.0 * book.models[A.identity].odds(NOW)[0], 2)

    book.failed(A.identity, busy(), NOW, Random(0))
    (row,) = best(A, book=book)
    assert row.parts["availability"] == 0.0
    assert row.reasons == ("resting after a failure",)


def test_a_paid_model_gets_no_points_for_being_free() -> None:
    (row,) = best(model("p", free=False), weights={**WEIGHTS, "capability": 0.0})

    assert (row.parts["free"], row.parts["capability"]) == (0.0, 0.0)
    assert isinstance(row, Recommendation)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((7, 1, {}, {}), "text must be a string, not int"),
        (("x", 0, {}, {}), "limit=0 must be 1 or more"),
        (("x", 1.5, {}, {}), "limit=1.5 must be 1 or more"),
        (("x", 1, {}, {"speed": 1.0}), "no part is called 'speed'"),
        (("x", 1, {"one": -1.0}, {}), "one=-1.0 must be a number, 0 or more"),
        (("x", 1, {"one": float("inf")}, {}), "one=inf must be a number"),
        (("x", 1, {"one": True}, {}), "one=True must be a number"),
        (("x", 1, {}, {"free": "9"}), "free='9' must be a number"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        check_wish(*arguments)


def test_a_sound_wish_passes() -> None:
    check_wish("x", 1, {"one": 0}, {"free": 0.0})
