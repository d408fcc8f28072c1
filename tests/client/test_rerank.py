"""`Router.rerank`: rerankers with failover, and a chat model's judgement where none is usable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.client.embedding.rerank_job import read_judgement
from freerouter_core.errors import BadRequest, FreeRouterError, NoCandidates
from freerouter_core.simulator import SimModel, World

TEXTS = ["the tower is tall", "the bridge opened in 1998", "bread and butter"]
QUERY = "when was the bridge opened"
CHAT = SimModel("acme/chat:free")


def test_a_reranker_puts_texts_in_order() -> None:
    with World([CHAT, SimModel("acme/rerank:free", reranks=True)]) as world:
        ranked = world.router().rerank(QUERY, TEXTS)

        assert ranked.order[0] == ranked[0].index == 1
        assert sorted(ranked.order) == [0, 1, 2]
        assert [r.score for r in ranked] == sorted((r.score for r in ranked), reverse=True)
        assert (ranked.by, ranked.model, ranked.provider) == (
            "reranker", "acme/rerank:free", "openrouter",
        )  # fmt: skip
        assert len(world.router().rerank(QUERY, TEXTS, top_n=2)) == 2
        assert ranked[:1] == ranked.ranking[:1]


async def test_another_reranker_follows_one_that_fails_and_that_is_told() -> None:
    models = [
        SimModel("acme/rerank-a:free", reranks=True, script=["empty"]),
        SimModel("acme/rerank-b:free", reranks=True, first_token=1.0),
    ]
    with World(models) as world:
        ranked = await world.router().arerank(QUERY, TEXTS, model="acme/rerank-a:free")

        assert ranked.model == "acme/rerank-b:free"
        assert [a["fault"] for a in ranked.attempts] == ["broken", None]


@pytest.mark.parametrize("count", [3, 45])
def test_without_a_reranker_a_chat_model_judges_and_that_is_told(count: int) -> None:
    texts = (TEXTS * 15)[:count]
    with World([CHAT]) as world:
        ranked = world.router().rerank(QUERY, texts)

        assert ranked.by == "chat"
        assert "no model" in ranked.why
        assert texts[ranked.order[0]] == TEXTS[1]
        assert sorted(ranked.order) == list(range(count))
        assert len(world.requests) == (count + 19) // 20


def test_a_judgement_that_leaves_texts_out_is_no_answer() -> None:
    def half(_: Any) -> str:
        return json.dumps({"scores": [{"index": 0, "score": 3}]})

    sloppy = SimModel("acme/sloppy:free", says=half, first_token=0.01)
    with World([sloppy, CHAT]) as world:
        ranked = world.router(model="acme/sloppy:free").rerank(QUERY, TEXTS)

        assert ranked.model == "acme/chat:free"
        assert world.asked[0] == "acme/sloppy:free"


def test_a_chat_model_may_be_forbidden_to_judge() -> None:
    with World([CHAT]) as world:
        with pytest.raises(NoCandidates):
            world.router().rerank(QUERY, TEXTS, chat=False)
        assert not world.requests


def test_with_nobody_at_all_it_is_an_error() -> None:
    reranker = SimModel("acme/rerank:free", reranks=True, script=["401"] * 9)
    with World([reranker]) as world, pytest.raises(FreeRouterError):
        world.router(timeout=9.0).rerank(QUERY, TEXTS)


def test_no_texts_cost_nothing() -> None:
    with World([CHAT]) as world:
        assert len(world.router().rerank(QUERY, [])) == 0
        assert not world.requests


@pytest.mark.parametrize(
    ("query", "texts", "options"),
    [("", TEXTS, {}), (" ", TEXTS, {}), (None, TEXTS, {}), (QUERY, [""], {}), (QUERY, "text", {}),
     (QUERY, TEXTS, {"top_n": 0})],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(query: Any, texts: Any, options: Any) -> None:
    with World([CHAT]) as world, pytest.raises(BadRequest):
        world.router().rerank(query, texts, **options)


@pytest.mark.parametrize("text", ["[]", "{}", '{"scores": [{"index": "x", "score": 1}]}', "x"])
def test_a_text_that_is_no_judgement_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_judgement(text, 1)
