"""`POST /v1/completions`: OpenAI's legacy API, over chat models."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from ...client.router import Router
from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.completions import CompletionsRequest, TextCompletion, read_completions
from .choices import Piece, answers_of, pieces_of
from .errors import error_body
from .route import GetRouter, encoded, is_openrouters, read_json, unless_disconnected


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.post("/v1/completions", response_model=None)
    async def completions(request: Request) -> Response:
        asked, router = read_completions(await read_json(request)), get_router()
        writer = TextCompletion(f"cmpl-{uuid.uuid4().hex}", int(time.time()))
        if not asked.chats[0].stream:
            outcomes = await unless_disconnected(request, _answers(router, asked))
            befores = [prompt if asked.echo else "" for prompt in asked.prompts]
            texts = [(befores[n // asked.n], o.answer) for n, o in enumerate(outcomes)]
            whole = writer.whole(texts, [outcome.metadata for outcome in outcomes])
            return Response(encoded(whole), media_type="application/json")
        pieces = _pieces(router, asked)
        # An error before the first delta sets the status; a later one is an event of the stream.
        first = await unless_disconnected(request, anext(pieces))
        events = _events(writer, asked, pieces, first, openrouter=is_openrouters(request))
        headers = {"cache-control": "no-store"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _answers(router: Router, asked: CompletionsRequest) -> list[Outcome]:
    """The answers to the prompts, one prompt after the other."""
    outcomes: list[Outcome] = []
    for chat in asked.chats:
        outcomes += await answers_of(router, chat.request, asked.n)
    return outcomes


async def _pieces(router: Router, asked: CompletionsRequest) -> AsyncGenerator[Piece, None]:
    for place, chat in enumerate(asked.chats):
        pieces = pieces_of(router, chat.request, asked.n)
        try:
            async for index, said in pieces:
                yield place * asked.n + index, said
        finally:
            await pieces.aclose()


async def _events(
    writer: TextCompletion,
    asked: CompletionsRequest,
    pieces: AsyncGenerator[Piece, None],
    first: Piece,
    *,
    openrouter: bool,
) -> AsyncIterator[bytes]:
    """The server-sent events of a stream. If the client disconnects, the requests are cancelled."""
    model, begun, piece = asked.chats[0].request.model or "freerouter", set[int](), first
    answers = []
    try:
        while True:
            index, said = piece
            if isinstance(said, Outcome):
                answers.append(said.answer)
                yield _event(writer.last(index, said.answer))
                if len(answers) == len(asked.chats) * asked.n:
                    break
            else:
                model = said.model or model
                before = "" if index in begun or not asked.echo else asked.prompts[index // asked.n]
                begun.add(index)
                if before or said.text:
                    yield _event(writer.chunk(index, before + said.text, model))
            piece = await anext(pieces)
        if asked.chats[0].include_usage:
            yield _event(writer.usage(answers))
    except FreeRouterError as error:
        yield _event(error_body(error, openrouter=openrouter))
    except asyncio.CancelledError:  # shutdown: a client that is still connected learns of it
        shutdown = FreeRouterError("the service is shutting down", hint="send the request again")
        yield _event(error_body(shutdown, openrouter=openrouter))
    finally:
        await pieces.aclose()
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + encoded(value) + b"\n\n"
