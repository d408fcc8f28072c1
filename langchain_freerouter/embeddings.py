"""`FreeRouterEmbeddings`: the free embedding models of one vector space, as LangChain asks them."""

from __future__ import annotations

import os

from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field

import freerouter_core
from freerouter_core.catalogue.serving import InputType
from freerouter_core.client.embedding.adapter_options import EmbedderOptions
from freerouter_core.client.embedding.embedded import Embedded
from freerouter_core.errors import forgets_locals

from .api_key import ApiKey, key_from_environment
from .errors import as_model_errors


class FreeRouterEmbeddings(EmbedderOptions, Embeddings):
    """Embeddings on free tiers. All vectors are of one space, for ever: failover goes to other
    providers of the same model, never to another model.

    Example:
        ```python
        from langchain_freerouter import FreeRouterEmbeddings

        embeddings = FreeRouterEmbeddings(providers="all", pin="index")
        vectors = embeddings.embed_documents(["The sky is blue.", "Grass is green."])
        ```

    Options are those of `freerouter_core.Router` and `Router.embed`. `model` is "auto", a space
    ("bge-m3") or a model ("gemini:gemini-embedding-001"). `pin` is the file or folder of the record
    that says which space an index is of. Errors are of the `freerouter_core.errors` tree, and each
    is a LangChain `ModelError` as well.
    """

    model_config = ConfigDict(defer_build=False)

    api_key: ApiKey = Field(default_factory=key_from_environment, exclude=True, repr=False)
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts to be searched."""
        return self.embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text to search with."""
        return self.embed([text], "query")[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts to be searched."""
        return (await self.aembed(texts)).tolist()

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a text to search with."""
        return (await self.aembed([text], "query"))[0]

    def embed(self, texts: list[str], kind: InputType = "document") -> Embedded:
        """Return the vectors, and how they came about."""
        with as_model_errors():
            return self._router.embed(texts, **self._arguments(kind))

    async def aembed(self, texts: list[str], kind: InputType = "document") -> Embedded:
        """Return the vectors, and how they came about."""
        with as_model_errors():
            return await self._router.aembed(texts, **self._arguments(kind))

    @property
    @forgets_locals
    def _router(self) -> freerouter_core.Router:
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        return self.make_router(None if key == os.environ.get("OPENROUTER_API_KEY") else key)
