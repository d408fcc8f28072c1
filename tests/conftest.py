"""What all tests share: no environment of the developer's, no state of another test's, servers on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freerouter_core.client.accounts import _warned
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World
from freerouter_core.simulator.server import served

VARIABLES = ("OPENROUTER_", "CHAT_", "FREEROUTER_", "FREE_MODELS_", "DEV_MODE")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--renew",
        action="store_true",
        help="write docs anew: pictures, reference, what blocks print",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What needs more than Python needs packages of its own, too: it is not even imported where it does not run."""
    left = collection_path.name == "system" and config.option.markexpr == "not system"
    return True if left else None


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty environment, directory and cache; every runtime is closed afterwards."""
    for name in list(os.environ):
        if name.startswith(VARIABLES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    _warned.clear()
    yield
    Runtime._current = None
    for runtime in list(Runtime._all):
        runtime.close()


@pytest.fixture
def serve() -> Iterator[Callable[[World], str]]:
    """Serve worlds for the length of a test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda world: stack.enter_context(served(world))
