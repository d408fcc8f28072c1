"""`POST /v1/chat/completions`, as OpenAI's API has it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from ...client.streams import AsyncStream
from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.delta import Delta
from ...wire.openai import read_request, write_answer, write_delta, write_end
from ..as_json import jsonable
from .errors import error_body
from .route import GetRouter, read_json, unless_disconnected


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.post("/v1/chat/completions", response_model=None)
    async def chat_completions(request: Request) -> Response:
        chat_request, streamed, include_usage = read_request(await read_json(request))
        completion = _Completion(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), include_usage)
        if not streamed:
            outcome = await unless_disconnected(request, get_router().achat(chat_request))
            return Response(completion.whole(outcome), media_type="application/json")
        stream = get_router().astream(chat_request)
        # An error before the first delta sets the status; a later one is an event of the stream.
        first = await unless_disconnected(request, _next(stream))
        return StreamingResponse(
            _events(stream, first, completion),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )


@dataclass(frozen=True, slots=True)
class _Completion:
    """Writes one completion. `created` is unix seconds."""

    id: str
    created: int
    include_usage: bool

    def whole(self, outcome: Outcome) -> bytes:
        return _encode(write_answer(outcome.answer, self.id, self.created, outcome.metadata))

    def delta(self, delta: Delta, *, first: bool, model: str) -> bytes:
        return _event(write_delta(delta, self.id, self.created, model, first))

    def end(self, outcome: Outcome) -> list[bytes]:
        chunks = write_end(
            outcome.answer, self.id, self.created, outcome.metadata, self.include_usage
        )
        return [_event(chunk) for chunk in chunks]


async def _next(stream: AsyncStream) -> Delta | None:
    return await anext(stream, None)


async def _events(
    stream: AsyncStream, first: Delta | None, completion: _Completion
) -> AsyncIterator[bytes]:
    """The server-sent events of a stream. If the client disconnects, the request is cancelled."""
    try:
        delta, started, model = first, False, "freerouter"
        while delta is not None:
            model = delta.model or model
            yield completion.delta(delta, first=not started, model=model)
            started = True
            delta = await _next(stream)
        outcome = stream.outcome
        if not started:
            yield completion.delta(Delta(), first=True, model=outcome.answer.model)
        for event in completion.end(outcome):
            yield event
    except FreeRouterError as error:
        yield _event(error_body(error))
    except asyncio.CancelledError:  # shutdown: a client that is still connected learns of it
        shutdown = FreeRouterError("the service is shutting down", hint="send the request again")
        yield _event(error_body(shutdown))
    finally:
        await stream.aclose()
    yield b"data: [DONE]\n\n"


def _event(value: Mapping[str, object]) -> bytes:
    return b"data: " + _encode(value) + b"\n\n"


def _encode(value: Mapping[str, object]) -> bytes:
    """JSON that any client can read, whatever a provider has sent."""
    return json.dumps(jsonable(value), ensure_ascii=False).encode("utf-8", "replace")
