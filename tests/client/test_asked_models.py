"""A model that was asked for by name and cannot be used: who is told, and what."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from freerouter_core import Router, errors
from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.client.asked_model import nearest_free
from freerouter_core.simulator import SimModel, World

FREE = [
    "iris/coder:free",
    "deepseek/deepseek-chat-v3.1:free",
    "z-ai/glm-4.5-air:free",
    "openai/gpt-oss-20b:free",
    "groq:openai/gpt-oss-120b",
]
MODELS = Catalogue.of([Model(name, context=n, free=True) for n, name in enumerate(FREE)], 0.0)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("z-ai/glm-4.5-air", "z-ai/glm-4.5-air:free"),
        ("GLM-4.5-Air", "z-ai/glm-4.5-air:free"),
        ("zai/glm-4.5-air:free", "z-ai/glm-4.5-air:free"),
        ("gpt-oss-120b", "groq:openai/gpt-oss-120b"),
        ("openai/gpt-oss-20", "openai/gpt-oss-20b:free"),
        ("deepseek/deepseek-chat-v3", "deepseek/deepseek-chat-v3.1:free"),
        ("totally/else", None),
        ("nosuch/model", None),
        ("x" * 500, None),
    ],
)
def test_the_nearest_free_spelling_is_suggested(name: str, nearest: str | None) -> None:
    assert nearest_free(name, MODELS) == nearest
    assert nearest_free(name, Catalogue()) is None


def world() -> World:
    return World(
        [SimModel("acme/able:free"), SimModel("acme/able", prompt_price="1", completion_price="1")]
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("acme/able", "not free; allow_paid=True would permit it"),
        ("acme/abel", "not listed, and not known to be free"),
        ("acme/abel:free", "its provider has no such model"),
        ("grok:able", "its provider is not among the router's"),
    ],
)
def test_one_warning_says_why_and_who_answers_instead(
    name: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with world() as w, caplog.at_level(logging.WARNING, logger="freerouter"):
        router = w.router(model=name)
        outcomes = [router.chat("hello") for _ in range(2)]
        outcomes.append(w.router().chat("hello"))

    [text] = [r.getMessage() for r in caplog.records if "cannot be used" in r.getMessage()]
    assert f"model {name!r} was asked for and cannot be used: {why}" in text
    assert "acme/able:free answers instead; did you mean 'acme/able:free'?" in text
    assert [o.metadata["requested_model"] for o in outcomes] == [name, name, "acme/able:free"]
    assert {o.metadata["model_id"] for o in outcomes} == {"acme/able:free"}


@pytest.mark.parametrize("name", ["acme/able", "acme/abel", "acme/abel:free", "grok:able"])
def test_without_others_the_error_suggests_the_nearest(name: str) -> None:
    with world() as w, pytest.raises(errors.FreeRouterError) as caught:
        w.router(model=name, fallback_models=()).chat("hello")

    assert "did you mean 'acme/able:free'?" in (caught.value.hint or "")
    assert len(w.requests) == ("abel:free" in name)


def test_a_model_of_the_request_is_asked_for_too(caplog: pytest.LogCaptureFixture) -> None:
    from freerouter_core import ChatRequest

    with world() as w, caplog.at_level(logging.WARNING, logger="freerouter"):
        outcome = w.router(model="acme/able:free").chat(
            ChatRequest.of("hello").but(model="acme/able")
        )

    assert outcome.metadata["requested_model"] == "acme/able"
    assert "model 'acme/able' was asked for" in caplog.text


def test_a_model_that_only_fails_for_a_while_is_no_reason_to_warn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = [SimModel("a/busy:free", script=["503"]), SimModel("b/other:free")]
    with World(models) as w, caplog.at_level(logging.WARNING, logger="freerouter"):
        outcome = w.router(model="a/busy:free").chat("hello")

    assert outcome.metadata["requested_model"] == "a/busy:free"
    assert outcome.metadata["model_id"] == "b/other:free"
    assert "cannot be used" not in caplog.text


def test_a_dead_provider_is_named(caplog: pytest.LogCaptureFixture) -> None:
    models = [SimModel("a/dead:free", script=["refused"] * 9), SimModel("b/other:free")]
    with World(models) as w, caplog.at_level(logging.WARNING, logger="freerouter"):
        w.router(model="a/dead:free").chat("hello")

    assert "its provider openrouter cannot be reached; b/other:free answers instead" in caplog.text


def test_nobody_is_warned_who_asked_for_any_model(caplog: pytest.LogCaptureFixture) -> None:
    with world() as w, caplog.at_level(logging.WARNING, logger="freerouter"):
        router: Any = w.router()
        assert isinstance(router, Router)
        router.chat("hello")

    assert "asked for" not in caplog.text


def test_a_name_in_another_case_is_the_same_model(caplog: pytest.LogCaptureFixture) -> None:
    with world() as w, caplog.at_level(logging.WARNING, logger="freerouter"):
        router = w.router(model="Acme/Able:free", fallback_models=())
        assert [router.chat("x").text for _ in range(2)]
        assert not caplog.records
