"""`fetch_key_status`: what OpenRouter's `GET /key` says of an account's day, free requests being counted by those who refuse them.

Asking costs no quota. `free_model_daily_requests` is documented since August 2026, counts refused requests too, and lags by up to a
minute; a server that does not know the path, or does not tell, is as good as one that was not asked.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from ..catalogue.providers import Account
from .http.transport import Transport, TransportFailed

TIMEOUT = 5.0
"""Seconds an answer is waited for."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Free requests of the UTC day: `used` of `limit`."""

    used: int
    limit: int

    @property
    def spent(self) -> bool:
        return self.used >= self.limit


async def fetch_key_status(account: Account, transport: Transport) -> KeyStatus | None:
    """The account's day as its provider counts it, or None where it does not tell."""
    if account.dialect != "openrouter":
        return None
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            transport.open(account, "GET", "/key") as response,
        ):
            body = await response.read(100_000)
            told = (
                json.loads(body)["data"]["free_model_daily_requests"]
                if response.status == 200
                else {}
            )
            return KeyStatus(int(told["used"]), int(told["limit"]))
    except (TransportFailed, TimeoutError, ValueError, KeyError, TypeError):
        return None
