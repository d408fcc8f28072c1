"""`POST /v1/chat/completions`, as OpenAI's and OpenRouter's APIs have it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.delta import Delta
from ...wire.openai import ClientRequest, read_request
from ...wire.openai_answer import Completion
from .choices import Piece, answers_of, pieces_of
from .errors import error_body
from .rate_limits import RateLimits
from .route import GetRouter, encoded, is_openrouters, read_json, unless_disconnected


def add_routes(paths: APIRouter, get_router: GetRouter, limits: RateLimits) -> None:
    @paths.post("/v1/chat/completions", response_model=None)
    async def chat_completions(request: Request) -> Response:
        body = await read_json(request)
        asked, router = read_request(body), get_router()
        completion = _completion(body, asked)
        if not asked.stream:
            work = answers_of(router, asked.request, asked.n)
            outcomes = await unless_disconnected(request, work)
            whole = completion.whole([o.answer for o in outcomes], [o.metadata for o in outcomes])
            headers = await limits.headers(router, sum(len(o.attempts) for o in outcomes))
            return Response(encoded(whole), media_type="application/json", headers=headers)
        pieces = pieces_of(router, asked.request, asked.n)
        # An error before the first delta sets the status; a later one is an event of the stream.
        first = await unless_disconnected(request, anext(pieces))
        openrouter = is_openrouters(request)
        events = _Events(completion, asked, openrouter).of(pieces, first)
        return StreamingResponse(
            events,
            media_type="text/event-stream",
            headers={"cache-control": "no-store", **await limits.headers(router, asked.n)},
        )


def _completion(body: object, asked: ClientRequest) -> Completion:
    named_tier = isinstance(body, dict) and body.get("service_tier") is not None
    return Completion(
        f"chatcmpl-{uuid.uuid4().hex}",
        int(time.time()),
        "default" if named_tier else None,
        {"left_out": dict(asked.left_out)} if asked.left_out else {},
    )


class _Events:
    """Writes the server-sent events of one completion."""

    def __init__(self, completion: Completion, asked: ClientRequest, openrouter: bool) -> None:
        self.completion, self.openrouter = completion, openrouter
        self.with_usage = asked.include_usage or openrouter
        self.model = asked.request.model or "freerouter"
        self.models: dict[int, str] = {}
        """By choice: who speaks."""
        self.outcomes: dict[int, Outcome] = {}

    async def of(self, pieces: AsyncGenerator[Piece, None], first: Piece) -> AsyncIterator[bytes]:
        """The events. If the client disconnects, the requests are cancelled."""
        try:
            piece: Piece | None = first
            while piece is not None:
                index, said = piece
                for event in self.ended(index, said) if isinstance(said, Outcome) else ():
                    yield event
                if isinstance(said, Delta):
                    yield self.delta(index, said)
                piece = await anext(pieces, None)
            if self.with_usage:
                answers = [outcome.answer for outcome in self.outcomes.values()]
                for chunk in self.completion.usage(answers):
                    yield _event(chunk)
        except FreeRouterError as error:
            for event in self.failed(error):
                yield event
        except asyncio.CancelledError:  # shutdown: a client that is still connected learns of it
            hint = "send the request again"
            for event in self.failed(FreeRouterError("the service is shutting down", hint=hint)):
                yield event
        finally:
            await pieces.aclose()
        yield b"data: [DONE]\n\n"

    def delta(self, index: int, delta: Delta) -> bytes:
        first = index not in self.models
        if delta.model or first:
            self.models[index] = self.model = delta.model or self.model
        chunk = self.completion.chunk(delta, self.models[index], first=first, index=index)
        return _event(chunk)

    def ended(self, index: int, outcome: Outcome) -> list[bytes]:
        self.outcomes[index] = outcome
        first = (
            [] if index in self.models else [self.delta(index, Delta(model=outcome.answer.model))]
        )
        last = self.completion.last(outcome.answer, outcome.metadata, index=index)
        return [*first, _event(last)]

    def failed(self, error: FreeRouterError) -> list[bytes]:
        """OpenRouter's clients read the error in a chunk, OpenAI's in an event of its own."""
        body = error_body(error, openrouter=self.openrouter)
        chunks = self.completion.failed(body, self.model) if self.openrouter else [body]
        return list(map(_event, chunks))


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + encoded(value) + b"\n\n"
