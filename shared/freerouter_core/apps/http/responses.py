"""`/v1/responses`, as OpenAI's API has it. Codex and newer SDKs speak it and nothing else."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from ...client.router import Router
from ...errors import BadRequest, Exhausted, FreeRouterError
from ...events import log
from ...routing.need import checked_need
from ...routing.plan import Outcome
from ...wire.history import readable
from ...wire.json_values import Json
from ...wire.responses.events import Events
from ...wire.responses.read import ResponsesRequest, read_request, references
from ...wire.responses.write import Writer
from ..as_json import JsonObject
from .choices import Piece, answers_of, pieces_of
from .errors import message_of
from .rate_limits import RateLimits
from .response_store import ResponseStore, Stored
from .route import GetRouter, encoded, read_json, unless_disconnected

FILE = "responses.db"
"""The file beside the shared state."""
MOST_ITEMS = 100
"""Items in one page of a list."""


def add_routes(paths: APIRouter, get_router: GetRouter, limits: RateLimits) -> None:
    stores: list[ResponseStore] = []

    def get_store() -> ResponseStore:
        if not stores:
            stores.append(ResponseStore(_place(get_router())))
        return stores[0]

    @paths.post("/v1/responses", response_model=None)
    async def create(request: Request) -> Response:
        asked, router, store = _read(request, await read_json(request)), get_router(), get_store()
        chat = (await _resolved(asked, store)).chat(await _before(asked, store))
        writer = Writer(asked, f"resp_{_new_id()}", int(time.time()), _new_id)
        if asked.stream:
            pieces = pieces_of(router, chat, 1)
            # An error before the first delta sets the status; a later one is an event.
            first = await unless_disconnected(request, anext(pieces))
            return StreamingResponse(
                _events(pieces, first, writer, store),
                media_type="text/event-stream",
                headers={"cache-control": "no-store", **await limits.headers(router)},
            )
        (outcome,) = await unless_disconnected(request, answers_of(router, chat, 1))
        body = writer.whole(outcome.answer, outcome.metadata, int(time.time()))
        await _keep(store, asked, body)
        headers = await limits.headers(router, len(outcome.attempts))
        return Response(encoded(body), media_type="application/json", headers=headers)

    @paths.post("/v1/responses/input_tokens", response_model=None)
    async def count(request: Request) -> JsonObject:
        asked, store = _read(request, await read_json(request)), get_store()
        chat = (await _resolved(asked, store)).chat(await _before(asked, store))
        allow_paid = get_router().config.allow_paid
        tokens = checked_need(readable(chat), allow_paid=allow_paid).prompt_tokens
        return {"object": "response.input_tokens", "input_tokens": tokens}

    @paths.get("/v1/responses/{ident}", response_model=None)
    async def retrieve(ident: str) -> Response:
        stored = await _stored(get_store(), ident)
        return Response(encoded(stored.response), media_type="application/json")

    @paths.delete("/v1/responses/{ident}")
    async def delete(ident: str) -> JsonObject:
        if not await get_store().delete(ident):
            raise _unknown(ident)
        return {"id": ident, "object": "response", "deleted": True}

    @paths.post("/v1/responses/{ident}/cancel")
    async def cancel(ident: str) -> JsonObject:
        await _stored(get_store(), ident)
        raise BadRequest(
            "only a response in the background can be cancelled", hint="close the connection"
        )

    @paths.get("/v1/responses/{ident}/input_items", response_model=None)
    async def list_items(
        ident: str, order: str = "desc", limit: int = 20, after: str = ""
    ) -> Response:
        items = list((await _stored(get_store(), ident)).items)
        if order == "desc":
            items.reverse()
        return Response(encoded(_page(items, limit, after)), media_type="application/json")


def _read(request: Request, body: object) -> ResponsesRequest:
    """The request. Codex offers tools of OpenAI's with every one, so there they are left out."""
    origin = request.headers.get("originator", "") + request.headers.get("user-agent", "")
    return read_request(body, _new_id, unasked="codex" in origin.lower())


def _new_id() -> str:
    return uuid.uuid4().hex


def _place(router: Router) -> Path | None:
    """Where responses are kept: beside the shared state, if that is a file of this machine."""
    state = router.state_file
    return None if state is None else state.with_name(FILE)


async def _before(asked: ResponsesRequest, store: ResponseStore) -> Sequence[Json]:
    """The items of the turns before this one."""
    if asked.previous is None:
        return ()
    before = await store.conversation(asked.previous)
    if before is None:
        raise BadRequest(
            f"previous_response_id {asked.previous!r} is not kept here (any more)",
            hint="send the whole conversation as input; store: false keeps nothing",
        )
    return before


async def _resolved(asked: ResponsesRequest, store: ResponseStore) -> ResponsesRequest:
    """The request with the items themselves where it only refers to them."""
    wanted = references(asked.items)
    if not wanted:
        return asked
    found = await store.find(wanted)
    missing = [ident for ident in wanted if ident not in found]
    if missing:
        raise BadRequest(
            f"the item {missing[0]!r} is not kept here (any more)",
            hint="send items as they are, not by reference",
        )
    items = [
        found[item["id"]] if item.get("type") == "item_reference" else item for item in asked.items
    ]
    return replace(asked, items=tuple(items))


async def _keep(store: ResponseStore, asked: ResponsesRequest, response: Json) -> None:
    """Keep a response unless the client does not want it. A store that fails costs no answer."""
    if not asked.store:
        return
    try:
        await store.keep(Stored(response, asked.items, asked.previous), time.time())
    except Exception as error:  # the answer is there: it must reach the client
        log.warning("a response could not be kept: %s", type(error).__name__)


async def _stored(store: ResponseStore, ident: str) -> Stored:
    stored = await store.get(ident)
    if stored is None:
        raise _unknown(ident)
    return stored


def _unknown(ident: str) -> HTTPException:
    return HTTPException(404, f"no response with the id {ident[:100]!r} is kept here")


def _page(items: list[Json], limit: int, after: str) -> JsonObject:
    ids = [str(item["id"]) for item in items]
    begin = ids.index(after) + 1 if after in ids else 0
    end = begin + max(1, min(limit, MOST_ITEMS))
    shown = items[begin:end]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": end < len(items),
    }


async def _events(
    pieces: AsyncGenerator[Piece, None], first: Piece, writer: Writer, store: ResponseStore
) -> AsyncIterator[bytes]:
    """The server-sent events of a stream. If the client disconnects, the request is cancelled."""
    _, said = first
    model = said.answer.model if isinstance(said, Outcome) else said.model
    events = Events(writer, model or "auto")
    try:
        piece: Piece | None = first
        for event in _written(events.begin()):
            yield event
        while piece is not None:
            _, said = piece
            if isinstance(said, Outcome):
                last = list(events.end(said.answer, said.metadata, int(time.time())))
                await _keep(store, writer.asked, last[-1]["response"])
                for event in _written(last):
                    yield event
            else:
                for event in _written(events.delta(said)):
                    yield event
            piece = await anext(pieces, None)
    except FreeRouterError as error:
        limited = isinstance(error, Exhausted) and error.rate_limited
        code = "rate_limit_exceeded" if limited else "server_error"
        for event in _written(events.failed(code, message_of(error))):
            yield event
    except asyncio.CancelledError:  # shutdown: a client that is still connected learns of it
        for event in _written(events.failed("server_error", "the service is shutting down")):
            yield event
    finally:
        await pieces.aclose()


def _written(events: Iterable[Json]) -> Iterable[bytes]:
    for event in events:
        yield b"event: " + event["type"].encode() + b"\ndata: " + encoded(event) + b"\n\n"
