"""`pieces_of`: the deltas of one answer, or of several at once, and their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from ...client.router import Router
from ...routing.plan import Outcome
from ...wire.content import refuse_files_of_the_machine
from ...wire.delta import Delta
from ...wire.history import readable
from ...wire.request import ChatRequest
from .media_addresses import refuse_addresses_inside

Piece = tuple[int, Delta | Outcome]
"""(the index of the choice, what came of it). An outcome is the last of its choice."""
MOST_WAITING = 16
"""Pieces that wait for the client, before the models are read more slowly."""


def _readable(request: ChatRequest) -> ChatRequest:
    """The request of a client, which must not make this machine read its own files for it, nor ask
    its own network."""
    if all(map(_is_plain, request.messages)):
        return request
    request = readable(request)
    refuse_files_of_the_machine(request.messages)
    refuse_addresses_inside(request.messages)
    return request


def _is_plain(message: object) -> bool:
    """Whether a message is text and nothing else."""
    return isinstance(message, Mapping) and all(isinstance(v, str) for v in message.values())


async def answers_of(router: Router, request: ChatRequest, n: int) -> Sequence[Outcome]:
    """`n` answers, each by a request of its own. The first failure ends the others."""
    request = _readable(request)
    if n == 1:
        return [await router.achat(request)]
    requests = [request.but(sample=index) for index in range(n)]
    tasks = [asyncio.ensure_future(router.achat(each)) for each in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def pieces_of(router: Router, request: ChatRequest, n: int) -> AsyncGenerator[Piece, None]:
    """What comes of `n` streams, in the order in which it comes. Closing it cancels them."""
    if n > 1:
        async for piece in _together(router, request, n):
            yield piece
        return
    stream = router.astream(_readable(request))
    try:
        async for delta in stream:
            yield 0, delta
        yield 0, stream.outcome
    finally:
        await stream.aclose()


async def _together(router: Router, request: ChatRequest, n: int) -> AsyncGenerator[Piece, None]:
    queue: asyncio.Queue[Piece | Exception] = asyncio.Queue(MOST_WAITING)

    async def read(index: int) -> None:
        try:
            async for _, said in pieces_of(router, request.but(sample=index), 1):
                await queue.put((index, said))
        except Exception as error:  # it is raised where the pieces are read
            await queue.put(error)

    tasks = [asyncio.ensure_future(read(index)) for index in range(n)]
    running = n
    try:
        while running:
            piece = await queue.get()
            if isinstance(piece, Exception):
                raise piece
            running -= isinstance(piece[1], Outcome)
            yield piece
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
