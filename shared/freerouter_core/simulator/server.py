"""`served`: a world behind a real port. Needs uvicorn (the extra `cli`)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from .world import World


@contextmanager
def served(world: World[Any]) -> Iterator[str]:
    """Serve the world on a free loopback port, in real time. Yields its base URL."""
    with listening(world.app(), lifespan="off") as address:
        yield f"{address}/api/v1"


@contextmanager
def listening(app: Callable[..., Awaitable[None]], **options: Any) -> Iterator[str]:
    """Serve an ASGI application on a free loopback port. Yields its address.

    `options` are those of `uvicorn.Config`, which are too many to repeat.
    """
    # That it is TCP is said, as asyncio then sends each write at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, **options)
    )
    # Listen before the server runs: early connections wait in the socket's backlog.
    listener.listen(128)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
