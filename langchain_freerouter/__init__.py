"""`ChatFreeRouter`: the world's free language models as one LangChain chat model.

`FreeRouterEmbeddings` and `FreeRouterRerank` do the same for embeddings and reranking. They are
loaded when first used.
"""

try:
    import langchain_core  # noqa: F401
except ImportError as error:  # pragma: no cover - shown to users without the extra
    raise ImportError(
        "langchain_freerouter needs LangChain: pip install 'freerouter-llm[langchain]'"
    ) from error

from typing import TYPE_CHECKING, Any

from .chat_models import ChatFreeRouter

if TYPE_CHECKING:
    from .embeddings import FreeRouterEmbeddings
    from .rerank import FreeRouterRerank

__all__ = ["ChatFreeRouter", "FreeRouterEmbeddings", "FreeRouterRerank"]
_HOMES = {"FreeRouterEmbeddings": ".embeddings", "FreeRouterRerank": ".rerank"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
