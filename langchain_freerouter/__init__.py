"""`ChatFreeRouter`: the world's free language models as one LangChain chat model."""

try:
    import langchain_core  # noqa: F401
except ImportError as error:  # pragma: no cover - shown to users without the extra
    raise ImportError(
        "langchain_freerouter needs LangChain: pip install 'freerouter-llm[langchain]'"
    ) from error

from .chat_models import ChatFreeRouter

__all__ = ["ChatFreeRouter"]
