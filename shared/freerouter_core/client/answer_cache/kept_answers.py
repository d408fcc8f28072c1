"""What is told of kept answers, and how they are cleared. `router_reports` documents each."""

from __future__ import annotations

from typing import Any

from ...routing.answer_cache import AnswerCache
from ...routing.reuse import StoredAnswer
from ...runtime.cache.cache import Cache
from ...settings import Settings
from ..context import Context
from ..resolve import answer_cache_of
from .lookup import place_of

COUNTED = {"hits": "hit", "joined": "joined", "misses": "miss", "stored": "stored"}
"""Counts of what looks for kept answers came to, by the result of the event."""


def _cache(context: Context, *, wanted: bool) -> Cache | None:
    """The cache of a router, which needs no key. `wanted`: also if the router has none, the one it
    would have."""
    settings = Settings.load()
    cache = answer_cache_of(context.config, settings)
    if cache is None and not wanted:
        return None
    state = context.runtime.state_of(settings.freerouter_state)
    return context.runtime.caches.open(place_of(cache or AnswerCache(), state))


async def stats(context: Context) -> dict[str, int]:
    cache = _cache(context, wanted=False)
    entries, size = (0, 0) if cache is None else await cache.size()
    counts = context.runtime.counts  # after what was being written
    told = {name: counts[f"answer_cache:{result}"] for name, result in COUNTED.items()}
    return {
        **context.runtime.discovery.stats,
        **told,
        "dropped": counts["answer_cache:dropped"],
        "requests_saved": told["hits"] + told["joined"],
        "tokens_saved": counts["tokens_saved"],
        "entries": entries,
        "bytes": size,
    }


async def newest(context: Context, limit: int) -> list[dict[str, Any]]:
    cache = _cache(context, wanted=True)
    now = context.runtime.clock.wall()
    entries = [] if cache is None else await cache.newest(limit)
    kept = [(entry, StoredAnswer.decode(entry.value)) for entry in entries]
    return [
        {
            "key": entry.key,
            "model": answer.model,
            "age": max(0.0, now - answer.at),
            "bytes": len(entry.value),
            "text": answer.answer.text,
            "tool_calls": [call.name for call in answer.answer.tool_calls],
        }
        for entry, answer in kept
        if answer is not None
    ]


async def clear(context: Context, older: float | None) -> int:
    cache = _cache(context, wanted=True)
    return 0 if cache is None else await cache.clear(older)
