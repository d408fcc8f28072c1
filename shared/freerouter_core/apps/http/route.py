"""`JsonErrorRoute`, and what every path needs: JSON bodies, and clients that disconnect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from ...client.router import Router
from ...errors import BadRequest, FreeRouterError
from ...events import log
from ...wire.json_values import parse_json
from ...wire.model_names import ANTHROPIC, ModelNames
from ..as_json import jsonable
from .auth import MAX_BODY
from .errors import error_response, refusal
from .request_id import request_id
from .shapes import shape_of

Handle = Callable[[Request], Coroutine[Any, Any, Response]]
GetRouter = Callable[[], Router]
"""Where the paths get their router, at each request."""
CLIENT_CLOSED = 499
"""Status of a request whose client has disconnected. Only the log shows it."""
BODY_TIMEOUT = 60.0
"""Seconds in which a request's body must come."""
T = TypeVar("T")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


async def read_json(request: Request) -> object:
    """The JSON body of a request, its model by our name for it (`ModelNames`).

    `Cache-Control: no-cache` is the field `fresh` in it.

    Only `application/json` is accepted: a web page can send other types without permission.
    Ollama's clients send any, so there it is the page itself that is refused.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type.lower() != "application/json" and not _is_ollamas(request):
        raise HTTPException(415, "the content type must be application/json")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        words = "the body must not be compressed: send it without Content-Encoding"
        raise HTTPException(415, words, {"accept-encoding": "identity"})
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY:
                    raise HTTPException(413, f"the body is larger than {MAX_BODY:,} bytes")
                chunks.append(chunk)
    except TimeoutError:
        message = f"the body did not come within {BODY_TIMEOUT:g} s"
        raise HTTPException(408, message, {"connection": "close"}) from None
    try:
        body: object = parse_json(b"".join(chunks))
    except json.JSONDecodeError:
        raise BadRequest("the body is not valid JSON") from None
    except ValueError as error:  # it is too large, or nested too deeply
        raise BadRequest(f"the body cannot be read: {error}") from None
    if isinstance(body, dict) and "no-cache" in request.headers.get("cache-control", "").lower():
        body["fresh"] = True  # as HTTP means it: an answer that is kept will not do
    names: ModelNames = getattr(request.app.state, "model_names", ModelNames(ANTHROPIC))
    return names.in_body(body)


def _is_ollamas(request: Request) -> bool:
    """Whether a program asks as Ollama's clients do. A browser names the page that asks in one of
    these headers."""
    headers = request.headers
    in_page = "origin" in headers or headers.get("sec-fetch-site", "none") != "none"
    return shape_of(request.scope["path"]) == "ollama" and not in_page


def encoded(value: Mapping[str, object]) -> bytes:
    """JSON that any client can read, whatever a provider has sent."""
    try:
        text = _encode(value)
    except (TypeError, ValueError):  # it holds something that JSON has no form for
        text = json.dumps(jsonable(value), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def is_openrouters(request: Request) -> bool:
    """Whether a client of OpenRouter's asks: it uses OpenRouter's paths, or says its name."""
    if "/api/v1/" in request.scope["path"]:
        return True
    return "openrouter" in request.headers.get("user-agent", "").lower()


class _Disconnected(Exception):
    """The client has disconnected."""


async def unless_disconnected(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`. If the client disconnects first, `work` is cancelled."""
    task, gone = asyncio.current_task(), False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        if task is not None:
            task.cancel()

    watcher = asyncio.ensure_future(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if gone and task is not None and not task.uncancel():
            raise _Disconnected from None
        raise
    finally:
        watcher.cancel()


class JsonErrorRoute(APIRoute):
    """A route that answers every error as JSON, whichever application it belongs to."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return answering_errors(super().get_route_handler())


def answering_errors(handle: Handle) -> Handle:
    """`handle`, with a response for everything that it raises."""

    async def handle_errors(request: Request) -> Response:
        path: str = request.scope["path"]
        try:
            return await handle(request)
        except FreeRouterError as error:
            return error_response(error, openrouter=is_openrouters(request), path=path)
        except StarletteHTTPException as error:
            return refusal(error.status_code, str(error.detail), error.headers, path=path)
        except RequestValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            return refusal(422, f"{field}: {first['msg']}", path=path)
        except (_Disconnected, ClientDisconnect):
            return Response(status_code=CLIENT_CLOSED)
        except RecursionError:
            return refusal(400, "the request is nested too deeply", path=path)
        except Exception as error:
            # Its message may quote what was sent. The type and the id find it.
            name, ident = type(error).__name__, request_id.get()
            log.error("a request to the service failed: %s (%s)", name, ident)
            log.debug("where it failed", exc_info=error)
            words = f"internal error; the log has it under {ident or name}"
            return refusal(500, words, path=path)

    return handle_errors


def add_head(paths: APIRouter) -> None:
    """Answer HEAD wherever GET is: monitors of a service ask so, and Ollama's command does.

    The server leaves the body out.
    """
    for route in list(paths.routes):
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            paths.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                response_model=None,
                response_class=route.response_class,
                include_in_schema=False,
            )


def add_openrouters_paths(paths: APIRouter) -> None:
    """Serve every path under `/v1` under `/api/v1`, too: there OpenRouter's clients look for it.

    FreeRouter's own paths under `/api/v1` were added before, so they count first.
    """
    for route in list(paths.routes):
        if isinstance(route, APIRoute) and route.path.startswith("/v1/"):
            paths.add_api_route(
                f"/api{route.path}",
                route.endpoint,
                methods=list(route.methods or ()),
                response_model=None,
                include_in_schema=False,
            )
