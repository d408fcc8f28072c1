"""`FreeRouter`: the world's free language models as one LlamaIndex LLM."""

try:
    import llama_index.core  # noqa: F401
except ImportError as error:  # pragma: no cover - shown to users without the extra
    raise ImportError(
        "llamaindex_freerouter needs LlamaIndex: pip install 'freerouter-llm[llamaindex]'"
    ) from error

from .llm import FreeRouter

__all__ = ["FreeRouter"]
