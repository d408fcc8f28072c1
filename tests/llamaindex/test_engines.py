"""`FreeRouter` in LlamaIndex's engines, synthesizers, pipelines and memories, while models fail."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from llama_index.core import (
    Document,
    SummaryIndex,
    VectorStoreIndex,
    get_response_synthesizer,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    MessageRole,
)
from llama_index.core.base.response.schema import PydanticResponse, StreamingResponse
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.extractors import TitleExtractor
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.memory import ChatSummaryMemoryBuffer
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.selectors import PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool

from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter

from ..frameworks import Person, llamaindex_model
from ..storms import llamaindex_storm

DOCUMENTS = [
    Document(text="The bridge opened in 1998. It is long."),
    Document(text="The tower was built in 1889. It is tall."),
]
QUESTION = "When was the bridge opened?"


def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(DOCUMENTS, embed_model=MockEmbedding(8))


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Collects the event loops and SQLite connections of LlamaIndex's synchronous memory."""
    yield
    gc.collect()


def test_a_query_engine_answers() -> None:
    with World([SimModel("a/m:free", script=["empty"]), SimModel("b/m:free")]) as world:
        engine = SummaryIndex.from_documents(
            [Document(text="The bridge opened in 1998. It is long.")]
        ).as_query_engine(llm=llamaindex_model(world))

        assert str(engine.query("When was the bridge opened?")) == "The bridge opened in 1998."


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    "mode",
    [
        ChatMode.SIMPLE,
        ChatMode.CONTEXT,
        ChatMode.CONDENSE_QUESTION,
        ChatMode.CONDENSE_PLUS_CONTEXT,
        ChatMode.BEST,
    ],
)
def test_every_chat_engine_answers_in_four_ways(mode: ChatMode) -> None:
    with llamaindex_storm() as world:
        engine = index().as_chat_engine(chat_mode=mode, llm=llamaindex_model(world))

        async def run() -> list[str]:
            streamed = await engine.astream_chat(QUESTION)
            tokens = [token async for token in streamed.async_response_gen()]
            return [str(await engine.achat(QUESTION)), "".join(tokens)]

        texts = [
            str(engine.chat(QUESTION)),
            "".join(engine.stream_chat(QUESTION).response_gen),
            *asyncio.run(run()),
        ]

        assert all(text.strip() for text in texts)
        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize(
    "mode", [m for m in ResponseMode if m not in (ResponseMode.NO_TEXT, ResponseMode.CONTEXT_ONLY)]
)
def test_every_synthesizer_answers(mode: ResponseMode) -> None:
    nodes = [NodeWithScore(node=TextNode(text=document.text), score=1.0) for document in DOCUMENTS]
    with llamaindex_storm() as world:
        llm = llamaindex_model(world)
        synthesizer = get_response_synthesizer(llm=llm, response_mode=mode)

        assert str(synthesizer.synthesize(QUESTION, nodes)).strip()
        assert str(asyncio.run(synthesizer.asynthesize(QUESTION, nodes))).strip()
        if mode not in (ResponseMode.ACCUMULATE, ResponseMode.COMPACT_ACCUMULATE):
            streaming = get_response_synthesizer(llm=llm, response_mode=mode, streaming=True)
            answer = streaming.synthesize(QUESTION, nodes)
            assert isinstance(answer, StreamingResponse)
            assert "".join(answer.response_gen).strip()


def test_a_query_engine_answers_with_an_object() -> None:
    with llamaindex_storm() as world:
        synthesizer = get_response_synthesizer(
            llm=llamaindex_model(world),
            response_mode=ResponseMode.TREE_SUMMARIZE,
            output_cls=Person,
        )
        engine = index().as_query_engine(
            llm=llamaindex_model(world), response_synthesizer=synthesizer
        )

        answer = engine.query("Who is Anna, 33?")
        assert isinstance(answer, PydanticResponse)
        assert isinstance(answer.response, Person)


def test_long_texts_take_one_call() -> None:
    """Four chunks of 900 words are one prompt in 32,768 tokens, and more in a smaller window."""
    long = [Document(text="word " * 900) for _ in range(4)]
    with World([SimModel("a/m:free")]) as world:
        SummaryIndex.from_documents(long).as_query_engine(llm=llamaindex_model(world)).query(
            QUESTION
        )

        assert len(world.requests) == 1


def test_a_router_engine_chooses_an_engine() -> None:
    with llamaindex_storm() as world:
        llm = llamaindex_model(world)
        tools = [
            QueryEngineTool.from_defaults(index().as_query_engine(llm=llm), description=about)
            for about in ("bridges", "towers")
        ]
        engine = RouterQueryEngine.from_defaults(
            tools, llm=llm, selector=PydanticSingleSelector.from_defaults(llm=llm)
        )

        assert str(engine.query("1. When was the bridge opened?")).strip()


def test_the_ingestion_cache_hits_for_an_equal_model() -> None:
    with llamaindex_storm() as world:
        cache = IngestionCache()
        for _ in range(2):
            llm = FreeRouter(router=world.router(strategy="context"))
            pipeline = IngestionPipeline(
                transformations=[TitleExtractor(llm=llm, num_workers=1)], cache=cache
            )
            nodes = pipeline.run(nodes=[TextNode(text="The bridge opened in 1998.", id_="1")])
            requests = len(world.requests)

        assert nodes[0].metadata["document_title"]
        assert requests == len(world.requests)
        first = len(world.requests)
        pipeline.run(nodes=[TextNode(text="The bridge opened in 1998.", id_="1")])
        assert len(world.requests) == first


def test_a_memory_summarises() -> None:
    with llamaindex_storm() as world:
        memory = ChatSummaryMemoryBuffer.from_defaults(
            llm=llamaindex_model(world), token_limit=60, tokenizer_fn=str.split
        )
        for n in range(8):
            memory.put(ChatMessage(role=MessageRole.USER, content=f"message {n} " + "word " * 12))
            memory.put(ChatMessage(role=MessageRole.ASSISTANT, content="noted " * 8))

        assert memory.get()[0].role == MessageRole.SYSTEM
