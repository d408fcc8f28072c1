"""`FreeRouterEmbedding` and `FreeRouterRerank` in LlamaIndex's pipelines, indexes and engines."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import NodeWithScore, TextNode

from freerouter_core.errors import BadRequest
from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter, FreeRouterEmbedding, FreeRouterRerank

from ..embedding_worlds import embedder, of_space, several

DOCUMENTS = [
    Document(text="The bridge opened in 1998. It is long.", doc_id="a"),
    Document(text="The tower was built in 1889. It is tall.", doc_id="b"),
    Document(text="Bread is baked from flour and water.", doc_id="c"),
]
QUESTION = "When was the bridge opened?"


def whole_world() -> World:
    return World(
        [
            SimModel("a/chat:free", script=["empty"]),
            SimModel("b/chat:free"),
            embedder("acme/tiny-embed:free", script=[None, "502"]),
            SimModel("acme/rerank:free", reranks=True),
        ]
    )


async def test_the_contract_of_an_embedding() -> None:
    with several({"alpha": embedder(script=[None, "empty"]), "beta": embedder()}) as world:
        model = FreeRouterEmbedding(router=world.router(), model_name="tiny-embed")
        texts = ["one", "two", "three"]

        assert model.model_name == model.model == "tiny-embed"
        assert model.class_name() == "FreeRouterEmbedding"
        assert of_space([model.get_text_embedding("one")], ["one"])
        assert of_space([await model.aget_text_embedding("one")], ["one"])
        assert of_space([model.get_query_embedding("one")], ["one"])
        assert of_space([await model.aget_query_embedding("two")], ["two"])
        assert of_space(model.get_text_embedding_batch(texts), texts)
        assert of_space(await model.aget_text_embedding_batch(texts), texts)
        assert FreeRouterEmbedding.from_dict(model.to_dict()).model == "tiny-embed"
        assert "api_key" not in str(model.to_dict())


def test_an_ingestion_pipeline_embeds_and_its_cache_costs_nothing(tmp_path: Path) -> None:
    with several({"alpha": embedder()}) as world:
        model = FreeRouterEmbedding(router=world.router(), pin=tmp_path)
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), model],
            cache=IngestionCache(),
        )
        nodes = pipeline.run(documents=DOCUMENTS)
        asked = len(world.worlds["alpha"].requests)
        again = pipeline.run(documents=DOCUMENTS)

        texts = [node.get_content(metadata_mode="embed") for node in nodes]  # type: ignore[arg-type]
        assert of_space([node.embedding or [] for node in nodes], texts)
        assert [node.embedding for node in again] == [node.embedding for node in nodes]
        assert len(world.worlds["alpha"].requests) == asked


def test_rag_costs_nothing_from_end_to_end_while_models_fail() -> None:
    with whole_world() as world:
        router = world.router()
        index = VectorStoreIndex.from_documents(
            DOCUMENTS, embed_model=FreeRouterEmbedding(router=router)
        )
        reranker = FreeRouterRerank(router=router, top_n=1)
        engine = index.as_query_engine(
            llm=FreeRouter(router=router), similarity_top_k=3, node_postprocessors=[reranker]
        )
        answer = engine.query(QUESTION)

        assert "1998" in str(answer)
        assert [node.node.ref_doc_id for node in answer.source_nodes] == ["a"]
        assert reranker.last is not None
        assert reranker.last.by == "reranker"
        assert not any(seen.problem for seen in world.requests)


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Collects the event loops and SQLite connections of LlamaIndex's memory."""
    yield
    gc.collect()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_retriever_and_a_chat_engine_work() -> None:
    with whole_world() as world:
        router = world.router()
        index = VectorStoreIndex.from_documents(
            DOCUMENTS, embed_model=FreeRouterEmbedding(router=router)
        )
        found = await index.as_retriever(similarity_top_k=1).aretrieve("the bridge opened in 1998")
        engine = index.as_chat_engine(chat_mode=ChatMode.CONTEXT, llm=FreeRouter(router=router))

        assert found[0].node.ref_doc_id == "a"
        assert str(await engine.achat(QUESTION))


@pytest.mark.parametrize("reranker", [True, False])
async def test_nodes_are_ranked_and_told_by_whom(reranker: bool) -> None:
    models = [SimModel("a/chat:free"), *([SimModel("a/rerank:free", reranks=True)] * reranker)]
    nodes = [NodeWithScore(node=TextNode(text=document.text), score=0.5) for document in DOCUMENTS]
    with World(models) as world:
        rerank = FreeRouterRerank(router=world.router(), top_n=2)
        best = rerank.postprocess_nodes(nodes, query_str=QUESTION)
        again = await rerank.apostprocess_nodes(nodes, query_str=QUESTION)

        assert [node.node.node_id for node in best] == [node.node.node_id for node in again]
        assert best[0].node.get_content() == DOCUMENTS[0].text
        assert rerank.last is not None
        assert rerank.last.by == ("reranker" if reranker else "chat")
        assert nodes[0].score == 0.5
        assert rerank.postprocess_nodes([], query_str="x") == []
        assert await rerank.apostprocess_nodes([], query_str="x") == []
        with pytest.raises(BadRequest, match="query"):
            rerank.postprocess_nodes(nodes)
