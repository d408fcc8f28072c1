"""`FreeRouterRerank`: documents in the order in which they answer a query."""

from __future__ import annotations

import os
from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import ConfigDict, Field

import freerouter_core
from freerouter_core.client.embedding.adapter_options import TextsOptions
from freerouter_core.client.embedding.embedded import Reranked
from freerouter_core.errors import forgets_locals

from .api_key import ApiKey, key_from_environment
from .errors import as_model_errors


class FreeRouterRerank(TextsOptions, BaseDocumentCompressor):
    """Free rerankers, with failover from one to the next; where none is usable, a chat model
    judges.

    Example:
        ```python
        from langchain_classic.retrievers import ContextualCompressionRetriever
        from langchain_freerouter import FreeRouterRerank

        reranker = FreeRouterRerank(top_n=3)
        retriever = ContextualCompressionRetriever(
            base_compressor=reranker, base_retriever=vectors.as_retriever(search_kwargs={"k": 20})
        )
        ```

    A document's metadata tells its `relevance_score`, and under `freerouter` the model that ranked
    it and whether that was a reranker or a chat model (`by`).
    """

    model_config = ConfigDict(defer_build=False, extra="forbid")

    api_key: ApiKey = Field(default_factory=key_from_environment, exclude=True, repr=False)
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""
    top_n: int | None = Field(default=3, gt=0)
    """How many documents are kept. None: all."""
    chat: bool = True
    """Whether a chat model may judge if no reranker is usable."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Return the best documents, the best first."""
        if not documents:
            return []
        with as_model_errors():
            ranked = self._router.rerank(
                query, _texts(documents), model=self.model, top_n=self.top_n, chat=self.chat
            )
        return _ordered(documents, ranked)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Return the best documents, the best first."""
        if not documents:
            return []
        with as_model_errors():
            ranked = await self._router.arerank(
                query, _texts(documents), model=self.model, top_n=self.top_n, chat=self.chat
            )
        return _ordered(documents, ranked)

    @property
    @forgets_locals
    def _router(self) -> freerouter_core.Router:
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        return self.make_router(None if key == os.environ.get("OPENROUTER_API_KEY") else key)


def _texts(documents: Sequence[Document]) -> list[str]:
    return [document.page_content for document in documents]


def _ordered(documents: Sequence[Document], ranked: Reranked) -> list[Document]:
    """Copies of the documents, with their scores: those given are not changed."""
    told = {"model": ranked.model, "provider": ranked.provider, "by": ranked.by}
    return [
        documents[place.index].model_copy(
            update={
                "metadata": {
                    **documents[place.index].metadata,
                    "relevance_score": place.score,
                    "freerouter": told,
                }
            }
        )
        for place in ranked
    ]
