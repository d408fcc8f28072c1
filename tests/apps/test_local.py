"""Local servers: what runs and fits, and how one is started, with a stand-in for Docker on the path."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from freerouter_core.apps.cli import cli
from freerouter_core.simulator import SimModel, World


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["local", *arguments])
    return done.exit_code, done.output


def stand_in(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, fails: str = "nothing"
) -> Path:
    """A program of that name which writes down how it was called, and fails where the first argument is `fails`."""
    log = folder / "calls"
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\nsys.exit(sys.argv[1] == {fails!r})\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return log


def test_without_docker_or_transformers_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    status, output = invoke("up", "ollama")

    assert status == 1
    assert output == (
        "Error: Docker is not installed: install it from https://docs.docker.com/get-docker, "
        "or install Ollama from https://ollama.com\n"
    )
    assert "pip install 'transformers[serving]'" in invoke("up", "hf:Qwen/Qwen3-0.6B")[1]
    assert invoke("up", "hf:")[0] == invoke("up", "llama")[0] == 2


def test_ollama_in_docker_on_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = stand_in(tmp_path, "docker", monkeypatch, fails="start")
    status, told = invoke("up", "ollama", "--model", "llama3.2")
    start, run, pull = log.read_text().splitlines()

    assert status == 0
    assert start == "start freerouter-ollama"
    assert "-p 127.0.0.1:11434:11434" in run
    assert pull == "exec freerouter-ollama ollama pull llama3.2"
    assert "ollama:llama3.2" in told


def test_one_that_is_there_is_started_and_a_failure_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = stand_in(tmp_path, "docker", monkeypatch, fails="exec")

    assert invoke("up", "ollama")[0] == 0
    assert log.read_text() == "start freerouter-ollama\n"
    assert "could not fetch nope" in invoke("up", "ollama", "-m", "nope")[1]


def test_transformers_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = stand_in(tmp_path, "transformers", monkeypatch)
    status, told = invoke("up", "hf:Qwen/Qwen3-0.6B")

    assert (status, log.read_text()) == (0, "serve\n")
    assert "transformers:Qwen/Qwen3-0.6B" in told


def test_what_runs_and_fits(serve: Callable[[World], str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = serve(World([SimModel("llama:8b")], dialect="ollama", clock="real"))
    monkeypatch.setenv("OLLAMA_BASE_URL", url)
    status, told = invoke("list", "--json")
    servers = {row["name"]: row for row in json.loads(told)["servers"]}

    assert status == 0
    assert servers["ollama"]["models"] == [{"id": "ollama:llama:8b", "size": 0}]
    assert not servers["lmstudio"]["running"]
    assert "ollama:llama:8b" in invoke("list")[1]
