"""The real clients over a storm: each asks in its own way, and sees nothing of the failures.

The Node packages and the Python clients that have an environment of their own are installed once,
into `.clients` beside the tests' folder, in the versions of `clients/`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freerouter_core.apps import rest
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import listening
from freerouter_core.wire.json_values import Json

from .conftest import program
from .worlds import PLACES, STORM, broken, storm

SOURCES = Path(__file__).parent / "clients"
PLACE = Path(__file__).parents[2] / ".clients"
TEXT = "This is c/m:free, simulated. You said: hi"
FOUND = f"Here is what the tool says: a door at {PLACES[-1]}"
ROUNDS = len(PLACES) + 1
CITY = {"name": "Lisbon"}


def installed(folder: str, source: str, *commands: list[str]) -> Path:
    """A folder with what `source` lists, installed by these commands unless it is there."""
    place, wanted = PLACE / folder, (SOURCES / source).read_text("utf-8")
    done = place / "installed"
    if not done.exists() or done.read_text("utf-8") != wanted:
        place.mkdir(parents=True, exist_ok=True)
        (place / source).write_text(wanted, "utf-8")
        for command in commands:
            environment = {**os.environ, "XDG_CACHE_HOME": str(PLACE / "cache")}
            subprocess.run(command, cwd=place, env=environment, check=True, timeout=280)
        done.write_text(wanted, "utf-8")
    return place


def node() -> Path:
    return installed(
        "node", "package.json", [program("npm"), "install", "--no-audit", "--no-fund", "--silent"]
    )


def python() -> Path:
    pip = [".venv/bin/pip", "install", "-q", "--disable-pip-version-check", "-r"]
    return installed(
        "python", "requirements.txt", [sys.executable, "-m", "venv", ".venv"],
        [*pip, "requirements.txt"],
    )  # fmt: skip


@pytest.fixture
def addresses() -> Iterator[list[str]]:
    """The services over a storm, and over streams that break. No failure of the storm is seen."""
    with (
        storm() as world,
        broken() as other,
        listening(rest.app(world.router(strategy="round_robin"))) as address,
        listening(rest.app(other.router())) as lost,
    ):
        yield [address, lost]
        met = {seen.fate for seen in world.requests}
        assert len(met & set(STORM)) >= 3, met  # else the clients were in no storm


def results_of(command: list[str], folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=200, check=True
    )
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))


def test_node_clients(addresses: list[str]) -> None:
    folder = node()
    script = folder / "clients.mjs"
    script.write_text((SOURCES / "clients.mjs").read_text("utf-8"), "utf-8")
    results = results_of([program("node"), str(script), *addresses], folder)
    errors = {name: results.pop(f"{name} error") for name in ("openai", "openrouter")}

    expected: dict[str, Any] = {}
    for model in ("responses", "chat", "compatible", "openrouter"):
        expected |= {
            f"ai {model} chat": TEXT,
            f"ai {model} tools": [ROUNDS, FOUND],
            f"ai {model} stream": [ROUNDS, FOUND],
            f"ai {model} structured": CITY,
            f"ai {model} error": True,
        }
    expected |= dict.fromkeys(("openai tools", "openai tools streamed"), FOUND)
    texts = ("openai chat", "openai responses", "openai responses stream", "openrouter chat",
             "openrouter stream", "openrouter responses")  # fmt: skip
    expected |= dict.fromkeys(texts, TEXT)
    expected |= {
        "openai stored": "hi",
        "openrouter models": 8,
        "openrouter endpoints": ["c/m:free", "openrouter"],
        "openrouter model": "c/m:free",
        "openrouter providers": ["openrouter"],
        "openrouter key": "freerouter",
        "openrouter credits": 0,
    }
    assert results == expected
    assert "at least one message" in errors["openai"]
    assert errors["openrouter"].startswith("BadRequestResponseError")


def test_python_clients(addresses: list[str]) -> None:
    folder = python()
    interpreter = str(folder / ".venv" / "bin" / "python")
    script = str(SOURCES / "clients.py")
    results = results_of([interpreter, "-W", "ignore", script, *addresses], folder)
    errors = {
        name: results.pop(f"{name} error") for name in ("agents", "openrouter", "ChatOpenRouter")
    }

    rounds = ("agents tools", "agents stream", *(
        f"pydantic-ai {model} {way}" for model in ("openrouter", "responses")
        for way in ("tools", "stream")
    ))  # fmt: skip
    texts = ("openrouter chat", "openrouter stream", "openrouter responses",
             "ChatOpenRouter chat", "ChatOpenRouter stream")  # fmt: skip
    structured = ("agents structured", "pydantic-ai openrouter structured",
                  "pydantic-ai responses structured", "ChatOpenRouter structured")  # fmt: skip
    assert results == {
        **dict.fromkeys(rounds, FOUND),
        **dict.fromkeys(texts, TEXT),
        **dict.fromkeys(structured, "Lisbon"),
        "openrouter account": ["freerouter", 0.0, 8],
        "ChatOpenRouter tools": "look",
    }
    assert "server_error" in errors["agents"]
    assert errors["openrouter"].startswith("BadRequestResponseError")
    assert "broke" in errors["ChatOpenRouter"]


def works(body: Json) -> list[tuple[str, Json]] | None:
    """A coding agent's rounds: it reads a file, corrects it and runs it."""
    if not any(tool["function"]["name"] == "exec_command" for tool in body.get("tools") or ()):
        return None
    commands = ("cat hello.py", "sed -i s/helo/hello/ hello.py", "python3 hello.py")
    done = sum(message["role"] == "tool" for message in body["messages"])
    return [("exec_command", {"cmd": command}) for command in commands[done : done + 1]]


def test_codex_finishes_a_task_in_a_repository(tmp_path: Path) -> None:
    """Codex runs with a home of its own. Its whole wire is `/v1/responses`."""
    codex = node() / "node_modules" / ".bin" / "codex"
    home, repository = tmp_path / "home", tmp_path / "repository"
    home.mkdir()
    repository.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=repository, check=True)
    (repository / "hello.py").write_text("print('helo')\n", "utf-8")
    models = [
        SimModel("a/m:free", first_token=0.0, speed=1e6, calls=works, script=STORM * 9),
        SimModel("b/m:free", first_token=0.0, speed=1e6, calls=works),
    ]
    with World(models, clock="real") as world, listening(rest.app(world.router())) as address:
        provider = f'{{name="free",base_url="{address}/v1",env_key="KEY",wire_api="responses"}}'
        command = [
            str(codex), "exec", "--json", "--skip-git-repo-check",
            "--sandbox", "danger-full-access", "-c", "model_provider=free",
            "-c", f"model_providers.free={provider}", "-m", "auto", "Correct the word.",
        ]  # fmt: skip
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KEY": "any"}
        done = subprocess.run(
            command, cwd=repository, env=environment, capture_output=True, text=True,
            timeout=120, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        fates = {seen.fate for seen in world.requests}
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    assert done.returncode == 0, done.stderr
    assert fates > {"answer"}
    assert (repository / "hello.py").read_text("utf-8") == "print('hello')\n"
    said = [event["item"] for event in events if event["type"] == "item.completed"]
    assert said[-1]["type"] == "agent_message"
    assert "hello" in said[-1]["text"]
    assert events[-1]["type"] == "turn.completed"
    assert not [event for event in events if event["type"] in ("error", "turn.failed")]
