"""`freerouter serve` as curl sees it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from freerouter_core.simulator import SimModel, World

from ..conftest import Serve
from .conftest import TOKEN, program, service


@pytest.fixture
def address(serve: Serve, tmp_path: Path) -> Iterator[str]:
    world = World([SimModel("acme/a:free", first_token=0.01, speed=5e3)], clock="real")
    with service(serve(world), tmp_path, "--token", TOKEN) as address:
        yield address


def curl(*arguments: str) -> str:
    done = subprocess.run(
        [
            program("curl"),
            "--silent",
            "--show-error",
            "--no-buffer",
            "--max-time",
            "30",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def ask(address: str, **more: object) -> list[str]:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **more}
    headers = ("-H", f"Authorization: Bearer {TOKEN}", "-H", "Content-Type: application/json")
    return [f"{address}/v1/chat/completions", *headers, "-d", json.dumps(body)]


def test_curl_gets_a_whole_answer(address: str) -> None:
    answer = json.loads(curl(*ask(address)))

    assert answer["choices"][0]["message"]["content"].endswith("You said: hello")
    assert answer["model"] == "acme/a:free"


def test_curl_gets_a_streamed_answer(address: str) -> None:
    lines = [line for line in curl(*ask(address, stream=True)).splitlines() if line]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]

    assert lines[-1] == "data: [DONE]"
    assert "".join(
        c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]
    ).endswith("hello")


def test_a_missing_token_is_401_and_invalid_json_400(address: str) -> None:
    bare = curl(f"{address}/v1/models", "--write-out", "%{http_code}")
    nonsense = curl(*ask(address)[:-1], "{", "--write-out", "%{http_code}")

    assert bare.endswith("401")
    assert nonsense.endswith("400")
    assert json.loads(curl(f"{address}/health"))["status"] == "ok"
