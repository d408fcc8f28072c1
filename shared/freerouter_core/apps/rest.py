"""A router as an HTTP service: OpenAI's chat API under /v1, FreeRouter's own under /api/v1, /health, /metrics, and a page at /.

`app(router, token=…)` is the whole application; `router` is a FastAPI `APIRouter` of the same paths for an application of your own, and
`api(of)` makes one over a `Router` of your choice. Everything here translates; `Router` decides.
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
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from .._version import __version__
from ..client.router import Router
from ..client.streams import AsyncStream
from ..errors import BadRequest, FreeRouterError
from ..events import log
from ..wire.openai import read_request, write_answer, write_delta, write_end
from ..wire.stream import Delta
from . import tracing
from .as_json import described, plain, standing
from .http.auth import LARGEST, Gate, refusal
from .http.errors import error_body, failed
from .http.overview import Overview, page
from .metrics import PATIENCE, Metrics, available
from .tracing import Traces

GONE = 499
"""The status, for the log alone, of a request whose client has left."""
T = TypeVar("T")


async def _body(request: Request) -> Any:
    """The request's JSON. Another content type is refused: a web page could send it without asking."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        raise HTTPException(415, "the content type must be application/json")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise HTTPException(413, f"the body is larger than {LARGEST:,} bytes")
        parts.append(part)
    try:
        return json.loads(b"".join(parts))
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON") from None


class _Left(Exception):
    """The client has gone."""


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What the work comes to; a client that leaves meanwhile ends it, upstream too."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise _Left
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Route(APIRoute):
    """Every way of failing as JSON that OpenAI's clients read, whichever application the paths are in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except FreeRouterError as error:
                return failed(error)
            except StarletteHTTPException as error:
                return refusal(error.status_code, str(error.detail), error.headers)
            except RequestValidationError as error:
                first = error.errors()[0]
                return refusal(
                    422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
                )
            except (_Left, ClientDisconnect):
                return Response(status_code=GONE)
            except RecursionError:
                return refusal(400, "the request is nested too deeply")
            except Exception as error:
                log.error("a request to the service failed: %s: %s", type(error).__name__, error)
                return refusal(500, "something went wrong here; the log says what")

        return told


class Watchers:
    """Who watches the requests of a router's runtime: the page's overview, and metrics and traces where their extras are installed."""

    def __init__(self, of: Callable[[], Router]) -> None:
        self.overview = Overview(of)
        self.metrics = Metrics(of()) if available() else None
        self.traces = Traces(of()) if tracing.available() else None

    def close(self) -> None:
        for watcher in (self.overview, self.metrics, self.traces):
            if watcher is not None:
                watcher.close()


def api(of: Callable[[], Router], watchers: Watchers | None = None) -> APIRouter:
    """The paths, over the router that `of()` gives. `watchers`: who has watched its requests so far; None: they are watched from the first
    call on. Routers of one process that share a runtime are watched together."""
    paths = APIRouter(route_class=_Route)
    watched = [] if watchers is None else [watchers]

    def watching() -> Watchers:
        if not watched:
            watched.append(Watchers(of))
        return watched[0]

    def router() -> Router:
        watching()
        return of()

    _openai(paths, router)
    _lists(paths, router)
    _reports(paths, router)
    _page(paths, watching)
    return paths


async def _exposed(watchers: Watchers) -> Response:
    metrics = watchers.metrics
    if metrics is None:
        return refusal(501, "metrics need prometheus-client: pip install 'freerouter-llm[metrics]'")
    return PlainTextResponse(await metrics.exposition(), media_type=metrics.kind)


def _page(paths: APIRouter, watching: Callable[[], Watchers]) -> None:
    @paths.get("/", response_class=HTMLResponse)
    async def shown() -> HTMLResponse:
        watching()
        text, policy = page()
        return HTMLResponse(
            text,
            headers={
                "content-security-policy": policy,
                "cache-control": "no-store",
                "referrer-policy": "no-referrer",
            },
        )

    @paths.get("/api/v1/overview")
    async def told() -> dict[str, Any]:
        return await watching().overview.told(wait=PATIENCE)

    @paths.get("/api/v1/metrics", response_class=PlainTextResponse)
    async def exposed() -> Response:
        return await _exposed(watching())


def _openai(paths: APIRouter, of: Callable[[], Router]) -> None:
    @paths.post("/v1/chat/completions", response_model=None)
    async def chat(request: Request) -> Response:
        wanted, streamed, usage = read_request(await _body(request))
        ident, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        if not streamed:
            outcome = await _unless_gone(request, of().achat(wanted))
            whole = write_answer(outcome.answer, ident, created, outcome.metadata)
            return Response(_line(whole), media_type="application/json")
        stream = of().astream(wanted)
        deltas = aiter(stream)
        first = await _unless_gone(
            request, _first(deltas)
        )  # before it an error is a status, after it a line of the stream
        told = _events(stream, deltas, first, ident, created, usage)
        return StreamingResponse(
            told, media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    @paths.get("/v1/models")
    async def listed() -> dict[str, Any]:
        router = of()
        models = [
            model for model in await router.amodels() if model.free or router.config.allow_paid
        ]
        rows = [
            {
                "id": model.id,
                "object": "model",
                "created": 0,
                "owned_by": model.provider,
                "context_length": model.context,
            }
            for model in models
        ]
        return {
            "object": "list",
            "data": [
                {"id": "auto", "object": "model", "created": 0, "owned_by": "freerouter"},
                *rows,
            ],
        }

    @paths.get("/v1/models/{name:path}")
    async def one(name: str) -> dict[str, Any]:
        for row in (await listed())["data"]:
            if row["id"] == name:
                return dict(row)
        raise HTTPException(404, f"no model is called {name!r}")


def _lists(paths: APIRouter, of: Callable[[], Router]) -> None:
    @paths.get("/api/v1/models/free")
    async def free() -> dict[str, Any]:
        rows = (await of().ahealth()).rows
        told = [plain(standing(row)) for row in rows if row.model.free and row.model.chat]
        return {"models": told, "count": len(told)}

    @paths.get("/api/v1/models/affordable")
    async def affordable(max_cost_per_token: float) -> dict[str, Any]:
        if not 0 <= max_cost_per_token < float("inf"):
            raise HTTPException(422, "max_cost_per_token must be USD, 0 or more")
        models = await of().aaffordable_models(max_cost_per_token)
        return {"models": [described(model) for model in models], "count": len(models)}

    @paths.post("/api/v1/models/openrouter/filter")
    async def filtered(request: Request) -> dict[str, Any]:
        body = await _body(request)
        if not isinstance(body, dict):
            raise BadRequest("the filter must be a JSON object")
        if (
            "providers" in body
        ):  # a key that lies in the environment is used by nobody but its owner
            raise BadRequest(
                "providers are chosen by whoever runs the service",
                hint="freerouter serve, FREEROUTER_PROVIDERS",
            )
        told = of().set_filter(**{str(name): value for name, value in body.items()})
        return {"filter": plain(told), "models": [model.id for model in await of().amodels()]}

    @paths.post("/api/v1/models/refresh")
    async def refresh(request: Request) -> dict[str, Any]:
        catalogue = await of().arefresh()
        return {
            "listed": len(catalogue),
            "free": len(catalogue.free()),
            "fetched": catalogue.fetched,
        }


def _reports(paths: APIRouter, of: Callable[[], Router]) -> None:
    @paths.get("/api/v1/recommend")
    async def recommend(text: str, limit: int = 5) -> dict[str, Any]:
        rows = await of().arecommend(text, max(1, min(limit, 100)))
        return {"recommendations": plain(rows)}

    @paths.get("/api/v1/explain")
    async def explain(text: str = "") -> dict[str, Any]:
        return {"candidates": plain((await of().aexplain(text)).rows)}

    @paths.get("/api/v1/performance")
    async def performance(model: str | None = None, hours: float = 24.0) -> Any:
        return plain(await of().aperformance(model, hours))

    @paths.get("/api/v1/quota")
    async def quota() -> Any:
        return plain(await of().aquota())

    @paths.get("/api/v1/stats")
    async def stats() -> Any:
        return plain(await of().astats())

    @paths.get("/health")
    @paths.get("/api/v1/health")
    async def health() -> JSONResponse:
        try:
            report = await of().ahealth(wait=PATIENCE)
        except FreeRouterError as error:
            return JSONResponse({"status": "down", "usable": 0, "reason": str(error)}, 503)
        usable = len(report.usable)
        told = {
            "status": "ok" if usable else "down",
            "usable": usable,
            "listed": report.listed,
            "catalogue_age": report.age,
        }
        return JSONResponse(told | {"providers": list(report.accounts)}, 200 if usable else 503)


def _line(told: dict[str, Any]) -> bytes:
    """As JSON that any client can read, whatever a provider put into it."""
    return json.dumps(plain(told), ensure_ascii=False).encode("utf-8", "replace")


async def _first(deltas: AsyncIterator[Delta]) -> Delta | None:
    return await anext(deltas, None)


async def _events(
    stream: AsyncStream,
    deltas: AsyncIterator[Delta],
    first: Delta | None,
    ident: str,
    created: int,
    usage: bool,
) -> AsyncIterator[bytes]:
    """The lines of a stream. A client that leaves ends the request upstream, too."""
    begun = False
    try:
        delta = first
        while delta is not None:
            chunk = write_delta(delta, ident, created, "freerouter", not begun)
            begun = True
            yield b"data: " + _line(chunk) + b"\n\n"
            delta = await anext(deltas, None)
        outcome = stream.outcome
        if outcome is not None:
            if not begun:
                yield (
                    b"data: "
                    + _line(write_delta(Delta(), ident, created, outcome.answer.model, True))
                    + b"\n\n"
                )
            for chunk in write_end(outcome.answer, ident, created, outcome.metadata, usage):
                yield b"data: " + _line(chunk) + b"\n\n"
    except FreeRouterError as error:
        yield b"data: " + _line(error_body(error)) + b"\n\n"
    except asyncio.CancelledError:  # the service ends; a client that is still there is told
        ending = FreeRouterError("the service is shutting down", hint="ask again")
        yield b"data: " + _line(error_body(ending)) + b"\n\n"
    finally:
        await stream.aclose()
    yield b"data: [DONE]\n\n"


_shared: list[Router] = []


def _default() -> Router:
    """One for all requests, made at the first: a filter that is set must last."""
    if not _shared:
        _shared.append(Router())
    return _shared[0]


router = api(_default)
"""The paths as a FastAPI router to include, over `Router()`: `app.include_router(freerouter_core.apps.rest.router)`."""


def app(
    of: Router | None = None,
    *,
    token: str | None = None,
    hosts: Collection[str] | None = None,
    close: bool = False,
) -> FastAPI:
    """The application. `token`: what callers must bring as a bearer token, everywhere but for /health. `hosts`: the names it answers to
    (None: any), so that no web page reaches it under a name of its own. `close`: whether the router's runtime ends with it."""
    served = of or Router()
    watchers = Watchers(lambda: served)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(served.flush, PATIENCE)
        watchers.close()
        if close:
            await asyncio.to_thread(
                served.close
            )  # what was learnt is written down, whatever ends the process

    made = FastAPI(title="FreeRouter", version=__version__, lifespan=life)
    made.include_router(api(lambda: served, watchers))

    @made.get("/metrics", response_class=PlainTextResponse)
    async def exposed() -> Response:
        return await _exposed(watchers)

    made.add_middleware(Gate, token=token, hosts=hosts)

    @made.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return refusal(error.status_code, str(error.detail), error.headers)

    return made
