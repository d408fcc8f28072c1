"""`served`: a world behind a real port (needs uvicorn: the extra `cli`)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from .world import World


@contextmanager
def served(world: World) -> Iterator[str]:
    """The world on a free loopback port, in real time; yields its base URL."""
    with listening(world.app(), lifespan="off") as address:
        yield f"{address}/api/v1"


@contextmanager
def listening(app: Any, **options: Any) -> Iterator[str]:
    """An ASGI application on a free loopback port; yields its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, **options)
    )
    # The socket listens before the server runs: whoever connects early waits in its backlog.
    listener.listen(128)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
