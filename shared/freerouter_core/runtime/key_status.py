"""`fetch_key_status`: how many free requests of the day OpenRouter counts for a key.

`GET /key` costs no quota. `free_model_daily_requests` is documented since August 2026. It counts
refused requests too, and lags by up to a minute.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..catalogue.providers import Account
from ..wire.json_values import parse_json
from .http.transport import Transport, TransportFailed

TIMEOUT = 5.0
"""Seconds to wait for an answer."""
MAX_BODY = 100_000
"""Bytes of the answer."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """Free requests of the UTC day: `used` of `limit`."""

    used: int
    limit: int

    @property
    def spent(self) -> bool:
        """Whether no request is left."""
        return self.used >= self.limit


async def fetch_key_status(account: Account, transport: Transport) -> KeyStatus | None:
    """The account's day as its provider counts it. None if the provider does not tell."""
    if account.dialect != "openrouter":
        return None
    try:
        async with asyncio.timeout(TIMEOUT), transport.open(account, "GET", "/key") as response:
            body = await response.read(MAX_BODY)
        if response.status != 200:
            return None
        counts = parse_json(body)["data"]["free_model_daily_requests"]
        return KeyStatus(int(counts["used"]), int(counts["limit"]))
    except (TransportFailed, TimeoutError, ValueError, KeyError, TypeError):
        return None
