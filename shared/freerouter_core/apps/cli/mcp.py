"""`freerouter mcp`: the MCP server, over standard input and output or over HTTP."""

from __future__ import annotations

import click

from ...client.router import Router
from .console import without_tracebacks
from .serve import (
    accepted_hosts,
    access_options,
    check_token,
    host_option,
    model_option,
    port_option,
    serve_until_signal,
)
from .server import listen

GRACE = 10
"""Seconds for calls to finish after Ctrl-C."""


@click.command()
@model_option
@click.option("--http", is_flag=True, help="Serve over streamable HTTP instead, at /mcp.")
@host_option
@port_option(8_081)
@access_options
@without_tracebacks
def mcp(
    *,
    model: str,
    http: bool,
    host: str,
    port: int,
    tokens: tuple[str, ...],
    no_token: bool,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
) -> None:
    """Run an MCP server on standard input and output, or with --http on HOST:PORT.

    Its tools list and recommend free models, ask them, and show limits and performance.
    """
    from ..mcp import app, server

    router = Router(model=model)
    if not http:
        server(router).run("stdio")
        return
    check_token(host, tokens, no_token=no_token)
    listener, address = listen(host, port)
    click.echo(f"FreeRouter's MCP server listens on {address}/mcp (Ctrl-C stops it)")
    application = app(router, token=tokens, hosts=accepted_hosts(host, hosts), origins=origins)
    serve_until_signal(application, listener, grace=GRACE, router=router)
