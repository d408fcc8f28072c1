"""The MCP server as the SDK's own client sees it, over standard input and output of a process."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from freerouter_core.simulator import SimModel, World

MODELS = [
    SimModel("acme/a:free", first_token=0.0, speed=1e6),
    SimModel("acme/coder:free", tools=False),
]


@asynccontextmanager
async def connected(**variables: str) -> AsyncIterator[ClientSession]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-c", "from freerouter_core.apps import main; main()", "mcp"],
        env=variables,
    )
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def content(result: Any) -> Any:
    """What a tool told: a list as items, a dict as itself."""
    told = getattr(result, "structured_content", None) or getattr(result, "structuredContent", None)
    if told is None:
        return json.loads(result.content[0].text)
    return told.get("result", told) if isinstance(told, dict) else told


@pytest.fixture
def variables(serve: Callable[[World], str], tmp_path: Any) -> dict[str, str]:
    url = serve(World(MODELS, clock="real"))
    kept = {"XDG_CACHE_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s")}
    return {"OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "sk-test-12345", **kept}


async def test_every_tool_over_stdio(variables: dict[str, str]) -> None:
    async with connected(**variables) as session:
        names = {tool.name for tool in (await session.list_tools()).tools}
        said = content(await session.call_tool("chat", {"prompt": "hello", "model": "acme/a:free"}))
        free = content(await session.call_tool("free_models", {}))
        able = content(await session.call_tool("free_models", {"tools": True}))
        best = content(
            await session.call_tool("recommend", {"task": "write Python code", "limit": 1})
        )
        order = content(await session.call_tool("route", {"prompt": "hello"}))
        cost = content(await session.call_tool("estimate_cost", {"prompt": "hello"}))
        fresh = content(await session.call_tool("refresh", {}))
        done = content(await session.call_tool("performance", {}))
        spent = content(await session.call_tool("quota", {}))
        graded = content(await session.call_tool("benchmark", {"task": "multilingual", "most": 1}))
        wrong = await session.call_tool("benchmark", {"task": "juggling"})

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
    assert said["text"].endswith("You said: hello")
    assert said["model_name"] == "acme/a:free"
    assert {row["id"] for row in free} == {"acme/a:free", "acme/coder:free"}
    assert next(row for row in free if row["id"] == "acme/a:free")["answers"] == 1
    assert [row["id"] for row in able] == ["acme/a:free"]
    assert best[0]["score"] > 0
    assert {row["id"] for row in order} == {"acme/a:free", "acme/coder:free"}
    assert (cost["usd"], cost["tier"]) == (0.0, "free")
    assert fresh == {"listed": 2, "free": 2}
    assert done["total"]["answers"] == 1
    assert spent["lines"]
    assert [set(row["tasks"]) for row in graded] == [{"multilingual"}]
    assert "reasoning" in wrong.content[0].text  # type: ignore[union-attr]


async def test_a_failure_is_told_with_what_to_do() -> None:
    async with connected(
        OPENROUTER_BASE_URL="http://127.0.0.1:9/v1", OPENROUTER_API_KEY="sk-test-12345"
    ) as session:
        result = await session.call_tool("chat", {"prompt": "hello"})

    told = result.content[0].text  # type: ignore[union-attr]
    assert getattr(result, "is_error", None) or getattr(result, "isError", None)
    assert "check the network" in told
    assert "sk-test" not in told
