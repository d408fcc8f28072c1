"""The packages that are tried, and how each makes its model."""

from __future__ import annotations

from typing import Any

from behaviours import Package

KEY = "sk-side-by-side-secret"
CAREFUL = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 32_768}
"""What a careful user sets where it is not the default."""


def free_router(url: str, model: str, **options: Any) -> Any:
    from freerouter_core import Provider
    from llamaindex_freerouter import FreeRouter

    providers = [Provider("openrouter", url, KEY, limits=[])]
    return FreeRouter(model=model, providers=providers, **options)


def bare_openai_like(url: str, model: str, **options: Any) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(model=model, api_base=url, api_key=KEY, **options)


def openai_like(url: str, model: str, **options: Any) -> Any:
    return bare_openai_like(url, model, **CAREFUL, **options)


def bare_openrouter(url: str, model: str, **options: Any) -> Any:
    from llama_index.llms.openrouter import OpenRouter

    return OpenRouter(model=model, api_base=url, api_key=KEY, **options)


def openrouter(url: str, model: str, **options: Any) -> Any:
    return bare_openrouter(url, model, **CAREFUL, **options)


def litellm(url: str, model: str, **options: Any) -> Any:
    from llama_index.llms.litellm import LiteLLM

    return LiteLLM(model=f"openrouter/{model}", api_base=url, api_key=KEY, **options)


PACKAGES = {
    "FreeRouter": Package(free_router),
    "OpenAILike": Package(openai_like, bare=bare_openai_like),
    "OpenRouter": Package(openrouter, bare=bare_openrouter),
    "LiteLLM": Package(litellm),
}
