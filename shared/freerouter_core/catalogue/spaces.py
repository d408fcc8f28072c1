"""`SPACES`: the families of embedding models that several providers serve, or that need facts.

A family that is not listed is a space of its own, named by its model. So two providers that serve
a model by the same name are believed to serve the same space. The first answer of each is compared
with a known vector before it is used.
"""

from __future__ import annotations

import re

from .serving import Space, base_name

_BGE_QUERY = "Represent this sentence for searching relevant passages: "
_GEMMA_QUERY, _GEMMA_DOCUMENT = "task: search result | query: ", "title: none | text: "

_ROWS: tuple[tuple[str, Space, str], ...] = (
    # (the base names of its models, the space, where the facts stand)
    (
        r"bge-m3(?::567m)?",
        Space(family="bge-m3", dimension=1024, tokens=8192),
        "https://huggingface.co/BAAI/bge-m3, 2026-11-29",
    ),
    (
        r"bge-large-en-v1\.5|bge-large(?::335m)?",
        Space(
            family="bge-large-en-v1.5",
            dimension=1024,
            tokens=512,
            query_prefix=_BGE_QUERY,
        ),
        "https://huggingface.co/BAAI/bge-large-en-v1.5, 2026-11-30",
    ),
    (
        r"bge-base-en-v1\.5",
        Space(
            family="bge-base-en-v1.5",
            dimension=768,
            tokens=512,
            query_prefix=_BGE_QUERY,
        ),
        "https://huggingface.co/BAAI/bge-base-en-v1.5, 2026-11-30",
    ),
    (
        r"bge-small-en-v1\.5",
        Space(
            family="bge-small-en-v1.5",
            dimension=384,
            tokens=512,
            query_prefix=_BGE_QUERY,
        ),
        "https://huggingface.co/BAAI/bge-small-en-v1.5, 2026-11-30",
    ),
    (
        r"qwen3-embedding-0\.6b|qwen3-embedding:0\.6b",
        Space(
            family="qwen3-embedding-0.6b",
            dimension=1024,
            tokens=32_768,
            query_prefix=(
                "Instruct: Given a web search query, retrieve relevant passages that answer the"
                " query\nQuery:"
            ),
            dimensions=(256, 512, 768, 1024),
        ),
        "https://huggingface.co/Qwen/Qwen3-Embedding-0.6B, 2026-11-30",
    ),
    (
        r"embeddinggemma(?:-300m)?(?::300m)?",
        Space(
            family="embeddinggemma-300m",
            dimension=768,
            tokens=2048,
            query_prefix=_GEMMA_QUERY,
            document_prefix=_GEMMA_DOCUMENT,
            dimensions=(128, 256, 512, 768),
        ),
        "https://ai.google.dev/gemma/docs/embeddinggemma/model_card, 2026-11-30",
    ),
    (
        r"nomic-embed-text(?:-v1\.5)?(?::v1\.5)?|text-embedding-nomic-embed-text-v1\.5",
        Space(
            family="nomic-embed-text-v1.5",
            dimension=768,
            tokens=2048,
            query_prefix="search_query: ",
            document_prefix="search_document: ",
            dimensions=(64, 128, 256, 512, 768),
        ),
        "https://huggingface.co/nomic-ai/nomic-embed-text-v1.5, 2026-11-29",
    ),
    (
        r"all-minilm(?:-l6-v2)?(?::(?:22m|l6-v2))?",
        Space(family="all-minilm-l6-v2", dimension=384, tokens=256),
        "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/discussions/14, 2026-11-30",
    ),
    (
        r"gemini-embedding-001",
        Space(
            family="gemini-embedding-001",
            dimension=3072,
            tokens=2048,
            dimensions=(128, 256, 512, 768, 1536, 3072),
        ),
        "https://ai.google.dev/gemini-api/docs/models/gemini-embedding-001, 2026-02-18",
    ),
    (
        r"gemini-embedding-2",
        Space(
            family="gemini-embedding-2",
            dimension=3072,
            tokens=8192,
            query_prefix=_GEMMA_QUERY,
            document_prefix=_GEMMA_DOCUMENT,
            dimensions=(768, 1536, 3072),
        ),
        "https://docs.znapai.com/gemini-embedding, 2026-11-29",
    ),
    (
        r"mistral-embed(?:-2312)?",
        Space(family="mistral-embed", dimension=1024, tokens=8192),
        "https://github.com/langchain-ai/langchain/issues/20523, 2026-11-30",
    ),
    (
        r"embed-v4\.0",
        Space(
            family="embed-v4.0",
            dimension=1536,
            tokens=128_000,
            dimensions=(256, 512, 1024, 1536),
        ),
        "https://docs.cohere.com/docs/cohere-embed, 2026-11-29",
    ),
    (
        r"embed-multilingual-v3\.0",
        Space(family="embed-multilingual-v3.0", dimension=1024, tokens=512),
        "https://docs.cohere.com/docs/cohere-embed, 2026-11-29",
    ),
    (
        r"jina-embeddings-v3",
        Space(
            family="jina-embeddings-v3",
            dimension=1024,
            tokens=8192,
            dimensions=(32, 64, 128, 256, 512, 768, 1024),
        ),
        "https://huggingface.co/jinaai/jina-embeddings-v3, 2026-11-29",
    ),
    (
        r"voyage-3\.5-lite",
        Space(
            family="voyage-3.5-lite",
            dimension=1024,
            tokens=32_000,
            dimensions=(256, 512, 1024, 2048),
        ),
        "https://docs.voyageai.com/docs/embeddings, 2026-11-30",
    ),
)

SPACES: dict[str, Space] = {space.family: space for _, space, _ in _ROWS}
"""By family."""
SOURCES: dict[str, str] = {space.family: source for _, space, source in _ROWS}
"""By family: where its facts stand, and when they were looked up."""
_NAMES = [(re.compile(names), space) for names, space, _ in _ROWS]
_RERANKERS = re.compile(r"rerank|cross-encoder|ms-marco", re.IGNORECASE)
_EMBEDDERS = re.compile(
    r"embed|(?:^|[/-])(?:bge|gte|e5|minilm|sentence-t5|paraphrase|snowflake-arctic)\b|all-minilm",
    re.IGNORECASE,
)


def space_of(name: str) -> Space:
    """The space of a model's vectors, by its name on the wire."""
    base = base_name(name)
    for names, space in _NAMES:
        if names.fullmatch(base):
            return space
    return Space(family=base)


def is_reranker(name: str) -> bool:
    """Whether a name is that of a model that ranks texts."""
    return _RERANKERS.search(name) is not None


def is_embedder(name: str) -> bool:
    """Whether a name is that of an embedding model."""
    if is_reranker(name):
        return False
    return base_name(name) in SPACES or _EMBEDDERS.search(name) is not None
