"""Local servers: listing and starting them, with a fake `docker` on the path."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from freerouter_core.apps.cli import cli
from freerouter_core.simulator import SimModel, World

from ..conftest import Serve


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["local", *arguments])
    return result.exit_code, result.output


def fake_program(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, fails: str = "nothing"
) -> Path:
    """A program that writes its arguments to a file, and fails if the first one is `fails`."""
    log = folder / "calls"
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"sys.exit(sys.argv[1] == {fails!r})\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return log


def test_a_missing_program_is_an_error_that_says_how_to_install_it(
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


def test_ollama_starts_in_docker_and_listens_on_this_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_program(tmp_path, "docker", monkeypatch, fails="start")
    status, output = invoke("up", "ollama", "--model", "llama3.2")
    start, run, pull = log.read_text().splitlines()

    assert status == 0
    assert start == "start freerouter-ollama"
    assert "-p 127.0.0.1:11434:11434" in run
    assert pull == "exec freerouter-ollama ollama pull llama3.2"
    assert "ollama:llama3.2" in output


def test_an_existing_container_is_started_and_a_failed_download_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_program(tmp_path, "docker", monkeypatch, fails="exec")

    assert invoke("up", "ollama")[0] == 0
    assert log.read_text() == "start freerouter-ollama\n"
    assert "could not fetch nope" in invoke("up", "ollama", "-m", "nope")[1]


def test_transformers_serve_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_program(tmp_path, "transformers", monkeypatch)
    status, output = invoke("up", "hf:Qwen/Qwen3-0.6B")

    assert (status, log.read_text()) == (0, "serve\n")
    assert "transformers:Qwen/Qwen3-0.6B" in output


def test_the_list_shows_running_servers_and_their_models(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(World([SimModel("llama:8b")], dialect="ollama", clock="real"))
    monkeypatch.setenv("OLLAMA_BASE_URL", url)
    status, output = invoke("list", "--json")
    servers = {row["name"]: row for row in json.loads(output)["servers"]}

    assert status == 0
    assert servers["ollama"]["models"] == [{"id": "ollama:llama:8b", "size": 0}]
    assert not servers["lmstudio"]["running"]
    assert "ollama:llama:8b" in invoke("list")[1]
