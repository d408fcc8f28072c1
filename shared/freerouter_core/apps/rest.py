"""A router as an HTTP service.

OpenAI's API is under `/v1`, and as OpenRouter has it under `/api/v1`, where FreeRouter's own
reports are, too. There are also `/health`,
`/metrics`, and a page at `/`. `app(router, token=…)` is the whole application. `router` is a
FastAPI `APIRouter` with the same paths, for an application of your own. `api(of)` makes such an
`APIRouter` over any `Router`.
"""

from __future__ import annotations

from ..errors import MissingExtra

try:
    import fastapi  # noqa: F401
except ImportError as error:
    raise MissingExtra(
        "the service needs FastAPI", hint="pip install 'freerouter-llm[serve]'"
    ) from error

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.cors import CORSMiddleware

from .._version import __version__
from ..client.router import Router
from ..wire.model_names import ANTHROPIC, ModelNames
from .http import (
    account,
    chat_completions,
    completions,
    embeddings,
    messages,
    models,
    moderations,
    ollama,
    page,
    reports,
    responses,
)
from .http.auth import AccessMiddleware
from .http.bounds import MOST_REQUESTS, BoundsMiddleware
from .http.docs import add_docs
from .http.errors import refusal
from .http.rate_limits import RateLimits
from .http.request_id import REQUEST_ID
from .http.route import GetRouter, JsonErrorRoute, add_head, add_openrouters_paths
from .http.short_way import ShortWay
from .http.unknown_paths import unknown_path, wrong_method
from .http.watchers import Watchers

__all__ = ["Watchers", "api", "app", "router"]

FLUSH = 1.0
"""Seconds at shutdown for observers to see the last events."""


def api(of: Callable[[], Router], watchers: Watchers | None = None) -> APIRouter:
    """All paths, over the router that `of()` returns.

    `watchers`: observers that exist already. None: they start at the first request. Routers that
    share a runtime are watched together.
    """
    paths = APIRouter(route_class=JsonErrorRoute)
    started = [] if watchers is None else [watchers]

    def get_watchers() -> Watchers:
        if not started:
            started.append(Watchers(of))
        return started[0]

    def get_router() -> Router:
        get_watchers()
        return of()

    _add_client_paths(paths, get_router)
    reports.add_routes(paths, get_router)
    page.add_routes(paths, get_watchers)

    @paths.get("/api/v1/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return await get_watchers().metrics_response()

    add_openrouters_paths(paths)
    add_head(paths)
    return paths


def client_paths(of: Callable[[], Router]) -> APIRouter:
    """The paths that clients of models use. Nobody watches."""
    paths = APIRouter(route_class=JsonErrorRoute)
    _add_client_paths(paths, of)
    add_openrouters_paths(paths)
    return paths


def _add_client_paths(paths: APIRouter, get_router: GetRouter) -> None:
    limits = RateLimits()
    chat_completions.add_routes(paths, get_router, limits)
    responses.add_routes(paths, get_router, limits)
    messages.add_routes(paths, get_router, limits)
    completions.add_routes(paths, get_router)
    moderations.add_routes(paths, get_router)
    ollama.add_routes(paths, get_router)
    embeddings.add_routes(paths, get_router)
    models.add_routes(paths, get_router)
    account.add_routes(paths, get_router)


_shared: list[Router] = []


def _shared_router() -> Router:
    """One router for all requests, made at the first one: its filter must last."""
    if not _shared:
        _shared.append(Router())
    return _shared[0]


router = api(_shared_router)
"""All paths over `Router()`: `app.include_router(freerouter_core.apps.rest.router)`."""


def app(
    of: Router | None = None,
    *,
    token: str | Collection[str] | None = None,
    hosts: Collection[str] | None = None,
    origins: Collection[str] = (),
    media_hosts: Collection[str] = (),
    names: Collection[str] = (),
    most: int = MOST_REQUESTS,
    close: bool = False,
) -> FastAPI:
    """The whole application.

    Args:
        of: the router. None: `Router()`.
        token: the bearer token that every path needs, except the page and the health checks. None:
            no token. Those who send different ones of several tokens share no kept answer and no
            conversation.
        hosts: the host names that are accepted, so that no other site can point its own name here.
            None: any.
        origins: what else may send requests from a browser, besides the service's own page: such as
            "app://obsidian.md".
        media_hosts: hosts inside one's own network that pictures and files may be at; "*": any.
            Other addresses inside are refused, because a local model server would fetch them.
        names: what clients' names of models mean, as `PATTERN=MODEL`: `claude-*=auto` always holds,
            unless another row says more, or paid models are allowed.
        most: requests to models that are served at once. More are answered 429.
        close: whether the router's runtime is closed at shutdown.
    """
    served = of or Router()
    watchers = Watchers(lambda: served)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        history = asyncio.create_task(watchers.overview.remember())
        yield
        history.cancel()
        await asyncio.to_thread(served.flush, FLUSH)
        watchers.close()
        if close:
            await asyncio.to_thread(served.close)  # writes the state, however the process ends

    application = FastAPI(
        title="FreeRouter", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    # With paid models a name of Anthropic's may be meant.
    usual = () if served.config.allow_paid else ANTHROPIC
    application.state.model_names = ModelNames((*ModelNames.parse(names).rows, *usual))
    add_docs(application)
    paths = api(lambda: served, watchers)
    application.include_router(paths)
    application.add_middleware(ShortWay, paths=paths)

    @application.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return await watchers.metrics_response()

    application.add_middleware(
        AccessMiddleware, token=token, hosts=hosts, origins=origins, media_hosts=media_hosts
    )
    if origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID, "retry-after"],
        )
    application.add_middleware(BoundsMiddleware, most=most)

    @application.exception_handler(StarletteHTTPException)
    async def http_exception(request: Request, error: StarletteHTTPException) -> JSONResponse:
        path, words, headers = request.scope["path"], str(error.detail), dict(error.headers or {})
        if error.status_code == 404:
            words = unknown_path(path, str(request.base_url).rstrip("/"))
        elif error.status_code == 405:
            words = wrong_method(request.method, path, headers.get("Allow", ""))
        return refusal(error.status_code, words, headers, path=path)

    return application
