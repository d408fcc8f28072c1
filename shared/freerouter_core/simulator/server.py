"""`served`: a world behind a real port (needs uvicorn: the extra `cli`)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from .world import World


@contextmanager
def served(world: World) -> Iterator[str]:
    """The world on a free loopback port, in real time; yields its base URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(world.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    # The socket listens before the server runs: whoever connects early waits in its backlog.
    listener.listen(128)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
