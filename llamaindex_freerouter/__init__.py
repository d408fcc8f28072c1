"""`FreeRouter`: the world's free language models as one LlamaIndex LLM.

`FreeRouterEmbedding` and `FreeRouterRerank` do the same for embeddings and reranking. They are
loaded when first used.
"""

try:
    import llama_index.core  # noqa: F401
except ImportError as error:  # pragma: no cover - shown to users without the extra
    raise ImportError(
        "llamaindex_freerouter needs LlamaIndex: pip install 'freerouter-llm[llamaindex]'"
    ) from error

from typing import TYPE_CHECKING, Any

from .llm import FreeRouter

if TYPE_CHECKING:
    from .embedding import FreeRouterEmbedding
    from .rerank import FreeRouterRerank

__all__ = ["FreeRouter", "FreeRouterEmbedding", "FreeRouterRerank"]
_HOMES = {"FreeRouterEmbedding": ".embedding", "FreeRouterRerank": ".rerank"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
