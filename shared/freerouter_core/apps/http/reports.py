"""Reports over HTTP: recommendations, explanations, performance, quota, statistics, health."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ...catalogue.model import Mode
from ...errors import FreeRouterError
from ..as_json import JsonObject, jsonable, report_as_json
from ..metrics import CATALOGUE_WAIT
from .route import GetRouter


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/api/v1/recommend")
    async def recommend(text: str, limit: int = 5) -> JsonObject:
        rows = await get_router().arecommend(text, max(1, min(limit, 100)))
        return {"recommendations": jsonable(rows)}

    @paths.get("/api/v1/explain")
    async def explain(text: str = "", mode: Mode = "chat") -> JsonObject:
        explanation = await get_router().aexplain(text, mode=mode)
        space = {"space": explanation.space} if explanation.space else {}
        return {"candidates": jsonable(explanation.rows), **space}

    @paths.get("/api/v1/performance")
    async def performance(model: str | None = None, hours: float = 24.0) -> JsonObject:
        return report_as_json(await get_router().aperformance(model, hours))

    @paths.get("/api/v1/quota")
    async def quota() -> JsonObject:
        return report_as_json(await get_router().aquota())

    @paths.get("/api/v1/stats")
    async def stats() -> JsonObject:
        return report_as_json(await get_router().astats())

    @paths.get("/health")
    @paths.get("/api/v1/health")
    async def health() -> JSONResponse:
        try:
            report = await get_router().ahealth(wait=CATALOGUE_WAIT)
        except FreeRouterError as error:
            return JSONResponse({"status": "down", "usable": 0, "reason": str(error)}, 503)
        usable = len(report.usable)
        body = {
            "status": "ok" if usable else "down",
            "usable": usable,
            "listed": report.listed,
            "catalogue_age": report.age,
            "providers": list(report.accounts),
        }
        return JSONResponse(body, 200 if usable else 503)
