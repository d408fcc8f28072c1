"""What all tests share: an empty environment, no state of other tests, servers on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from freerouter_core.client.accounts import _warned
from freerouter_core.runtime.loop.clock import Clock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World
from freerouter_core.simulator.server import served

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")  # whoever wants other examples: --hypothesis-profile=default
Serve = Callable[[World[Clock]], str]
"""The `serve` fixture: serves a world on a port of this machine and gives its base URL."""
VARIABLES = ("OPENROUTER_", "CHAT_", "FREEROUTER_", "FREE_MODELS_", "DEV_MODE")
TERMINAL = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
"""What a terminal, an editor or pytest-xdist sets, and what would change every table."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--renew",
        action="store_true",
        help="write anew what is kept: pictures, reference, what blocks and commands print",
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for the suite. None where single tests are named, where pages are rewritten, and where
    tests start the services they need."""
    single = any("::" in argument for argument in config.args)
    alone = single or config.getoption("--renew") or config.option.markexpr == "system"
    return 0 if alone else 2


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: what is packed may hold the time, and two workers must agree on names."""
    return argname if isinstance(val, bytes) else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests marked `system` need packages of their own: unless they run, they are not imported."""
    ignored = collection_path.name == "system" and "not system" in config.option.markexpr
    return True if ignored else None


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty environment, directory and cache; every runtime is closed afterwards."""
    for name in list(os.environ):
        if name.startswith(VARIABLES) or name in TERMINAL or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.chdir(tmp_path)
    _warned.clear()
    yield
    Runtime._current = None
    for runtime in list(Runtime._all):
        runtime.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve worlds for the length of a test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda world: stack.enter_context(served(world))
