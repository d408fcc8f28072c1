"""What a router tells of embedding models and rerankers: lists, explanations, limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from freerouter_core import Limit, Provider, Router
from freerouter_core.apps import rest
from freerouter_core.apps.cli.main import cli
from freerouter_core.errors import BadRequest, BadSetting, NoCandidates
from freerouter_core.simulator import SimModel, World

from ..embedding_worlds import embedder, several

MODELS = [
    embedder("acme/tiny-embed:free"),
    embedder("acme/paid-embed", prompt_price="0.00001"),
    SimModel("acme/rerank:free", reranks=True),
    SimModel("acme/chat:free"),
]


def test_models_are_listed_by_what_they_are_asked_for() -> None:
    with World(MODELS) as world:
        router = world.router()

        assert [m.id for m in router.models()] == ["acme/chat:free"]
        listed = router.models("embedding")
        assert [m.id for m in listed] == ["acme/tiny-embed:free", "acme/paid-embed"]
        assert "vectors of tiny-embed" in str(listed.table().rows)
        assert [m.id for m in router.models("rerank")] == ["acme/rerank:free"]
        assert "ranks texts" in str(router.models("rerank").table().rows)
        free = router.with_options(show_free_only=True).models("embedding")
        assert [m.id for m in free] == ["acme/tiny-embed:free"]
        with pytest.raises(BadSetting, match="mode"):
            router.models("images")  # type: ignore[arg-type]


async def test_an_explanation_tells_the_space_the_order_and_why_not(tmp_path: Path) -> None:
    worlds = {"alpha": embedder(), "beta": embedder(), "gamma": embedder("acme/other-embed")}
    with several(worlds) as world:
        router = world.router()
        before = router.explain("a text", mode="embedding", pin=tmp_path)
        assert not any(world.worlds[name].requests for name in worlds)
        router.embed(["a text"], pin=tmp_path)
        world.runtime.state.health.reset()
        after = await router.aexplain("a text", mode="embedding", pin=tmp_path)

        assert before.space.startswith("space tiny-embed (not pinned yet): 2 usable providers")
        assert {m.provider for m in before.candidates} == {"alpha", "beta"}
        assert "another space" in str(before)
        assert after.space.startswith("space tiny-embed (pinned)")
        assert after.space in str(after)
        assert after.table().foot == after.space

        other = world.router("gamma").explain("a text", mode="embedding", pin=tmp_path)
        assert not other.candidates
        too_long = router.explain("word " * 9_000, mode="embedding", pin=tmp_path)
        assert "context of" in str(too_long)
        with pytest.raises(BadRequest, match="one text"):
            router.explain([], mode="embedding")


def test_rerankers_are_explained_and_without_embeddings_there_is_nothing_to_explain() -> None:
    with World(MODELS) as world:
        assert [m.id for m in world.router().explain("x", mode="rerank").candidates] == [
            "acme/rerank:free"
        ]
    with World([SimModel("acme/chat:free")]) as world, pytest.raises(NoCandidates):
        world.router().explain("x", mode="embedding")


def test_the_quota_counts_texts_where_the_provider_does() -> None:
    model = embedder("gemini-embedding-001", dimension=128, batch=100)
    with several({"gemini": model}, dialect="gemini") as world:
        provider = Provider("gemini", "https://gemini.test/v1", "k")
        router = Router(providers=[provider], runtime=world.runtime)
        router.embed(["one", "two", "three"], dimensions=128)
        lines = {str(line) for line in router.quota().lines}

    assert "gemini (gemini-embedding-001): 4 of 100 texts a minute" in lines
    assert "gemini (gemini-embedding-001): 4 of 1,000 texts a day" in lines


def test_limits_that_chats_share_are_told_once() -> None:
    with several({"alpha": [embedder(), SimModel("chat")]}) as world:
        provider = Provider("alpha", "https://alpha.test/v1", "k", limits=[Limit(50)])
        router = Router(providers=[provider], runtime=world.runtime)
        router.embed(["one"])
        router.chat("hi")

        assert [str(line) for line in router.quota().lines] == [
            "alpha (account): 2 of 50 requests a minute"
        ]


def test_over_http() -> None:
    with World(MODELS) as world, TestClient(rest.app(world.router())) as client:
        explained = client.get("/api/v1/explain?mode=embedding").json()
        listed = client.get("/api/v1/models/free?mode=embedding").json()
        theirs = client.get("/api/v1/embeddings/models").json()

        assert "tiny-embed" in explained["space"]
        assert listed["count"] == 1
        assert listed["models"][0]["space"] == "tiny-embed"
        assert listed["models"][0]["batch"] == 64
        assert [row["id"] for row in theirs["data"]] == ["acme/tiny-embed:free"]
        assert theirs["data"][0]["architecture"]["output_modalities"] == ["embeddings"]
        assert client.get("/api/v1/explain?mode=images").status_code == 422
        assert "space" not in client.get("/api/v1/explain").json()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models", "--mode", "embedding"], "vectors of embed"),
        (["models", "--mode", "rerank"], "ranks texts"),
        (["models", "--mode", "embedding", "--paid"], "0 models"),
        (["explain", "--mode", "embedding", "a text"], "space embed"),
    ],
)
def test_in_the_shell(monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str) -> None:
    monkeypatch.setenv("DEV_MODE", "true")

    def run(*more: str) -> Any:
        result = CliRunner().invoke(cli, [*arguments, *more])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert words in run()
    assert isinstance(json.loads(run("--json")), list)
