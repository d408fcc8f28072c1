"""Lists of models: OpenAI's `/v1/models`, and FreeRouter's own under `/api/v1/models`."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request

from ...catalogue.model import Model
from ...client.router import Router
from ...errors import BadRequest
from ..as_json import JsonObject, candidacy_as_json, jsonable, model_as_json
from .route import GetRouter, read_json

AUTO: JsonObject = {"id": "auto", "object": "model", "created": 0, "owned_by": "freerouter"}
"""The first row of `/v1/models`: any model."""


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    _add_openai(paths, get_router)
    _add_lists(paths, get_router)

    @paths.post("/api/v1/models/openrouter/filter")
    async def set_filter(request: Request) -> JsonObject:
        changes = _filter_changes(await read_json(request))
        router = get_router()
        current = router.set_filter(**changes)
        return {"filter": jsonable(current), "models": [m.id for m in await router.amodels()]}

    @paths.post("/api/v1/models/refresh")
    async def refresh(request: Request) -> JsonObject:
        catalogue = await get_router().arefresh()
        return {
            "listed": len(catalogue),
            "free": len(catalogue.free()),
            "fetched": catalogue.fetched,
        }


def _add_openai(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/v1/models")
    async def list_models() -> JsonObject:
        return {"object": "list", "data": await _openai_models(get_router())}

    @paths.get("/v1/models/{name:path}")
    async def retrieve_model(name: str) -> JsonObject:
        for row in await _openai_models(get_router()):
            if row["id"] == name:
                return row
        raise HTTPException(404, f"no model is called {name!r}")


async def _openai_models(router: Router) -> list[JsonObject]:
    models = await router.amodels()
    return [
        AUTO,
        *(_openai_model(model) for model in models if model.free or router.config.allow_paid),
    ]


def _openai_model(model: Model) -> JsonObject:
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.provider,
        "context_length": model.context,
    }


def _add_lists(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/api/v1/models/free")
    async def list_free_models() -> JsonObject:
        report = await get_router().ahealth()
        rows = [row for row in report.rows if row.model.free and row.model.chat]
        return {"models": [candidacy_as_json(row) for row in rows], "count": len(rows)}

    @paths.get("/api/v1/models/affordable")
    async def list_affordable_models(max_cost_per_token: float) -> JsonObject:
        if not 0 <= max_cost_per_token < float("inf"):
            raise HTTPException(422, "max_cost_per_token must be USD, 0 or more")
        models = await get_router().aaffordable_models(max_cost_per_token)
        return {"models": [model_as_json(model) for model in models], "count": len(models)}


def _filter_changes(body: object) -> JsonObject:
    """The body of a filter request, checked. `Router.set_filter` checks the values."""
    if not isinstance(body, dict):
        raise BadRequest("the filter must be a JSON object")
    if "providers" in body:  # a caller must not choose which keys of the environment are used
        raise BadRequest(
            "the providers of a service cannot be changed over HTTP",
            hint="set FREEROUTER_PROVIDERS where the service is started",
        )
    return {str(name): value for name, value in body.items()}
