"""A router as an MCP server: its models, its advice and its answers, for any MCP client."""

from __future__ import annotations

from ..errors import MissingExtra

try:
    import mcp.server.mcpserver  # noqa: F401
except ImportError as error:
    raise MissingExtra(
        "the MCP server needs the mcp package, version 2", hint="pip install 'freerouter-llm[mcp]'"
    ) from error

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from ..client.router import Router
from ..errors import FreeRouterError
from ..wire.request import ChatRequest
from .as_json import described, plain
from .evaluation.grading import TASKS, Standing, benchmark, chosen, standings
from .evaluation.questions import QUESTIONS
from .evaluation.single_model import spacing_of

TIMEOUT = 60.0
"""Seconds that a model has for a graded question."""

INSTRUCTIONS = (
    "Free language models behind one door. `chat` asks whichever is able, alive and within its limits, and fails over by itself. "
    "Nothing here costs money unless its owner allowed paid models."
)


def server(router: Router | None = None) -> MCPServer[Any]:
    """The server over a router; `.run("stdio")` serves it."""
    tools = Tools(router or Router())
    made: MCPServer[Any] = MCPServer("freerouter", instructions=INSTRUCTIONS)
    for tool in (
        tools.free_models,
        tools.recommend,
        tools.route,
        tools.estimate_cost,
        tools.chat,
        tools.refresh,
        tools.performance,
        tools.quota,
        tools.benchmark,
    ):
        made.add_tool(tool)
    return made


class Tools:
    """What clients may call; their names, arguments and docstrings are what a model reads."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def free_models(
        self, tools: bool = False, vision: bool = False, limit: int = 50
    ) -> list[dict[str, Any]]:
        """The free models with what they can do, whether they are usable now, and how they have been doing."""
        report = await _told(self._router.ahealth())
        done = {row.model: row for row in (await _told(self._router.aperformance())).rows}
        found = []
        for row in report.rows:
            model = row.model
            lacking = (tools and not model.takes("tools")) or (
                vision and "image" not in model.inputs
            )
            if row.reason is None and not lacking:
                doing = done.get(model.wire_name)
                state = {"usable": row.usable, "state": row.state, "returns_in": row.returns}
                record = {
                    name: getattr(doing, name, None)
                    for name in ("answers", "failures", "p50", "p95", "speed")
                }
                found.append(described(model) | state | record)
        return _list(plain(found[: max(1, limit)]))

    async def recommend(self, task: str, limit: int = 5) -> list[dict[str, Any]]:
        """Models that suit a task in plain words, best first, with a score of 0 to 100 and its parts. Sends nothing."""
        return _list(plain(await _told(self._router.arecommend(task, max(1, limit)))))

    async def route(self, prompt: str) -> list[dict[str, Any]]:
        """Who would be asked this prompt, in which order, and why each other would not. Sends nothing."""
        rows = (await _told(self._router.aexplain(prompt))).rows
        return [
            described(row.model)
            | {"reason": row.reason, "state": row.state, "returns_in": plain(row.returns)}
            for row in rows
        ]

    async def estimate_cost(self, prompt: str, model: str | None = None) -> dict[str, Any]:
        """What a prompt would cost at most, in USD: 0 with a free model."""
        return dict(plain(await _told(self._router.aestimate_cost(prompt, model))))

    async def chat(
        self, prompt: str, model: str = "auto", system: str = "", max_tokens: int | None = None
    ) -> dict[str, Any]:
        """An answer from a free model, with the model that gave it and the attempts it took."""
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt})
        parameters = {"max_tokens": max_tokens} if max_tokens else {}
        outcome = await _told(
            self._router.achat(ChatRequest(messages, parameters=parameters, model=model))
        )
        return dict(plain({"text": outcome.text, **outcome.metadata}))

    async def refresh(self) -> dict[str, Any]:
        """Fetch the lists of models now."""
        catalogue = await _told(self._router.arefresh())
        return {"listed": len(catalogue), "free": len(catalogue.free())}

    async def performance(self, model: str | None = None, hours: float = 24.0) -> dict[str, Any]:
        """How models have done: answers, failures by kind, percentiles of seconds, tokens a second."""
        return dict(plain(await _told(self._router.aperformance(model, hours))))

    async def quota(self) -> dict[str, Any]:
        """What is spent of every limit."""
        return dict(plain(await _told(self._router.aquota())))

    async def benchmark(
        self, models: list[str] | None = None, task: str | None = None, most: int = 3
    ) -> list[dict[str, Any]]:
        """Grade models (none named: `most` of those usable now) on a small set of tasks, or on those of one kind (reasoning, code, data,
        multilingual, creative, tools). Marks are 0 to 1, and weigh in the choice of models from then on. Every question to every model is a
        request of the owner's limits, spaced to spare them: name few models, and expect minutes."""
        if task is not None and task not in TASKS:
            raise ToolError(f"task is one of {', '.join(TASKS)}")
        questions = [question for question in QUESTIONS if task in (None, question.task)]
        router, ended = self._router, threading.Event()

        def work() -> list[Standing]:
            asked = chosen(router, models or ())[: None if models else max(1, most)]
            marks = []
            for mark in benchmark(
                router, asked, questions, spacing_of(router), TIMEOUT, ended.wait
            ):
                marks.append(mark)
                if ended.is_set():
                    break
            return standings(marks)

        try:
            return _list(plain(await _told(asyncio.to_thread(work))))
        finally:
            ended.set()  # a client that asks no more for it has no more requests made


async def _told(work: Awaitable[Any]) -> Any:
    """What the work comes to; an error of ours as one of the protocol's, with what to do about it."""
    try:
        return await work
    except FreeRouterError as error:
        raise ToolError(str(error)) from None


def _list(value: Any) -> list[dict[str, Any]]:
    return list(value)
