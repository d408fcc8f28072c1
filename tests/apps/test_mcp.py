"""The MCP server as the SDK's client sees it, over standard input and output."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from freerouter_core import __version__
from freerouter_core.simulator import SimModel, World

from ..conftest import Serve
from .mcp_http import COMMAND

MODELS = [
    SimModel("acme/a:free", first_token=0.0, speed=1e6),
    SimModel("acme/coder:free", tools=False),
]


@asynccontextmanager
async def connected(**variables: str) -> AsyncIterator[ClientSession]:
    parameters = StdioServerParameters(command=sys.executable, args=COMMAND, env=variables)
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def content(result: Any) -> Any:
    """The value that a tool returned: a list or a dict."""
    value = getattr(result, "structured_content", None) or getattr(
        result, "structuredContent", None
    )
    if value is None:
        return json.loads(result.content[0].text)
    return value.get("result", value) if isinstance(value, dict) else value


@pytest.fixture
def variables(serve: Serve, tmp_path: Any) -> dict[str, str]:
    url = serve(World(MODELS, clock="real"))
    folders = {"XDG_CACHE_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s")}
    return {"OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "sk-test-12345", **folders}


async def test_every_tool_works_over_stdio(variables: dict[str, str]) -> None:
    async with connected(**variables) as session:
        names = {tool.name for tool in (await session.list_tools()).tools}
        answer = content(
            await session.call_tool("chat", {"prompt": "hello", "model": "acme/a:free"})
        )
        free = content(await session.call_tool("free_models", {}))
        with_tools = content(await session.call_tool("free_models", {"tools": True}))
        recommended = content(
            await session.call_tool("recommend", {"task": "write Python code", "limit": 1})
        )
        route = content(await session.call_tool("route", {"prompt": "hello"}))
        cost = content(await session.call_tool("estimate_cost", {"prompt": "hello"}))
        refreshed = content(await session.call_tool("refresh", {}))
        performance = content(await session.call_tool("performance", {}))
        quota = content(await session.call_tool("quota", {}))
        graded = content(await session.call_tool("benchmark", {"task": "multilingual", "most": 1}))
        unknown_task = await session.call_tool("benchmark", {"task": "juggling"})

    assert names == {
        "free_models",
        "recommend",
        "route",
        "estimate_cost",
        "chat",
        "refresh",
        "performance",
        "quota",
        "benchmark",
    }
    assert answer["text"].endswith("You said: hello")
    assert answer["model_name"] == "acme/a:free"
    assert {row["id"] for row in free} == {"acme/a:free", "acme/coder:free"}
    assert next(row for row in free if row["id"] == "acme/a:free")["answers"] == 1
    assert [row["id"] for row in with_tools] == ["acme/a:free"]
    assert recommended[0]["score"] > 0
    assert {row["id"] for row in route} == {"acme/a:free", "acme/coder:free"}
    assert (cost["usd"], cost["tier"]) == (0.0, "free")
    assert refreshed == {"listed": 2, "free": 2}
    assert performance["total"]["answers"] == 1
    assert quota["lines"]
    assert [set(row["tasks"]) for row in graded] == [{"multilingual"}]
    assert "reasoning" in unknown_task.content[0].text  # type: ignore[union-attr]


async def test_the_server_tells_its_version(variables: dict[str, str]) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=COMMAND, env=variables)
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        told = await session.initialize()
    info: Any = getattr(told, "server_info", None) or getattr(told, "serverInfo", None)
    assert info.name == "freerouter"
    # The first major of the SDK tells its own version.
    assert info.version in (__version__, metadata.version("mcp"))


async def test_a_failure_is_a_tool_error_with_a_hint() -> None:
    async with connected(
        OPENROUTER_BASE_URL="http://127.0.0.1:9/v1", OPENROUTER_API_KEY="sk-test-12345"
    ) as session:
        result = await session.call_tool("chat", {"prompt": "hello"})

    message = result.content[0].text  # type: ignore[union-attr]
    assert getattr(result, "is_error", None) or getattr(result, "isError", None)
    assert "check the network" in message
    assert "sk-test" not in message
