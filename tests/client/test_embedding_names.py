"""Names of embedding models: who serves none of that name says so, and nobody else suffers."""

from __future__ import annotations

import pytest

from freerouter_core.errors import Exhausted, NoCandidates
from freerouter_core.simulator import SimModel, World

from ..embedding_worlds import embedder, of_space, several

MODELS = [
    embedder("acme/tiny-embed:free"),
    SimModel("acme/rerank:free", reranks=True),
    SimModel("acme/chat:free"),
]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nope", ""),
        ("acme/nope:free", ""),
        ("bge-m3", ""),
        ("tiny-embedd", "did you mean 'tiny-embed'"),
        ("openrouter:nope", "not known to be free"),
        ("gemini:gemini-embedding-001", "has no key"),
        ("acme/chat:free", ""),
        ("acme/rerank:free", ""),
    ],
)
def test_a_model_that_nobody_serves_is_unknown_and_nothing_is_sent(name: str, words: str) -> None:
    with World(MODELS) as world:
        with pytest.raises(NoCandidates) as caught:
            world.router().embed(["x"], model=name)

        assert caught.value.status_code == 404
        assert repr(name) in str(caught.value)
        assert "served here: tiny-embed" in str(caught.value.hint)
        assert words in str(caught.value)
        assert not [seen for seen in world.requests if "input" in seen.body]


@pytest.mark.parametrize("name", ["alpha:nope", "alpha:chat"])
def test_a_name_that_was_believed_is_unknown_once_its_provider_says_so(name: str) -> None:
    """A provider whose list says nothing of embeddings is asked. What it answers is no fault of the
    chat model of that name, which goes on."""
    with several({"alpha": [embedder(), SimModel("chat")]}) as world:
        router = world.router()
        assert router.chat("hi").answer.model == "chat"
        for _ in range(2):
            with pytest.raises(NoCandidates, match="no provider of this router") as caught:
                router.embed(["x"], model=name)
            assert caught.value.status_code == 404
        router.rerank("x", ["y", "z"], model=name)

        assert router.chat("hi again").answer.model == "chat"
        assert of_space(router.embed(["x"]).vectors, ["x"])


def test_a_model_that_only_fails_now_is_not_unknown() -> None:
    models = [embedder("acme/odd", script=["429-day"] * 9), SimModel("chat")]
    with several({"alpha": models}) as world, pytest.raises(Exhausted):
        world.router(max_wait=1.0).embed(["x"], model="alpha:acme/odd")


def test_a_model_that_costs_is_known() -> None:
    paid = embedder("acme/tiny-embed", prompt_price="0.00001")
    with World([paid, SimModel("a/chat:free")]) as world:
        with pytest.raises(NoCandidates, match="allow_paid") as caught:
            world.router().embed(["x"], model="tiny-embed")
        assert caught.value.status_code is None
