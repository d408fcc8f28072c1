"""`POST /v1/messages` and `/v1/messages/count_tokens`, as Anthropic's API has them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from ...client.router import Router
from ...errors import ContextTooLong, FreeRouterError
from ...routing.need import checked_need
from ...routing.plan import Outcome
from ...wire.delta import Delta
from ...wire.history import readable
from ...wire.json_values import Json
from ...wire.messages.error import too_long
from ...wire.messages.events import PING, MessageEvents
from ...wire.messages.read import MessagesRequest, read_request
from ...wire.messages.write import write_message
from ...wire.request import ChatRequest
from ..as_json import JsonObject
from .choices import Piece, answers_of, pieces_of
from .errors import anthropic_error
from .rate_limits import RateLimits
from .route import GetRouter, encoded, read_json, unless_disconnected

PING_AFTER = 10.0
"""Seconds without an event after which a stream says that it is alive."""


def add_routes(paths: APIRouter, get_router: GetRouter, limits: RateLimits) -> None:
    @paths.post("/v1/messages/count_tokens")
    async def count_tokens(request: Request) -> JsonObject:
        asked = read_request(await read_json(request))
        return {"input_tokens": max(1, _size(asked.request, get_router())[1])}

    @paths.post("/v1/messages", response_model=None)
    async def messages(request: Request) -> Response:
        asked, router = read_request(await read_json(request)), get_router()
        chat_request, size = _size(asked.request, router)
        asked = asked._replace(request=chat_request)
        headers = {"cache-control": "no-store"}
        try:
            if not asked.stream:
                work = answers_of(router, chat_request, 1)
                (outcome,) = await unless_disconnected(request, work)
                headers |= _named(await limits.headers(router, len(outcome.attempts)))
                content = encoded(_whole(outcome, asked, size))
                return Response(content, media_type="application/json", headers=headers)
            pieces = pieces_of(router, chat_request, 1)
            # An error before the first delta sets the status; a later one is an event.
            first = await unless_disconnected(request, anext(pieces))
        except ContextTooLong as error:
            words = too_long(size, await _largest_window(router))
            raise ContextTooLong(words, hint="", attempts=error.attempts) from None
        headers |= _named(await limits.headers(router))
        return StreamingResponse(
            _events(pieces, first, asked, size), media_type="text/event-stream", headers=headers
        )


def _size(request: ChatRequest, router: Router) -> tuple[ChatRequest, int]:
    """(the request in the wire's form, an estimate of its tokens). Raises `BadRequest`."""
    request = readable(request)
    need = checked_need(request, allow_paid=router.config.allow_paid)
    return request, need.prompt_tokens


async def _largest_window(router: Router) -> int:
    models = await router.amodels()
    return max((model.context for model in models if model.free and model.chat), default=0)


def _whole(outcome: Outcome, asked: MessagesRequest, size: int) -> Json:
    return write_message(
        outcome.answer,
        _new_id(),
        outcome.metadata,
        prompt_tokens=size,
        thinking=asked.thinking,
        offered=asked.request.offered,
    )


def _new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


def _named(limits: dict[str, str]) -> dict[str, str]:
    """The headers of the accounts' limits, in Anthropic's names, too."""
    if not limits:
        return {}
    reset = datetime.fromtimestamp(int(limits["x-ratelimit-reset"]) // 1_000, UTC)
    return limits | {
        "anthropic-ratelimit-requests-limit": limits["x-ratelimit-limit"],
        "anthropic-ratelimit-requests-remaining": limits["x-ratelimit-remaining"],
        "anthropic-ratelimit-requests-reset": f"{reset:%Y-%m-%dT%H:%M:%SZ}",
    }


# -- streams ---------------------------------------------------------------------------------------


async def _events(
    pieces: AsyncGenerator[Piece, None], first: Piece, asked: MessagesRequest, size: int
) -> AsyncIterator[bytes]:
    """The server-sent events of a stream. If the client disconnects, the request is cancelled."""
    writer = MessageEvents(
        _new_id(), prompt_tokens=size, thinking=asked.thinking, offered=asked.request.offered
    )
    said = first[1]
    model = said.model if isinstance(said, Delta) else said.answer.model
    for event in writer.start(model or "freerouter"):
        yield _event(event)
    try:
        async with aclosing(_with_pings(pieces, first)) as some:
            async for piece in some:
                for event in _written(writer, piece):
                    yield _event(event)
    except FreeRouterError as error:
        yield _event(anthropic_error(error))
    except asyncio.CancelledError:  # shutdown: a client that is still connected learns of it
        shutdown = FreeRouterError("the service is shutting down", hint="send the request again")
        yield _event(anthropic_error(shutdown))
    finally:
        await pieces.aclose()


def _written(writer: MessageEvents, piece: Piece | None) -> Iterable[Json]:
    if piece is None:
        return (PING,)
    said = piece[1]
    return writer.delta(said) if isinstance(said, Delta) else writer.end(said.answer, said.metadata)


async def _with_pings(
    pieces: AsyncGenerator[Piece, None], first: Piece
) -> AsyncGenerator[Piece | None, None]:
    """The pieces to the last, and None where none came for a while."""
    piece = first
    while True:
        yield piece
        if isinstance(piece[1], Outcome):
            return
        coming = asyncio.ensure_future(anext(pieces))
        try:
            while not (await asyncio.wait({coming}, timeout=PING_AFTER))[0]:
                yield None
            piece = coming.result()
        finally:
            if not coming.done():
                coming.cancel()
                with suppress(asyncio.CancelledError):
                    await coming


def _event(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: ".encode() + encoded(event) + b"\n\n"
