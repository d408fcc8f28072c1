"""Tasks and recommendations."""

from __future__ import annotations

import pytest

from freerouter_core.errors import BadSetting
from freerouter_core.routing.task import TASKS, analyse
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter


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
def test_a_task_is_recognised_by_its_words(text: str, task: str | None) -> None:
    assert analyse(text).task == task


def test_models_made_for_a_task_are_asked_first() -> None:
    models = [*(SimModel(f"plain/m{n}:free") for n in range(5)), SimModel("acme/qwen-coder:free")]
    with World(models) as world:
        coder = [
            world.router(task=task, prefer="quality").explain("def f(): pass").candidates[0].id
            for task in ("code", "auto")
        ]
        model = (
            ChatFreeRouter(router=world.router(prefer="quality"), task="code")
            .make_router()
            .explain("x")
        )

    assert coder == ["acme/qwen-coder:free"] * 2
    assert model.candidates[0].id == "acme/qwen-coder:free"
    for make in (ChatFreeRouter, FreeRouter):
        with pytest.raises(BadSetting, match="code"):
            make(task="dancing")


def test_recommendations_have_scores_in_parts_and_reasons() -> None:
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


def test_the_tasks_are_those_that_are_documented() -> None:
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


def test_a_model_that_never_answered_is_not_recommended_first() -> None:
    models = [
        SimModel("acme/big-coder-400b:free", context=262_144, script=["502"] * 9),
        SimModel("acme/tiny-1b:free", context=8_192),
    ]
    with World(models) as world:
        router = world.router(model="acme/big-coder-400b:free")
        before = router.recommend("Write Python code")
        router.chat("hello")
        world.clock.advance(3_600)
        after = router.recommend("Write Python code")

    assert before[0].model.id == "acme/big-coder-400b:free"
    assert [row.model.id for row in after] == ["acme/tiny-1b:free", "acme/big-coder-400b:free"]
    assert "no good answer" in after[1].reasons[-1]
