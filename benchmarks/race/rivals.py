"""Rivals of the race over real sockets: other packages, each set up as its documents advise.

A factory takes base URLs and model ids by provider, and a key. It returns an asynchronous function
from prompt to answer. Each factory imports its own package, so a missing one costs only its rival.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

Ask = Callable[[str], Awaitable[str | None]]
Enter = Callable[[dict[str, str], dict[str, list[str]], str], Ask]

ATTEMPT = 20.0
"""Seconds for one attempt, in packages that have such an option."""
DEADLINE = 60.0
"""Seconds for an answer, in packages that have such an option."""


# -- langchain-openai -----------------------------------------------------------------------------


def _chat_models(
    base_urls: dict[str, str], models: dict[str, list[str]], key: str, retries: int
) -> list[Any]:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return [
        ChatOpenAI(
            model=model,
            base_url=base_urls[name],
            api_key=SecretStr(key),
            timeout=ATTEMPT,
            max_retries=retries,
        )
        for name, ids in models.items()
        for model in ids
    ]


def _invoking(llm: Any) -> Ask:
    async def ask(prompt: str) -> str | None:
        return str((await llm.ainvoke(prompt)).text) or None

    return ask


def chat_openai(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """The first model alone. Two retries, its default, fill a minute."""
    return _invoking(_chat_models(base_urls, models, key, retries=2)[0])


def chat_openai_fallbacks(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """All models in order, without retries, as LangChain's guide to fallbacks advises."""
    first, *others = _chat_models(base_urls, models, key, retries=0)
    return _invoking(first.with_fallbacks(others))


# -- litellm --------------------------------------------------------------------------------------


def _litellm_router(
    base_urls: dict[str, str], models: dict[str, list[str]], key: str, **more: Any
) -> Any:
    """Every model as a deployment of "free" and of its fallback, "spare".

    A deployment that fails rests for half a minute.
    """
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "CRITICAL"}
    import litellm
    from litellm.router import Router

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    deployments = [
        {
            "model_name": group,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": base_urls[name],
                "api_key": key,
            },
        }
        for group in ("free", "spare")
        for name, ids in models.items()
        for model in ids
    ]
    return Router(
        model_list=deployments,
        num_retries=2,
        timeout=ATTEMPT,
        allowed_fails=0,
        cooldown_time=30,
        fallbacks=[{"free": ["spare"]}],
        **more,
    )


def _completing(router: Any) -> Ask:
    async def ask(prompt: str) -> str | None:
        answer = await router.acompletion(
            model="free", messages=[{"role": "user", "content": prompt}]
        )
        return answer.choices[0].message.content or None

    return ask


def litellm_shuffle(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    more = {"routing_strategy": "simple-shuffle", "enable_weighted_failover": True}
    return _completing(_litellm_router(base_urls, models, key, **more))


def litellm_latency(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    more = {
        "routing_strategy": "latency-based-routing",
        "routing_strategy_args": {"lowest_latency_buffer": 0.5},
    }
    return _completing(_litellm_router(base_urls, models, key, **more))


def chat_litellm_router(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """The same through LangChain, with "simple-shuffle". The retries are the router's."""
    router = _litellm_router(base_urls, models, key, enable_weighted_failover=True)
    from langchain_litellm import ChatLiteLLMRouter

    return _invoking(ChatLiteLLMRouter(router=router, model="free", request_timeout=ATTEMPT))


# -- routers over free tiers ----------------------------------------------------------------------


def _freelm(base_urls: dict[str, str], accounts: list[tuple[str, str, list[str]]], key: str) -> Ask:
    """With its own provider classes if there are some: they know limits and read refusals."""
    import freelm as lib

    classes = {
        "openrouter": lib.OpenRouter,
        "groq": lib.Groq,
        "gemini": lib.GoogleAIStudio,
        "mistral": lib.Mistral,
        "nvidia": lib.NIM,
        "cerebras": lib.Cerebras,
    }
    providers = [
        classes.get(kind, lib.Provider)(
            key,
            name=name,
            base_url=base_urls[kind],
            models=[lib.ModelSpec(model, ("chat",)) for model in ids],
            # a thousand requests a day, not fifty
            tier="credit" if kind == "openrouter" else "free",
        )
        for kind, name, ids in accounts
    ]
    client = lib.AsyncFreeLLM(
        providers, timeout=DEADLINE, wait=True, max_wait=DEADLINE, persist=False
    )

    async def ask(prompt: str) -> str | None:
        return (await client.chat([{"role": "user", "content": prompt}], model="auto")).text or None

    return ask


def freelm(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """A provider for each account, as documented. A refused account rests with all its models."""
    return _freelm(base_urls, [(name, name, ids) for name, ids in models.items()], key)


def freelm_by_model(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """A provider for each model. It ranks, benches and hedges them, and paces each alone."""
    return _freelm(
        base_urls,
        [(name, f"{name}/{one}", [one]) for name, ids in models.items() for one in ids],
        key,
    )


def llm_rotator(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """An alias of the key for each model, as a 403 ends an alias for good. State in memory."""
    import logging

    from llm_rotator import LLMRotator, OpenAIClient, RotatorChatModel, RotatorConfig

    logging.getLogger("llm_rotator").setLevel(logging.CRITICAL)
    each = [(name, model) for name, ids in models.items() for model in ids]
    config = RotatorConfig(
        providers=[
            {
                "name": f"{name}/{model}",
                "client_type": "openai",
                "priority": place,
                "base_url": base_urls[name],
                "models": [model],
                "keys": [{"token": key, "alias": f"{name}/{model}"}],
                "server_error_retry": {"max_attempts": 0},
            }
            for place, (name, model) in enumerate(each, 1)
        ]
    )
    rotator = LLMRotator(config, clients={"openai": OpenAIClient(timeout=ATTEMPT)})
    return _invoking(RotatorChatModel(rotator=rotator))


def freellmpool(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """A provider for each model, as a 429 rests a provider. Keeps its state in files.

    Its timeout bounds a whole call, so a caller asks three times.
    """
    import tempfile
    from pathlib import Path

    from freellmpool import AsyncPool, Model, Pool, Provider
    from freellmpool.quota import QuotaStore
    from freellmpool.route_health import RouteHealthStore

    folder = Path(tempfile.mkdtemp(prefix="freellmpool-"))
    providers = [
        Provider(
            f"{name}-{model}", name, "openai", base_urls[name], (Model(model),), key_env="RIVAL_KEY"
        )
        for name, ids in models.items()
        for model in ids
    ]
    quota, health = QuotaStore(folder / "quota.json"), RouteHealthStore(path=folder / "health.json")
    env = {"RIVAL_KEY": key}
    pool = AsyncPool(Pool(providers, quota=quota, route_health=health, env=env, routing="fast"))

    async def ask(prompt: str) -> str | None:
        for retries_left in (2, 1, 0):
            try:
                return (await pool.aask(prompt, timeout=ATTEMPT)).text or None
            except Exception:
                if not retries_left:
                    raise
        return None

    return ask


# -- by hand --------------------------------------------------------------------------------------


def round_robin(base_urls: dict[str, str], models: dict[str, list[str]], key: str) -> Ask:
    """Models that are not rate limited, in turn; if all are, the one that waits least.

    A call does not ask a model again that failed it in another way.
    """
    import httpx

    client = httpx.AsyncClient(timeout=ATTEMPT, headers={"authorization": f"Bearer {key}"})
    ring = [(name, model) for name, ids in models.items() for model in ids]
    blocked = dict.fromkeys(ring, 0.0)

    async def attempt(which: tuple[str, str], prompt: str) -> str | None:
        body = {"model": which[1], "messages": [{"role": "user", "content": prompt}]}
        response = await client.post(f"{base_urls[which[0]]}/chat/completions", json=body)
        if response.status_code == 429:
            headers = response.headers
            reset = float(headers.get("x-ratelimit-reset", 0)) / 1_000 - time.time()
            wait = float(headers.get("retry-after", reset if reset > 0 else 60.0))
            blocked[which] = time.monotonic() + max(1.0, wait)
        return response.raise_for_status().json()["choices"][0]["message"]["content"] or None

    async def ask(prompt: str) -> str | None:
        ends, untried = time.monotonic() + DEADLINE, set(ring)
        while untried:
            which = min(
                (m for m in ring if m in untried), key=lambda m: max(blocked[m], time.monotonic())
            )
            untried.discard(which)
            ring.append(ring.pop(ring.index(which)))
            wait = max(0.0, blocked[which] - time.monotonic())
            if time.monotonic() + wait >= ends:
                break
            await asyncio.sleep(wait)
            try:
                if text := await attempt(which, prompt):
                    return text
            except (httpx.HTTPError, ValueError, LookupError, TypeError):
                if blocked[which] > time.monotonic():
                    untried.add(which)
        return None

    return ask


RIVALS: dict[str, Enter] = {
    "ChatOpenAI": chat_openai,
    "ChatOpenAI, fallbacks": chat_openai_fallbacks,
    "litellm, simple-shuffle": litellm_shuffle,
    "litellm, latency": litellm_latency,
    "ChatLiteLLMRouter": chat_litellm_router,
    "freelm": freelm,
    "freelm, by model": freelm_by_model,
    "llm-rotator": llm_rotator,
    "freellmpool": freellmpool,
    "round robin": round_robin,
}
