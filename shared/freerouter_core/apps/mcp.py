"""A router as an MCP server: its models, its recommendations and its answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from ..client.router import Router
from ..errors import FreeRouterError
from ..reports import Candidacy, Performance
from ..wire.request import ChatRequest
from .as_json import JsonObject, jsonable, model_as_json, report_as_json
from .evaluation.grading import (
    TASKS,
    Standing,
    grade_models,
    pairs_of,
    select_models,
    standings,
)
from .evaluation.questions import QUESTIONS
from .evaluation.single_model import spacing_of
from .http.auth import AccessMiddleware
from .mcp_sdk import Context, MCPServer, ToolError, http_app, new_server

if TYPE_CHECKING:
    from starlette.types import ASGIApp

TIMEOUT = 60.0
"""Seconds that a model has for a question of the benchmark."""
MEASURED = ("answers", "failures", "p50", "p95", "speed")
"""What `free_models` shows of a model's performance."""
INSTRUCTIONS = (
    "Free language models behind one endpoint. `chat` asks the best model that is available and "
    "within its limits, and fails over by itself. Nothing costs money unless the owner has allowed "
    "paid models."
)
T = TypeVar("T")


def server(router: Router | None = None) -> MCPServer[Any]:
    """The server over a router (None: `Router()`). `.run("stdio")` serves it."""
    tools = Tools(router or Router())
    return new_server(
        "freerouter",
        INSTRUCTIONS,
        (
            tools.free_models,
            tools.recommend,
            tools.route,
            tools.estimate_cost,
            tools.chat,
            tools.refresh,
            tools.performance,
            tools.quota,
            tools.benchmark,
        ),
    )


def app(
    router: Router,
    *,
    token: str | Collection[str] | None = None,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
) -> ASGIApp:
    """The server over streamable HTTP, at `/mcp`, behind the checks of `freerouter serve`.

    Args:
        router: whose models it offers.
        token: the bearer token that every request needs. None: none.
        hosts: the host names that are accepted. None: any.
        origins: what may send requests from a browser, besides the service's own pages.
    """
    return AccessMiddleware(http_app(server(router)), token, hosts, origins)


class Tools:
    """The tools of the server. A model reads their names, arguments and docstrings."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def free_models(
        self, tools: bool = False, vision: bool = False, limit: int = 50
    ) -> list[JsonObject]:
        """List the free models: capabilities, whether each is usable now, and past performance."""
        report = await _or_tool_error(self._router.ahealth())
        performance = await _or_tool_error(self._router.aperformance())
        by_model = {row.model: row for row in performance.rows}
        rows = [
            row
            for row in report.rows
            if row.reason is None
            and (row.model.takes("tools") or not tools)
            and ("image" in row.model.inputs or not vision)
        ]
        return [
            _free_model(row, by_model.get(row.model.wire_name)) for row in rows[: max(1, limit)]
        ]

    async def recommend(self, task: str, limit: int = 5) -> list[JsonObject]:
        """Recommend models for a task described in plain words, best first.

        Each has a score from 0 to 100, and its parts. No request is sent to a model.
        """
        rows = await _or_tool_error(self._router.arecommend(task, max(1, limit)))
        return [report_as_json(row) for row in rows]

    async def route(self, prompt: str) -> list[JsonObject]:
        """Show which models would be asked this prompt, in order, and why the others would not.

        No request is sent to a model.
        """
        explanation = await _or_tool_error(self._router.aexplain(prompt))
        return [
            model_as_json(row.model)
            | {"reason": row.reason, "state": row.state, "returns_in": jsonable(row.returns)}
            for row in explanation.rows
        ]

    async def estimate_cost(self, prompt: str, model: str | None = None) -> JsonObject:
        """Estimate the most that a prompt could cost, in USD. A free model costs 0."""
        return report_as_json(await _or_tool_error(self._router.aestimate_cost(prompt, model)))

    async def chat(
        self, prompt: str, model: str = "auto", system: str = "", max_tokens: int | None = None
    ) -> JsonObject:
        """Ask a free model. Returns the answer, the model that gave it and the attempts made."""
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt})
        parameters = {"max_tokens": max_tokens} if max_tokens else {}
        request = ChatRequest(messages, parameters=parameters, model=model)
        outcome = await _or_tool_error(self._router.achat(request))
        return {"text": jsonable(outcome.text)} | {
            name: jsonable(value) for name, value in outcome.metadata.items()
        }

    async def refresh(self) -> JsonObject:
        """Fetch the catalogues of all providers now."""
        catalogue = await _or_tool_error(self._router.arefresh())
        return {"listed": len(catalogue), "free": len(catalogue.free())}

    async def performance(self, model: str | None = None, hours: float = 24.0) -> JsonObject:
        """Show past performance: answers, failures by kind, seconds, tokens per second."""
        return report_as_json(await _or_tool_error(self._router.aperformance(model, hours)))

    async def quota(self) -> JsonObject:
        """Show how much of each limit is used."""
        return report_as_json(await _or_tool_error(self._router.aquota()))

    async def benchmark(
        self,
        context: Context,
        models: list[str] | None = None,
        task: str | None = None,
        most: int = 3,
    ) -> list[JsonObject]:
        """Grade models on a small set of questions. Marks are from 0 to 1.

        Without `models`, up to `most` of the models usable now are graded. `task` limits the
        questions to one kind: reasoning, code, data, multilingual, creative or tools. The marks
        weigh in the choice of models from then on. Each question to each model is a request
        within the owner's limits, so name few models. Expect it to take minutes.
        """
        if task is not None and task not in TASKS:
            raise ToolError(f"task must be one of {', '.join(TASKS)}")
        questions = [question for question in QUESTIONS if task in (None, question.task)]
        router, cancelled = self._router, threading.Event()
        loop = asyncio.get_running_loop()

        def grade() -> list[Standing]:
            selected = select_models(router, models or ())[: None if models else max(1, most)]
            total, marks = len(pairs_of(selected, questions)), []
            for mark in grade_models(
                router,
                selected,
                questions,
                spacing=spacing_of(router),
                timeout=TIMEOUT,
                pause=cancelled.wait,
            ):
                marks.append(mark)
                words = f"{mark.model}: {mark.question}"
                progress = context.report_progress(float(len(marks)), float(total), words)
                asyncio.run_coroutine_threadsafe(progress, loop)
                if cancelled.is_set():
                    break
            return standings(marks)

        try:
            rows = await _or_tool_error(asyncio.to_thread(grade))
        finally:
            cancelled.set()  # a client that has cancelled the call gets no more requests sent
        return [report_as_json(row) for row in rows]


def _free_model(row: Candidacy, performance: Performance | None) -> JsonObject:
    state = {"usable": row.usable, "state": row.state, "returns_in": jsonable(row.returns)}
    measured = {name: jsonable(getattr(performance, name, None)) for name in MEASURED}
    return model_as_json(row.model) | state | measured


async def _or_tool_error(work: Awaitable[T]) -> T:
    """The result of `work`. A `FreeRouterError` becomes a `ToolError` that includes its hint."""
    try:
        return await work
    except FreeRouterError as error:
        raise ToolError(str(error)) from None
