"""Embeddings and reranking as a user writes them; see `api`."""

from __future__ import annotations

import asyncio
from typing import assert_type

from freerouter_core import Router
from freerouter_core.client.embedding.embedded import Embedded, Reranked
from freerouter_core.reports import Explanation, Models
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import FreeRouterEmbeddings
from llamaindex_freerouter import FreeRouterEmbedding


def embeddings() -> None:
    models = [
        SimModel("acme/tiny-embed:free", dimension=64),
        SimModel("a/rerank:free", reranks=True),
    ]
    with World(models) as world:
        router = world.router()
        embedded = router.embed(["one"], kind="query", dimensions=None, long="split")
        assert_type(embedded, Embedded)
        assert_type(embedded[0], list[float])
        assert_type(embedded.why, str)
        assert_type(router.rerank("q", ["one"], top_n=1), Reranked)
        assert_type(router.models("embedding"), Models)
        assert_type(router.explain("one", mode="embedding"), Explanation)
        asyncio.run(asynchronous(router))
        langchain = FreeRouterEmbeddings(router=router)
        assert_type(langchain.embed_documents(["one"]), list[list[float]])
        llamaindex = FreeRouterEmbedding(router=router)
        assert_type(llamaindex.get_text_embedding("one"), list[float])


async def asynchronous(router: Router) -> None:
    assert_type(await router.aembed(["one"], kind="query", lane="background"), Embedded)
    assert_type(await router.arerank("q", ["one"], chat=False), Reranked)
    assert_type(await router.amodels("rerank"), Models)
