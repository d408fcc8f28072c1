"""Fixtures of the runtime's own tests."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freerouter_core.routing.engine import Route
from freerouter_core.routing.plan import Outcome
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import SimModel, World

from ..terminal import free_port
from .ledgers import SHARED, wait_for
from .rig import Drive, Rig


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World([SimModel("acme/a:free", first_token=1.0, speed=1e6, jitter=0.0)], clock=clock)


@pytest.fixture
def rig(world: World, clock: VirtualClock) -> Rig:
    return Rig(world.transport(), clock)


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Drive `route` to its end, on a rig's runtime."""

    def run(rig: Rig, route: Callable[[], Route], **options: Any) -> Outcome:
        driver = rig.driver(route, monkeypatch, **options)
        return rig.runtime.call(driver.run)

    return run


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real Redis server on a free loopback port."""
    program, port = shutil.which("redis-server"), free_port()
    assert program, "tests marked `system` need redis-server"
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    wait_for(port)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """fakeredis' TCP server on a free loopback port."""
    from fakeredis import TcpFakeServer

    port = free_port()
    stand_in = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    thread = threading.Thread(target=stand_in.serve_forever, daemon=True)
    thread.start()
    wait_for(port)
    yield f"redis://127.0.0.1:{port}/0"
    stand_in.shutdown()
    stand_in.server_close()
    thread.join(10)


@pytest.fixture(params=["memory", *SHARED])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`FREEROUTER_STATE` for each store, empty at first."""
    if request.param.startswith("redis"):
        url: str = request.getfixturevalue(
            "redis_url" if request.param == "redis" else "redis_server"
        )
        import redis

        with redis.from_url(url) as client:
            client.flushdb()
        return url
    return f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else "memory"
