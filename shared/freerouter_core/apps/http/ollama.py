"""Chats, prompts and lists of models, as Ollama has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from ...client.router import Router
from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.json_values import Json, as_mapping
from ...wire.ollama import (
    VERSION,
    OllamaRequest,
    read_chat,
    write_delta,
    write_end,
    write_tags,
    write_whole,
)
from ...wire.ollama_generate import read_generate, write_generated, write_loaded, write_shown
from ..as_json import JsonObject
from .choices import Piece, answers_of, pieces_of
from .errors import message_of
from .models import listed
from .route import GetRouter, encoded, read_json, unless_disconnected

Form = Callable[[Json], Json]
"""What becomes of a line of a chat."""


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/api/version")
    async def version() -> JsonObject:
        return {"version": VERSION}

    @paths.get("/api/tags")
    async def tags() -> JsonObject:
        return write_tags(await listed(get_router()), _now())

    @paths.get("/api/ps")
    async def running() -> JsonObject:
        return {"models": []}  # none is loaded on this machine

    @paths.post("/api/show")
    async def show(request: Request) -> JsonObject:
        body = as_mapping(await read_json(request))
        name = str(body.get("model") or body.get("name") or "")
        for model in await listed(get_router()):
            if model.id in (name, name.removesuffix(":latest")):
                return write_shown(model, _now())
        raise HTTPException(404, f"model {name!r} not found: /api/tags lists the models")

    @paths.post("/api/chat", response_model=None)
    async def chat(request: Request) -> Response:
        asked = read_chat(await read_json(request))
        return await _respond(request, get_router(), asked, lambda line: line)

    @paths.post("/api/generate", response_model=None)
    async def generate(request: Request) -> Response:
        body = await read_json(request)
        asked = read_generate(body)
        if asked is None:
            return Response(encoded(write_loaded(body, _now())), media_type="application/json")
        return await _respond(request, get_router(), asked, write_generated)


async def _respond(request: Request, router: Router, asked: OllamaRequest, form: Form) -> Response:
    """The response to a client's request."""
    began = time.monotonic()
    if not asked.stream:
        work = answers_of(router, asked.request, 1)
        (outcome,) = await unless_disconnected(request, work)
        seconds = time.monotonic() - began
        whole = write_whole(outcome.answer, _now(), seconds, outcome.metadata, asked.shown)
        return Response(encoded(form(whole)), media_type="application/json")
    pieces = pieces_of(router, asked.request, 1)
    first = await unless_disconnected(request, anext(pieces))
    lines = _lines(pieces, first, asked, began, form)
    return StreamingResponse(lines, media_type="application/x-ndjson")


async def _lines(
    pieces: AsyncGenerator[Piece, None],
    first: Piece,
    asked: OllamaRequest,
    began: float,
    form: Form,
) -> AsyncIterator[bytes]:
    """The lines of a stream. If the client disconnects, the request is cancelled."""
    model, said = asked.request.model or "freerouter", first[1]
    try:
        while not isinstance(said, Outcome):
            model = said.model or model
            line = write_delta(said, model, _now(), asked.shown)
            if line is not None:
                yield _line(form(line))
            _, said = await anext(pieces)
        end = write_end(said.answer, _now(), time.monotonic() - began, said.metadata)
        yield _line(form(end))
    except FreeRouterError as error:
        yield _line({"error": message_of(error)})
    except asyncio.CancelledError:  # shutdown: a client that is still connected learns of it
        yield _line({"error": "the service is shutting down"})
    finally:
        await pieces.aclose()


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _line(value: Json) -> bytes:
    return encoded(value) + b"\n"
