"""`ShortWay`: requests that need nothing of FastAPI, past it."""

from __future__ import annotations

import inspect

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .route import answering_errors


class ShortWay:
    """ASGI middleware: endpoints that read the request and write the response themselves are called
    directly. FastAPI's way to them takes as long as all that they do.

    Args:
        app: what serves all other requests.
        paths: where those endpoints are. They must depend on nothing else.
    """

    def __init__(self, app: ASGIApp, paths: APIRouter) -> None:
        self.app = app
        self.endpoints = {
            route.path: answering_errors(route.endpoint)
            for route in paths.routes
            if isinstance(route, APIRoute) and route.methods == {"POST"} and _is_plain(route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            handle = self.endpoints.get(scope["path"])
            if handle is not None:
                response = await handle(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_plain(route: APIRoute) -> bool:
    """Whether an endpoint takes the request alone, and returns a response."""
    signature = inspect.signature(route.endpoint)
    returns = str(signature.return_annotation).endswith("Response")
    return returns and list(signature.parameters) == ["request"]
