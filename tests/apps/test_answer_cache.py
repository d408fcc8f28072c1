"""Kept answers over HTTP, in the shell and in metrics."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from freerouter_core.apps import rest
from freerouter_core.apps.cli.main import cli
from freerouter_core.apps.metrics import Metrics
from freerouter_core.simulator import SimModel, World

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def world() -> Iterator[World[Any]]:
    numbers = itertools.count(1)
    model = SimModel(
        "acme/a:free", first_token=0.0, speed=1e6, says=lambda _: f"answer {next(numbers)}"
    )
    with World([model], clock="real") as world:
        yield world


def text_of(response: Any) -> str:
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


def test_the_service_keeps_answers_and_asks_anew_if_told(world: World[Any]) -> None:
    with TestClient(rest.app(world.router(answer_cache="memory"))) as client:
        first, again = client.post(PATH, json=BODY), client.post(PATH, json=BODY)
        assert text_of(first) == text_of(again) == "answer 1"
        assert "cached" not in first.json()["freerouter"]
        assert again.json()["freerouter"]["cached"]["model"] == "acme/a:free"
        assert "left_out" not in again.json()["freerouter"]
        assert text_of(client.post(PATH, json={**BODY, "fresh": True})) == "answer 2"
        header = {"cache-control": "no-cache"}
        assert text_of(client.post(PATH, json=BODY, headers=header)) == "answer 3"
        several = [client.post(PATH, json={**BODY, "n": 2}).json() for _ in range(2)]
        said = [{choice["message"]["content"] for choice in each["choices"]} for each in several]
        assert said == [{"answer 3", "answer 4"}] * 2
        streamed = client.post(PATH, json={**BODY, "stream": True}).text
        assert "answer 3" in streamed


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", BODY),
        ("/api/v1/chat/completions", BODY),
        ("/v1/completions", {"prompt": "hi"}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/messages", {**BODY, "model": "auto", "max_tokens": 99}),
        ("/api/chat", BODY),
    ],
)
def test_every_api_keeps_answers_and_asks_anew_if_told(
    world: World[Any], path: str, body: dict[str, Any], stream: bool
) -> None:
    body = {**body, "stream": stream}
    with TestClient(rest.app(world.router(answer_cache="memory"))) as client:

        def said(**fields: Any) -> str:
            response = client.post(path, json={**body, **fields})
            assert response.status_code == 200, response.text
            return joined(response.text)

        def said_by_header() -> str:
            return joined(client.post(path, json=body, headers=NO_CACHE).text)

        assert [said(), said(), said(fresh=False)] == ["answer 1"] * 3
        assert [said(fresh=True), said(), said_by_header(), said()] == [
            "answer 2", "answer 2", "answer 3", "answer 3",
        ]  # fmt: skip
    assert len(world.asked) == 3


NO_CACHE = {"cache-control": "no-cache"}


def joined(written: str) -> str:
    """The answer in a body or a stream of any API."""
    whole = re.findall(r"answer \d+", written)
    if whole:
        assert len(set(whole)) == 1
        return str(whole[0])
    pieces = re.findall(r'"(?:content|text|delta)": ?"([^"]*)"', written)
    return "".join(pieces)


def test_each_of_several_tokens_has_answers_of_its_own(world: World[Any]) -> None:
    def ask(client: TestClient, token: str, **fields: Any) -> Any:
        header = {"authorization": f"Bearer {token}"}
        return client.post(PATH, json={**BODY, **fields}, headers=header)

    with TestClient(rest.app(world.router(answer_cache="memory"), token=["ada", "bob"])) as client:
        said = [text_of(ask(client, token)) for token in ("ada", "bob", "ada", "bob")]
        assert said == ["answer 1", "answer 2"] * 2
        assert "answer 1" in ask(client, "ada", stream=True).text
        assert ask(client, "eve").status_code == 401
    with TestClient(rest.app(world.router(answer_cache="memory"), token="ada")) as client:
        assert [text_of(ask(client, "ada")) for _ in range(2)] == ["answer 3"] * 2


def test_metrics_count_what_looks_came_to(world: World[Any]) -> None:
    router = world.router(answer_cache="memory")
    metrics = Metrics(router)
    for _ in range(3):
        router.chat("hi")
    told = asyncio.run(metrics.exposition())
    metrics.close()
    for result, count in (("hit", 2), ("miss", 1), ("stored", 1)):
        assert f'freerouter_answer_cache_total{{result="{result}"}} {count}.0' in told


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["cache", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_and_clears_without_a_key(world: World[Any], tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/x.db"
    router = world.router(answer_cache=place)
    router.chat("hi")
    router.close()
    assert run("stats", "--store", place).startswith("1 answer, ")
    assert json.loads(run("stats", "--json", "--store", place))["entries"] == 1
    assert "answer 1" in run("show", "--store", place)
    (shown,) = json.loads(run("show", "--json", "--store", place))
    assert (shown["model"], shown["text"]) == ("acme/a:free", "answer 1")
    assert run("clear", "--older", "1d", "--store", place) == "0 answers forgotten\n"
    assert run("clear", "--store", place) == "1 answer forgotten\n"
    assert run("stats", "--store", place) == "0 answers, 0 bytes\n"
    assert run("clear") == "0 answers forgotten\n"
    assert CliRunner().invoke(cli, ["cache", "clear", "--older", "soon"]).exit_code == 2
