"""The real clients over a storm: each asks in its own way, and sees nothing of the failures.

The Node packages and the Python clients that have an environment of their own are installed once,
into `.clients` beside the tests' folder, in the versions of `clients/`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freerouter_core.apps import rest
from freerouter_core.simulator.server import listening

from .conftest import program
from .installed import installed, python_with
from .worlds import PLACES, STORM, broken, storm

SOURCES = Path(__file__).parent / "clients"
TEXT = "This is c/m:free, simulated. You said: hi"
FOUND = f"Here is what the tool says: a door at {PLACES[-1]}"
ROUNDS = len(PLACES) + 1
CITY = {"name": "Lisbon"}


def node() -> Path:
    install = [program("npm"), "install", "--no-audit", "--no-fund", "--silent"]
    return installed("node", SOURCES / "package.json", install)


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
    python = python_with("python", SOURCES / "requirements.txt")
    command = [str(python), "-W", "ignore", str(SOURCES / "clients.py"), *addresses]
    results = results_of(command, python.parents[2])
    errors = {
        name: results.pop(f"{name} error")
        for name in ("openai", "agents", "openrouter", "ChatOpenRouter")
    }

    rounds = ("openai responses tools", "agents tools", "agents stream", *(
        f"pydantic-ai {model} {way}" for model in ("openrouter", "responses")
        for way in ("tools", "stream")
    ))  # fmt: skip
    texts = ("openai chat", "openai responses", "openrouter chat", "openrouter stream",
             "openrouter responses", "ChatOpenRouter chat", "ChatOpenRouter stream")  # fmt: skip
    structured = ("openai chat structured", "openai responses structured", "agents structured",
                  "pydantic-ai openrouter structured",
                  "pydantic-ai responses structured", "ChatOpenRouter structured")  # fmt: skip
    assert results == {
        **dict.fromkeys(rounds, FOUND),
        **dict.fromkeys(texts, TEXT),
        **dict.fromkeys(structured, "Lisbon"),
        "openrouter account": ["freerouter", 0.0, 8],
        "ChatOpenRouter tools": "look",
    }
    assert "broke" in errors["openai"]
    assert "server_error" in errors["agents"]
    assert errors["openrouter"].startswith("BadRequestResponseError")
    assert "broke" in errors["ChatOpenRouter"]
