"""What all tests share: no environment of the developer's, no state of another test's, servers on loopback."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import World

VARIABLES = ("OPENROUTER_", "CHAT_", "FREEROUTER_", "FREE_MODELS_", "DEV_MODE")


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty environment, directory and cache; the process's runtime is closed afterwards."""
    for name in list(os.environ):
        if name.startswith(VARIABLES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield
    current, Runtime._current = Runtime._current, None
    if current is not None:
        current.close()


@contextmanager
def served(world: World) -> Iterator[str]:
    """The world on a free loopback port, in real time; yields its base URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(world.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)  # noqa: TID251  # a real server in a real thread: nothing virtual to wait on
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[[World], str]]:
    """Serve worlds for the length of a test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda world: stack.enter_context(served(world))
