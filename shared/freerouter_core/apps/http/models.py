"""Lists of models: `/v1/models` as OpenAI, OpenRouter and Anthropic have it, and our own under
`/api/v1/models`."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, HTTPException, Request

from ...catalogue.model import Mode, Model
from ...client.answer_cache.lookup import caller
from ...client.router import Router
from ...errors import BadRequest
from ...wire.messages.models import write_model, write_models
from ..as_json import JsonObject, candidacy_as_json, jsonable, model_as_json
from .model_row import endpoint_row, model_row
from .route import GetRouter, read_json

AUTO = Model("auto", "freerouter", chat=True, free=True)
"""The first row of `/v1/models`: any model."""
ANTHROPIC_VERSION = "anthropic-version"
"""The header that every client of Anthropic's API sends."""
SHARED_FILTER = (
    "callers with different tokens share the filter, so none of them may change it; it is set"
    " where the service is started"
)


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    _add_clients(paths, get_router)
    _add_lists(paths, get_router)

    @paths.post("/api/v1/models/openrouter/filter")
    async def set_filter(request: Request) -> JsonObject:
        changes = _filter_changes(await read_json(request))
        if caller.get():
            raise HTTPException(403, SHARED_FILTER)
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


def _add_clients(paths: APIRouter, get_router: GetRouter) -> None:
    """The lists that clients of OpenAI's and of OpenRouter's read: one row serves both."""

    @paths.get("/v1/models/count")
    async def count_models() -> JsonObject:
        return {"data": {"count": len(await listed(get_router()))}}

    @paths.get("/v1/models")
    @paths.get("/v1/models/user")
    async def list_models(request: Request) -> JsonObject:
        models = await listed(get_router())
        if ANTHROPIC_VERSION in request.headers:
            return write_models(models)
        rows = [model_row(model) for model in models]
        return {"object": "list", "data": rows, "total_count": len(rows), "links": {"next": None}}

    @paths.get("/v1/embeddings/models")
    async def list_embedding_models() -> JsonObject:
        models = [m for m in await get_router().amodels("embedding") if m.free]
        return {"data": [model_row(model) for model in models], "total_count": len(models)}

    @paths.get("/v1/providers")
    async def list_providers() -> JsonObject:
        names = sorted({model.provider for model in (await listed(get_router()))[1:]})
        return {"data": [{"name": n, "slug": n, "privacy_policy_url": None} for n in names]}

    @paths.get("/v1/models/{name:path}/endpoints")
    async def list_endpoints(name: str) -> JsonObject:
        model = await _named(get_router(), name)
        return {"data": model_row(model) | {"endpoints": [endpoint_row(model)]}}

    @paths.get("/v1/models/{name:path}")
    async def retrieve_model(request: Request, name: str) -> JsonObject:
        model = await _named(get_router(), name)
        return write_model(model) if ANTHROPIC_VERSION in request.headers else model_row(model)

    @paths.get("/v1/model/{name:path}")
    async def retrieve_openrouters(name: str) -> JsonObject:
        return {"data": model_row(await _named(get_router(), name))}


async def listed(router: Router) -> list[Model]:
    """`auto`, and what may be asked: the free ones, unless the owner allows paying."""
    models = await router.amodels()
    asked = [model for model in models if model.free or router.config.allow_paid]
    parameters = frozenset[str]().union(*(model.parameters for model in asked))
    inputs = AUTO.inputs.union(*(model.inputs for model in asked))
    context = max((model.context for model in asked), default=AUTO.context)
    return [replace(AUTO, parameters=parameters, inputs=inputs, context=context), *asked]


async def _named(router: Router, name: str) -> Model:
    for model in await listed(router):
        if model.id == name:
            return model
    raise HTTPException(404, f"no model is called {name!r}")


def _add_lists(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/api/v1/models/free")
    async def list_free_models(mode: Mode = "chat") -> JsonObject:
        if mode != "chat":
            models = [m for m in await get_router().amodels(mode) if m.free]
            return {"models": [model_as_json(model) for model in models], "count": len(models)}
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
