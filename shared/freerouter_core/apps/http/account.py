"""`/v1/key` and `/v1/credits`, as OpenRouter tells them: what is left of the free limits.

All clients of the service share them. Nothing is ever paid, so there is no limit in USD.
"""

from __future__ import annotations

from fastapi import APIRouter

from ...client.router import Router
from ...reports import QuotaLine
from ...routing.usage_stats import HISTORY_HOURS
from ..as_json import JsonObject
from .route import GetRouter

_NO_DAILY_LIMIT = {"used": 0, "limit": -1, "remaining": -1}
"""Strict clients require numbers, and OpenRouter writes -1 for what has no limit."""


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.get("/v1/key")
    @paths.get("/v1/auth/key")
    async def key() -> JsonObject:
        return {"data": await _key(get_router())}

    @paths.get("/v1/credits")
    async def credit() -> JsonObject:
        return {"data": {"total_credits": 0.0, "total_usage": await _spent(get_router())}}


async def _key(router: Router) -> JsonObject:
    lines = [
        line
        for line in (await router.aquota()).lines
        if line.kind == "requests" and line.scope == "account"
    ]
    spent = await _spent(router)
    nothing = {
        f"{prefix}usage{span}": 0.0 if prefix else spent
        for prefix in ("", "byok_")
        for span in ("", "_daily", "_weekly", "_monthly")
    }
    minute = [line for line in lines if line.per <= 60.0]
    day = [line for line in lines if line.reset == "utc-day"]
    return {
        "label": "freerouter",
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "include_byok_in_limit": False,
        "is_free_tier": True,
        "is_management_key": False,
        "is_provisioning_key": False,
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": None,
        "allowed_data_regions": [],
        "expires_at": None,
        "rate_limit": {
            "requests": sum(line.limit for line in minute) if minute else -1,
            "interval": "60s",
            "note": "what all clients of this service share",
        },
        **nothing,
        "free_model_daily_requests": _daily(day) if day else _NO_DAILY_LIMIT,
    }


def _daily(lines: list[QuotaLine]) -> JsonObject:
    """The day's requests. Where two lines count one account's, the fuller one is right."""
    fullest: dict[str, QuotaLine] = {}
    for line in lines:
        other = fullest.get(line.provider)
        if other is None or line.left < other.left:
            fullest[line.provider] = line
    chosen = fullest.values()
    return {
        "used": int(sum(line.used for line in chosen)),
        "limit": sum(line.limit for line in chosen),
        "remaining": int(sum(line.left for line in chosen)),
    }


async def _spent(router: Router) -> float:
    """USD that answers of the last 30 days cost: none, unless the owner allows paying."""
    if not router.config.allow_paid:
        return 0.0
    return (await router.aperformance(hours=HISTORY_HOURS)).total.usd
