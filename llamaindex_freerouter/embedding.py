"""`FreeRouterEmbedding`: the free embedding models of one vector space, as LlamaIndex asks them."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import ConfigDict, Field

import freerouter_core
from freerouter_core.catalogue.serving import InputType
from freerouter_core.client.embedding.adapter_options import EmbedderOptions
from freerouter_core.client.embedding.embedded import Embedded
from freerouter_core.errors import forgets_locals


class FreeRouterEmbedding(EmbedderOptions, BaseEmbedding):
    """Embeddings on free tiers. All vectors are of one space, for ever: failover goes to other
    providers of the same model, never to another model.

    Example:
        ```python
        from llama_index.core import VectorStoreIndex
        from llamaindex_freerouter import FreeRouterEmbedding

        embed_model = FreeRouterEmbedding(providers="all", pin="storage")
        index = VectorStoreIndex.from_documents(documents, embed_model=embed_model)
        ```

    Options are those of `freerouter_core.Router` and `Router.embed`. `model` is "auto", a space
    ("bge-m3") or a model ("gemini:gemini-embedding-001"). `pin` is the file or folder of the record
    that says which space an index is of. Errors are of the `freerouter_core.errors` tree.
    """

    model_config = ConfigDict(defer_build=False)

    api_key: str | None = Field(default=None, exclude=True, repr=False)
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""
    embed_batch_size: int = Field(
        default=1024,
        gt=0,
        le=2048,
        description="Texts of one call. They are cut to what each provider takes.",
    )

    @forgets_locals
    def __init__(self, **options: Any) -> None:
        model_name = options.pop("model_name", None)
        if model_name not in (None, "unknown"):
            options.setdefault("model", model_name)
        super().__init__(**options)
        self.model_name = self.model

    @classmethod
    def class_name(cls) -> str:
        return "FreeRouterEmbedding"

    def embed(self, texts: list[str], kind: InputType = "document") -> Embedded:
        """Return the vectors, and how they came about."""
        return self._router.embed(texts, **self._arguments(kind))

    async def aembed(self, texts: list[str], kind: InputType = "document") -> Embedded:
        """Return the vectors, and how they came about."""
        return await self._router.aembed(texts, **self._arguments(kind))

    def _get_query_embedding(self, query: str) -> Embedding:
        return self.embed([query], "query")[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self.aembed([query], "query"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self.embed([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self.aembed([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self.embed(texts).tolist()

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return (await self.aembed(texts)).tolist()

    @property
    @forgets_locals
    def _router(self) -> freerouter_core.Router:
        return self.make_router(self.api_key)
