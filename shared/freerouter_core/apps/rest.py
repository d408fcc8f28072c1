"""A router as an HTTP service: OpenAI's chat API under /v1, FreeRouter's own under /api/v1, /health and /metrics.

`app(router, token=…)` is the whole application; `router` is a FastAPI `APIRouter` of the same paths for an application of your own, and
`api(of)` makes one over a `Router` of your choice. Everything here translates; `Router` decides.
"""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from .. import __version__
from ..errors import (
    AuthenticationFailed,
    BadRequest,
    BadSetting,
    CatalogueUnavailable,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    NoCandidates,
    Refused,
)
from ..router import Router
from ..streams import AsyncStream
from ..wire.openai import read_request, write_answer, write_delta, write_end
from ..wire.stream import Delta
from .data import described, plain
from .metrics import Metrics, available

LARGEST = 10_000_000
"""Bytes that a request's body may have."""
_STATUS: tuple[tuple[type[FreeRouterError], int, str], ...] = (
    (BadRequest, 400, "invalid_request_error"),
    (BadSetting, 400, "invalid_request_error"),
    (AuthenticationFailed, 502, "upstream_authentication_error"),
    (Refused, 403, "content_refused"),
    (NoCandidates, 503, "no_candidates"),
    (DeadlineExceeded, 504, "timeout"),
    (CatalogueUnavailable, 503, "catalogue_unavailable"),
    (Exhausted, 503, "exhausted"),
    (FreeRouterError, 502, "upstream_error"),
)
"""What callers are told: the first row that fits. A refused key of ours is no matter of theirs, hence no 401."""


def status_of(error: FreeRouterError) -> int:
    if isinstance(error, Exhausted) and error.rate_limited:
        return 429
    return next(status for kind, status, _ in _STATUS if isinstance(error, kind))


def error_body(error: FreeRouterError) -> dict[str, Any]:
    """An error as OpenAI's clients read it, with our hint and the attempts made."""
    kind = next(word for row, _, word in _STATUS if isinstance(error, row))
    told: dict[str, Any] = {"message": str(error), "type": kind, "code": type(error).__name__, "param": None}
    return {"error": told | {"hint": error.hint, "attempts": [dict(record) for record in error.attempts]}}


def _failed(error: FreeRouterError) -> JSONResponse:
    headers = {}
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers["retry-after"] = str(max(1, round(wait)))
    return JSONResponse(error_body(error), status_of(error), headers)


async def _body(request: Request) -> Any:
    """The request's JSON. Another content type is refused: a web page could send it without asking."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        raise HTTPException(415, "the content type must be application/json")
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON") from None


def api(of: Callable[[], Router]) -> APIRouter:
    """The paths, over the router that `of()` gives."""
    paths = APIRouter()
    _openai(paths, of)
    _lists(paths, of)
    _reports(paths, of)
    return paths


def _openai(paths: APIRouter, of: Callable[[], Router]) -> None:
    @paths.post("/v1/chat/completions", response_model=None)
    async def chat(request: Request) -> Response:
        try:
            wanted, streamed, usage = read_request(await _body(request))
            ident, created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
            if not streamed:
                outcome = await of().achat(wanted)
                return JSONResponse(write_answer(outcome.answer, ident, created, outcome.metadata))
            stream = of().astream(wanted)
            deltas = aiter(stream)
            first = await anext(deltas, None)  # before it an error is a status, after it a line of the stream
            told = _events(stream, deltas, first, ident, created, usage)
            return StreamingResponse(
                told, media_type="text/event-stream", headers={"cache-control": "no-store"}
            )
        except FreeRouterError as error:
            return _failed(error)

    @paths.get("/v1/models")
    async def listed() -> dict[str, Any]:
        models = await of().amodels()
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
            "data": [{"id": "auto", "object": "model", "created": 0, "owned_by": "freerouter"}, *rows],
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
        rows = [row for row in (await of().ahealth()).rows if row.model.free and row.model.chat]
        told = [
            described(row.model)
            | {"usable": row.usable, "reason": row.reason, "state": row.state, "returns": row.returns}
            for row in rows
        ]
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
        told = of().set_filter(**{str(name): value for name, value in body.items()})
        return {"filter": plain(told), "models": [model.id for model in await of().amodels()]}

    @paths.post("/api/v1/models/refresh")
    async def refresh() -> dict[str, Any]:
        catalogue = await of().arefresh()
        return {"listed": len(catalogue), "free": len(catalogue.free()), "fetched": catalogue.fetched}


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
            report = await of().ahealth()
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


async def _events(
    stream: AsyncStream,
    deltas: AsyncIterator[Delta],
    first: Delta | None,
    ident: str,
    created: int,
    usage: bool,
) -> AsyncIterator[str]:
    """The lines of a stream. A client that leaves ends the request upstream, too."""
    begun = False
    try:
        delta = first
        while delta is not None:
            chunk = write_delta(delta, ident, created, "freerouter", not begun)
            begun = True
            yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
            delta = await anext(deltas, None)
        outcome = stream.outcome
        if outcome is not None:
            if not begun:
                yield f"data: {json.dumps(write_delta(Delta(), ident, created, outcome.answer.model, True))}\n\n"
            for chunk in write_end(outcome.answer, ident, created, outcome.metadata, usage):
                yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    except FreeRouterError as error:
        yield f"data: {json.dumps(error_body(error), ensure_ascii=False)}\n\n"
    finally:
        await stream.aclose()
    yield "data: [DONE]\n\n"


_shared: list[Router] = []


def _default() -> Router:
    """One for all requests, made at the first: a filter that is set must last."""
    if not _shared:
        _shared.append(Router())
    return _shared[0]


router = api(_default)
"""The paths as a FastAPI router to include, over `Router()`: `app.include_router(freerouter_core.apps.rest.router)`."""


def app(of: Router | None = None, *, token: str | None = None) -> FastAPI:
    """The application. `token`: what callers must bring as a bearer token, everywhere but for /health."""
    served = of or Router()
    metrics = Metrics(served) if available() else None

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        if metrics is not None:
            metrics.close()

    async def admitted(request: Request) -> None:
        brought = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        fine = not token or hmac.compare_digest(brought.encode(), token.encode())
        if not (fine or request.url.path in ("/health", "/api/v1/health")):
            raise HTTPException(401, "a bearer token is needed", {"www-authenticate": "Bearer"})

    made = FastAPI(title="FreeRouter", version=__version__, lifespan=life, dependencies=[Depends(admitted)])
    made.include_router(api(lambda: served))
    made.add_middleware(_Bounded)

    @made.get("/metrics", response_class=PlainTextResponse)
    async def exposed() -> PlainTextResponse:
        if metrics is None:
            raise HTTPException(501, "metrics need prometheus-client: pip install 'freerouter-llm[metrics]'")
        return PlainTextResponse(await metrics.exposition(), media_type=metrics.kind)

    @made.exception_handler(FreeRouterError)
    async def failed(_: Request, error: FreeRouterError) -> JSONResponse:
        return _failed(error)

    @made.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        told = {
            "message": str(error.detail),
            "type": "invalid_request_error",
            "code": error.status_code,
            "param": None,
        }
        return JSONResponse({"error": told}, error.status_code, error.headers)

    return made


class _Bounded:
    """Ends a request whose body is too large, whatever its length claims to be."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        claimed = dict(scope["headers"]).get(b"content-length", b"0")
        if not claimed.isdigit() or int(claimed) > LARGEST:
            await _too_large(scope, receive, send)
            return
        size = 0

        async def bounded() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST:
                raise HTTPException(413, f"the body is larger than {LARGEST:,} bytes")
            return message

        await self.app(scope, bounded, send)


async def _too_large(scope: Any, receive: Any, send: Any) -> None:
    told = {
        "message": f"the body is larger than {LARGEST:,} bytes",
        "type": "invalid_request_error",
        "code": 413,
    }
    await JSONResponse({"error": told | {"param": None}}, 413)(scope, receive, send)
