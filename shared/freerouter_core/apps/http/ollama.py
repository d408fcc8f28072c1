"""`/api/chat`, `/api/tags` and `/api/version`, as Ollama has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.json_values import Json
from ...wire.ollama import (
    VERSION,
    OllamaRequest,
    read_chat,
    write_delta,
    write_end,
    write_tags,
    write_whole,
)
from ..as_json import JsonObject
from .choices import Piece, answers_of, pieces_of
from .errors import message_of
from .models import listed
from .route import GetRouter, encoded, read_json, unless_disconnected


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/api/version")
    async def version() -> JsonObject:
        return {"version": VERSION}

    @paths.get("/api/tags")
    async def tags() -> JsonObject:
        return write_tags(await listed(get_router()), _now())

    @paths.post("/api/chat", response_model=None)
    async def chat(request: Request) -> Response:
        asked, router, began = read_chat(await read_json(request)), get_router(), time.monotonic()
        if not asked.stream:
            work = answers_of(router, asked.request, 1)
            (outcome,) = await unless_disconnected(request, work)
            seconds = time.monotonic() - began
            whole = write_whole(outcome.answer, _now(), seconds, outcome.metadata, asked.shown)
            return Response(encoded(whole), media_type="application/json")
        pieces = pieces_of(router, asked.request, 1)
        first = await unless_disconnected(request, anext(pieces))
        lines = _lines(pieces, first, asked, began)
        return StreamingResponse(lines, media_type="application/x-ndjson")


async def _lines(
    pieces: AsyncGenerator[Piece, None], first: Piece, asked: OllamaRequest, began: float
) -> AsyncIterator[bytes]:
    """The lines of a stream. If the client disconnects, the request is cancelled."""
    model, said = asked.request.model or "freerouter", first[1]
    try:
        while not isinstance(said, Outcome):
            model = said.model or model
            line = write_delta(said, model, _now(), asked.shown)
            if line is not None:
                yield _line(line)
            _, said = await anext(pieces)
        yield _line(write_end(said.answer, _now(), time.monotonic() - began, said.metadata))
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
