"""`FreeRouterEmbeddings` and `FreeRouterRerank` as LangChain uses them."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.exceptions import ModelError
from langchain_core.vectorstores import InMemoryVectorStore

from freerouter_core.errors import BadSetting, ContextTooLong
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import FreeRouterEmbeddings, FreeRouterRerank

from ..embedding_worlds import embedder, of_space, several

DOCUMENTS = [
    Document("The bridge opened in 1998.", metadata={"page": 1}),
    Document("The tower was built in 1889."),
    Document("Bread is baked from flour."),
]


def test_a_vector_store_finds_what_is_near_while_providers_fail(tmp_path: Path) -> None:
    models = {"alpha": embedder(script=[None, "429-upstream"] * 3), "beta": embedder()}
    with several(models) as world:
        embeddings = FreeRouterEmbeddings(router=world.router(), pin=tmp_path)
        store = InMemoryVectorStore.from_documents(DOCUMENTS, embeddings)
        found = store.similarity_search("when was the bridge opened", k=1)

        assert found[0].page_content == DOCUMENTS[0].page_content
        assert of_space(embeddings.embed_documents(["x", "y"]), ["x", "y"])
        assert embeddings.embed(["x"]).cached == 1


async def test_asynchronous_calls_and_queries() -> None:
    with several({"alpha": embedder()}) as world:
        embeddings = FreeRouterEmbeddings(router=world.router())
        query, documents = await asyncio.gather(
            embeddings.aembed_query("one"), embeddings.aembed_documents(["two", "three"])
        )

        assert of_space([query, *documents], ["one", "two", "three"])
        assert embeddings.embed_query("one") == query


def test_errors_are_langchains_too() -> None:
    with several({"alpha": embedder()}) as world:
        embeddings = FreeRouterEmbeddings(router=world.router())
        with pytest.raises(ModelError) as caught:
            embeddings.embed_query("word " * 9_000)

        assert isinstance(caught.value, ContextTooLong)
        assert len(
            FreeRouterEmbeddings(router=world.router(), long="split").embed_query("w " * 9_000)
        )


def test_an_option_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadSetting, match="dimensons"):
        FreeRouterEmbeddings(dimensons=3)  # type: ignore[call-arg]


def test_no_key_is_shown_or_written() -> None:
    embeddings = FreeRouterEmbeddings(api_key="sk-secret-secret-secret", model="bge-m3")

    assert "secret-secret" not in repr(embeddings) + str(embeddings.model_dump_json())
    assert pickle.loads(pickle.dumps(embeddings)).model == "bge-m3"


@pytest.mark.parametrize("reranker", [True, False])
async def test_documents_are_ranked_and_told_by_whom(reranker: bool) -> None:
    models = [SimModel("a/chat:free"), *([SimModel("a/rerank:free", reranks=True)] * reranker)]
    with World(models) as world:
        rerank = FreeRouterRerank(router=world.router(), top_n=2)
        best = rerank.compress_documents(DOCUMENTS, "when was the bridge opened")
        again = await rerank.acompress_documents(DOCUMENTS, "when was the bridge opened")

        assert [d.page_content for d in best] == [d.page_content for d in again]
        assert best[0].page_content == DOCUMENTS[0].page_content
        assert best[0].metadata["page"] == 1
        assert best[0].metadata["freerouter"]["by"] == ("reranker" if reranker else "chat")
        assert best[0].metadata["relevance_score"] >= best[1].metadata["relevance_score"]
        assert "relevance_score" not in DOCUMENTS[0].metadata
        assert not rerank.compress_documents([], "x")
        assert not await rerank.acompress_documents([], "x")
