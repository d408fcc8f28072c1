"""`/v1/embeddings` and `/v1/rerank` as OpenAI's SDK and plain HTTP see them; `freerouter embed`."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr
from starlette.testclient import TestClient

from freerouter_core.apps import rest
from freerouter_core.apps.cli.main import cli
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import listening

from ..embedding_worlds import embedder, of_space

MODELS = [
    embedder("acme/tiny-embed:free", first_token=0.0),
    SimModel("acme/rerank:free", reranks=True, first_token=0.0),
    SimModel("acme/chat:free", first_token=0.0),
]
TEXTS = ["the bridge opened in 1998", "bread and butter"]


@pytest.fixture
def world() -> Iterator[World[Clock]]:
    with World(MODELS, clock="real") as world:
        yield world


@pytest.fixture
def client(world: World[Clock]) -> Iterator[TestClient]:
    with TestClient(rest.app(world.router()), raise_server_exceptions=False) as client:
        yield client


def test_openais_sdk_and_langchains_class_work(world: World[Clock]) -> None:
    """OpenAI's SDK asks for base64, unasked."""
    with listening(rest.app(world.router())) as address:
        sdk = openai.OpenAI(base_url=f"{address}/v1", api_key="x")
        answer = sdk.embeddings.create(model="text-embedding-3-small", input=TEXTS)
        langchain = OpenAIEmbeddings(
            base_url=f"{address}/v1", api_key=SecretStr("x"), check_embedding_ctx_length=False
        )

        assert of_space([row.embedding for row in answer.data], TEXTS)
        assert answer.model == "tiny-embed"
        assert of_space(langchain.embed_documents(TEXTS), TEXTS)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/v1/embeddings"])
def test_vectors_cross_as_floats_or_as_base64(client: TestClient, path: str) -> None:
    floats = client.post(path, json={"model": "auto", "input": TEXTS}).json()
    packed = client.post(path, json={"input": TEXTS[0], "encoding_format": "base64"}).json()
    vector = array("f", base64.b64decode(packed["data"][0]["embedding"]))

    assert of_space([row["embedding"] for row in floats["data"]], TEXTS)
    assert of_space([vector], TEXTS[:1])
    assert floats["usage"]["total_tokens"] > 0
    assert packed["freerouter"]["cached"] == 1
    assert "tiny-embed" in floats["model"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "object"),
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [[1, 2, 3]]}, "tokens"),
        ({"input": [""]}, "empty"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "model": 3}, "model"),
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, body: Any, words: str) -> None:
    answer = client.post("/v1/embeddings", json=body)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_an_unknown_model_is_not_found(world: World[Clock], client: TestClient) -> None:
    """As OpenAI answers it, so that no client asks again."""
    answer = client.post("/v1/embeddings", json={"model": "acme/nope:free", "input": "x"})
    error = answer.json()["error"]
    theirs = client.post("/api/v1/embeddings", json={"model": "nope", "input": "x"}).json()["error"]

    assert answer.status_code == 404
    assert (error["type"], error["code"]) == ("invalid_request_error", "model_not_found")
    assert "tiny-embed" in error["message"]
    assert (theirs["code"], theirs["metadata"]["error_type"]) == (404, "not_found")
    with listening(rest.app(world.router())) as address:
        sdk = openai.OpenAI(base_url=f"{address}/v1", api_key="x")
        with pytest.raises(openai.NotFoundError):
            sdk.embeddings.create(model="acme/chat:free", input="x")


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"input": "word " * 20_000}, "cut it into chunks"),
        ({"input": "x", "dimensions": 7}, "leave model and dimensions out"),
    ],
)
def test_hints_speak_http(client: TestClient, body: dict[str, Any], hint: str) -> None:
    client.post("/v1/embeddings", json={"input": "first"})

    assert client.post("/v1/embeddings", json=body).json()["error"]["hint"] == hint


def test_ollamas_clients_get_vectors_in_their_words(client: TestClient) -> None:
    many = client.post("/api/embed", json={"model": "auto", "input": TEXTS}).json()
    one = client.post("/api/embed", json={"model": "tiny-embed", "input": TEXTS[0]}).json()
    old = client.post("/api/embeddings", json={"model": "auto", "prompt": TEXTS[1]}).json()

    assert of_space(many["embeddings"], TEXTS)
    assert many["model"] == "tiny-embed"
    assert many["prompt_eval_count"] > 0
    assert of_space([*one["embeddings"], old["embedding"]], TEXTS)
    for wrong, status in (({"model": "nope", "input": "x"}, 404), ({"input": 7}, 400)):
        answer = client.post("/api/embed", json=wrong)
        assert answer.status_code == status
        assert isinstance(answer.json()["error"], str)
    assert client.post("/api/embeddings", json={"model": "auto"}).status_code == 400


def test_texts_are_ranked_in_coheres_words(client: TestClient) -> None:
    asked = {"query": "when did the bridge open", "documents": [TEXTS[1], {"text": TEXTS[0]}]}
    answer = client.post("/v1/rerank", json={**asked, "top_n": 1, "return_documents": True}).json()

    assert [row["index"] for row in answer["results"]] == [1]
    assert answer["results"][0]["document"]["text"] == TEXTS[0]
    assert answer["freerouter"]["by"] == "reranker"
    for wrong in ({"query": "x"}, {**asked, "top_n": "x"}, {"documents": ["x"]}):
        assert client.post("/v1/rerank", json=wrong).status_code == 400


# -- the command -----------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: str | None = None) -> Any:
    monkeypatch.setenv("DEV_MODE", "true")
    return CliRunner().invoke(cli, ["embed", *arguments], input=stdin)


def test_the_command_embeds_arguments_lines_and_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_text("one\n\ntwo\n")
    given = run(monkeypatch, "one", "two")
    piped = run(monkeypatch, stdin="one\ntwo\n")
    read = run(monkeypatch, "--file", str(tmp_path / "lines.txt"), "--query", "--base64")
    rows = [json.loads(line) for line in given.stdout.splitlines()]

    assert [row["index"] for row in rows] == [0, 1]
    assert of_space([row["embedding"] for row in rows], ["one", "two"], "embed", 256)
    assert piped.stdout == given.stdout
    assert array("f", base64.b64decode(json.loads(read.stdout.splitlines()[1])["embedding"]))
    assert "2 vectors of embed (256 numbers)" in given.stderr


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, stdin="").exit_code == 2
    assert "split" in run(monkeypatch, "word " * 20_000).stderr
