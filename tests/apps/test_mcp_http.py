"""What MCP's protocol asks of a server, over both transports; and who may use it over HTTP.

These are the scenarios of the official conformance suite that are about the protocol.
`tests/system/test_mcp_conformance.py` runs that suite itself, which speaks HTTP only.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from freerouter_core.simulator import SimModel, World

from ..conftest import Serve
from .mcp_http import COMMAND, mcp_over_http

MODEL = SimModel("acme/a:free", first_token=0.0, speed=1e6)
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
def variables(serve: Serve, tmp_path: Path) -> dict[str, str]:
    url = serve(World([MODEL], clock="real"))
    folders = {"XDG_CACHE_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s")}
    path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return {"OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "sk-test-12345", **folders, **path}


@asynccontextmanager
async def connected(transport: str, variables: dict[str, str]) -> AsyncIterator[ClientSession]:
    if transport == "stdio":
        parameters = StdioServerParameters(command=sys.executable, args=COMMAND, env=variables)
        async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
            yield session
        return
    with mcp_over_http(variables) as address:
        async with (
            streamable_http_client(f"{address}/mcp") as streams,
            ClientSession(*streams[:2]) as session,
        ):
            yield session


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_protocol_over_each_transport(transport: str, variables: dict[str, str]) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with connected(transport, variables) as session:
        started = await session.initialize()
        await session.send_ping()
        tools = (await session.list_tools()).tools
        resources, prompts = await session.list_resources(), await session.list_prompts()
        told = await session.call_tool("chat", {"prompt": "hello"})
        wrong = await session.call_tool("chat", {})
        graded = await session.call_tool(
            "benchmark", {"task": "multilingual", "most": 1}, progress_callback=hear
        )

    text = str(told.content[0].text)  # type: ignore[union-attr]
    info: Any = getattr(started, "server_info", None) or vars(started)["serverInfo"]
    assert info.name == "freerouter"
    assert {"chat", "benchmark"} <= {tool.name for tool in tools}
    assert not any("context" in json.dumps(tool.model_dump()["name"]) for tool in tools)
    assert (resources.resources, prompts.prompts) == ([], [])
    assert "You said: hello" in text
    assert "prompt" in wrong.content[0].text  # type: ignore[union-attr]
    assert graded.content
    counts = [progress for progress, _, _ in heard]
    assert counts == sorted(counts)
    assert heard[-1][0] == heard[-1][1] == len(heard)
    assert all("acme/a:free" in str(message) for _, _, message in heard)


def status(url: str, **headers: str) -> int:
    accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(HELLO).encode(), {**accept, **headers}
    )
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_over_http_hosts_origins_and_the_token_are_checked(variables: dict[str, str]) -> None:
    token = {"authorization": "Bearer sesame"}
    with mcp_over_http(
        variables, "--token", "sesame", "--allow-origin", "app://mine", "--allow-host", "mine.test"
    ) as address:
        url = f"{address}/mcp"

        assert status(url, **token) == 200
        assert status(url, **token, origin="app://mine") == 200
        assert status(url, **token, host="mine.test") == 200
        assert status(url) == 401
        assert status(url, authorization="Bearer wrong") == 401
        assert status(url, **token, host="evil.test") == 403
        assert status(url, **token, origin="https://evil.test") == 403


def test_an_address_that_others_reach_needs_a_token() -> None:
    from click.testing import CliRunner

    from freerouter_core.apps.cli.main import cli

    result = CliRunner().invoke(cli, ["mcp", "--http", "--host", "0.0.0.0"])  # noqa: S104

    assert result.exit_code == 2
    assert "--token" in result.output
