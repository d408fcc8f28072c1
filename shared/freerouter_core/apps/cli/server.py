"""Sockets and servers of the commands that serve."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    import uvicorn


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket and its address. From now on connections are accepted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where it says TCP does asyncio send each write at once. Else a response, which is two,
    # waits 40 ms for the client to acknowledge the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1_024)
    except OSError as error:
        hint = "; --port 0 picks a free one" if error.errno == errno.EADDRINUSE else ""
        words = f"cannot listen on {host}:{port}: {error.strerror}{hint}"
        raise click.ClickException(words) from None
    url_host = f"[{host}]" if ":" in host else host
    return listener, f"http://{url_host}:{listener.getsockname()[1]}"


def server_of(
    app: Callable[..., Any],
    *,
    grace: int,
    lifespan: Literal["auto", "off"] = "auto",
    log_level: str = "warning",
) -> uvicorn.Server:
    """A server for an application, with bounds on its connections. `grace`: seconds at the end."""
    try:
        import uvicorn
    except ImportError:
        raise click.ClickException(
            "this command needs uvicorn: pip install 'freerouter-llm[cli]'"
        ) from None
    from ..http.connections import bounded_protocol

    config = uvicorn.Config(
        app,
        http=bounded_protocol(),
        ws="none",
        proxy_headers=False,  # nobody asks who a client is
        log_level=log_level,
        lifespan=lifespan,
        timeout_graceful_shutdown=grace,
    )
    return uvicorn.Server(config)
