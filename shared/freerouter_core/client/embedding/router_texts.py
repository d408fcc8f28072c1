"""`RouterTexts`: what a router can do with texts besides chatting: embed and rank them."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from ...catalogue.serving import InputType
from ...errors import BadRequest
from ...guards.base import ChatClient
from ...routing.plan import Outcome
from ...wire.request import ChatRequest, Lane
from ...wire.vectors import MAX_DIMENSION
from ..base import RouterBase
from ..request_run import RequestRun
from .embed_job import EmbedJob, EmbedOptions, LongTexts
from .embedded import Embedded, Reranked
from .rerank_job import RerankJob, RerankOptions
from .vector_cache import vector_store

Job = Callable[[], Coroutine[Any, Any, Any]]


class RouterTexts(RouterBase):
    """Embeddings and reranking."""

    def embed(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        kind: InputType = "document",
        dimensions: int | None = None,
        pin: str | Path | None = None,
        long: LongTexts = "error",
        timeout: float | None = None,
        lane: Lane | None = None,
        label: str = "",
    ) -> Embedded:
        """Return the vectors of texts, all of one space, each of length 1.

        Args:
            texts: what to embed. None may be blank.
            model: None or "auto": the space of the record, else that which most usable free
                providers serve. A space ("bge-m3"), or a model ("gemini:gemini-embedding-001"),
                which is asked first.
            kind: "document" for what is searched, "query" for what it is searched with.
            dimensions: of the vectors, where the space offers a choice. None: its own.
            pin: the file (or folder) of the record that says which space an index is of. It is
                written at the first call, and every later call keeps to it. None: with
                `model="auto"` a record beside the state; with a named model there is none.
            long: "error" raises for a text that is too long. "split" takes the mean of its pieces'
                vectors.
            timeout: seconds for each request. None: the router's.
            lane: "background" lets requests that somebody waits for go first. None: the router's.
            label: names the step in reports; not sent.

        Raises:
            BadRequest: a text is blank or none, or the index is of another space.
            ContextTooLong: a text is too long.
            NoCandidates: nobody serves the space.
            FreeRouterError: any other error of the tree. What was embedded before is kept: the next
                call asks only for the rest.
        """
        options = _embed_options(locals())
        return self._runtime.call(self._embed(texts, options))

    async def aembed(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        kind: InputType = "document",
        dimensions: int | None = None,
        pin: str | Path | None = None,
        long: LongTexts = "error",
        timeout: float | None = None,  # noqa: ASYNC109  # of each request, not of the call
        lane: Lane | None = None,
        label: str = "",
    ) -> Embedded:
        """Return the vectors of texts, as `embed` does, from any event loop."""
        options = _embed_options(locals())
        return await self._runtime.acall(self._embed(texts, options))

    def rerank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        model: str | None = None,
        top_n: int | None = None,
        chat: bool = True,
        timeout: float | None = None,
        lane: Lane | None = None,
        label: str = "",
    ) -> Reranked:
        """Put texts in order by how well they answer a query, the best first.

        Args:
            query: what is asked.
            texts: what may answer it.
            model: the reranker to ask first. None or "auto": any.
            top_n: how many of the best to return. None: all.
            chat: whether a chat model may judge if no reranker is usable; the answer tells it
                (`by`). False: that is an error.
            timeout: seconds for each request. None: the router's.
            lane: as in `embed`.
            label: names the step in reports; not sent.

        Raises:
            BadRequest: a text or the query is blank.
            FreeRouterError: any other error of the tree.
        """
        options = RerankOptions(
            model=model, top_n=top_n, chat=chat, timeout=timeout, lane=lane, label=label
        )
        return self._runtime.call(self._rerank(query, texts, options))

    async def arerank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        model: str | None = None,
        top_n: int | None = None,
        chat: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109  # of each request, not of the call
        lane: Lane | None = None,
        label: str = "",
    ) -> Reranked:
        """Put texts in order, as `rerank` does, from any event loop."""
        options = RerankOptions(
            model=model, top_n=top_n, chat=chat, timeout=timeout, lane=lane, label=label
        )
        return await self._runtime.acall(self._rerank(query, texts, options))

    def _embed(
        self, texts: Sequence[str], options: EmbedOptions
    ) -> Callable[[], Coroutine[Any, Any, Embedded]]:
        context = self._context

        async def run() -> Embedded:
            await context.opened()
            return await EmbedJob(context, texts, options, vector_store(context.runtime)).run()

        return run

    def _rerank(
        self, query: str, texts: Sequence[str], options: RerankOptions
    ) -> Callable[[], Coroutine[Any, Any, Reranked]]:
        context = self._context
        bare = context.with_options(guards=(), session_name=None)

        async def ask(request: ChatRequest) -> Outcome:
            # Without guards nobody asks the client anything.
            return await RequestRun(bare, cast("ChatClient", self), request).run()

        async def run() -> Reranked:
            return await RerankJob(bare, ask, query, texts, options).run()

        return run


def _embed_options(arguments: dict[str, Any]) -> EmbedOptions:
    names = EmbedOptions.__dataclass_fields__
    values = {name: value for name, value in arguments.items() if name in names}
    if values["model"] == "auto":
        values["model"] = None
    _check(**{name: values[name] for name in ("model", "dimensions", "timeout")})
    _check_one_of("kind", values["kind"], get_args(InputType))
    _check_one_of("long", values["long"], get_args(LongTexts))
    _check_one_of("lane", values["lane"], (None, *get_args(Lane)))
    if values["pin"] is not None:
        values["pin"] = os.fspath(values["pin"])
    return EmbedOptions(**values)


def _check(model: object, dimensions: object, timeout: object) -> None:
    if model is not None and not isinstance(model, str):
        raise BadRequest(f"model={model!r} must be a name", hint='such as "bge-m3"')
    whole = isinstance(dimensions, int) and not isinstance(dimensions, bool)
    if dimensions is not None and not (whole and 0 < cast("int", dimensions) <= MAX_DIMENSION):
        raise BadRequest(f"dimensions={dimensions!r} must be a positive whole number")
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise BadRequest(f"timeout={timeout!r} must be positive seconds")


def _check_one_of(name: str, value: object, offered: tuple[object, ...]) -> None:
    if value not in offered:
        names = ", ".join(repr(one) for one in offered)
        raise BadRequest(f"{name}={value!r} is not known", hint=f"one of {names}")
