"""The packages that are tried, and how each makes its model."""

from __future__ import annotations

from typing import Any

from behaviours import Package

KEY = "sk-side-by-side-secret"


def free_router(url: str, model: str, **options: Any) -> Any:
    from freerouter_core import Provider
    from langchain_freerouter import ChatFreeRouter

    providers = [Provider("openrouter", url, KEY, limits=[])]
    return ChatFreeRouter(model=model, providers=providers, **options)


def chat_openai(url: str, model: str, **options: Any) -> Any:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(model=model, base_url=url, api_key=SecretStr(KEY), **options)


def chat_openrouter(url: str, model: str, **options: Any) -> Any:
    from langchain_openrouter import ChatOpenRouter

    return ChatOpenRouter(model=model, base_url=url, api_key=KEY, **options)


def chat_litellm(url: str, model: str, **options: Any) -> Any:
    from langchain_litellm import ChatLiteLLM

    return ChatLiteLLM(model=f"openrouter/{model}", api_base=url, api_key=KEY, **options)


PACKAGES = {
    "ChatFreeRouter": Package(free_router),
    "ChatOpenAI": Package(chat_openai),
    "ChatOpenRouter": Package(chat_openrouter),
    "ChatLiteLLM": Package(chat_litellm, prefix="openrouter/"),
}
