"""`RouterTexts`: what a router can do with texts besides chatting: embed and rank them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

from ...catalogue.serving import InputType
from ...guards.base import ChatClient
from ...routing.plan import Outcome
from ...wire.request import ChatRequest, Lane
from ..base import RouterBase
from ..request_run import RequestRun
from .embed_job import EmbedJob
from .embedded import Embedded, Reranked
from .options import (
    EmbedArguments,
    EmbedOptions,
    LongTexts,
    RerankArguments,
    RerankOptions,
)
from .rerank_job import RerankJob
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
        options = EmbedOptions(
            model=model,
            kind=kind,
            dimensions=dimensions,
            pin=pin,
            long=long,
            timeout=timeout,
            lane=lane,
            label=label,
        )
        return self._runtime.call(self._embed(texts, options))

    async def aembed(self, texts: Sequence[str], **options: Unpack[EmbedArguments]) -> Embedded:
        """Return the vectors of texts, as `embed` does, from any event loop."""
        return await self._runtime.acall(self._embed(texts, EmbedOptions(**options)))

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
        self, query: str, texts: Sequence[str], **options: Unpack[RerankArguments]
    ) -> Reranked:
        """Put texts in order, as `rerank` does, from any event loop."""
        return await self._runtime.acall(self._rerank(query, texts, RerankOptions(**options)))

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
