"""`fetch_key_status`: how much of an account's limits is used, as the provider itself counts it.

Two providers tell. Neither question costs quota.

- OpenRouter: `GET /key` has `free_model_daily_requests` since August 2026. It counts refused
  requests too, and lags by up to a minute.
- Ollama Cloud: `GET /api/usage` has the used fraction of its windows of five hours and seven days
  (ollama/ollama#12532). It names no reset: the windows begin at multiples of five hours since the
  epoch, and on Mondays at midnight UTC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ..catalogue.calendar import DAY, HOUR, period
from ..catalogue.fields import number_in
from ..catalogue.providers import Account
from ..wire.json_values import as_mapping, parse_json
from .http.transport import Transport, TransportFailed

TIMEOUT = 5.0
"""Seconds to wait for an answer."""
MAX_BODY = 100_000
"""Bytes of the answer."""
_WEEK = 7 * DAY
_FIRST_MONDAY = 4 * DAY
"""Unix seconds of 1970-01-05."""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """`used` of `limit` in a window of `per` seconds. `kind`: "requests" or "percent"."""

    used: float
    limit: int
    kind: str = "requests"
    per: float = DAY
    reset: str = "utc-day"

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.used >= self.limit

    def ends(self, now: float) -> float:
        """When the window ends, in unix seconds."""
        shift = _FIRST_MONDAY if self.per == _WEEK else 0.0
        return period(self.reset, self.per, now - shift)[1] + shift


async def fetch_key_status(account: Account, transport: Transport) -> tuple[KeyStatus, ...]:
    """The account's limits as its provider counts them. Empty if the provider does not tell."""
    path = "/key" if account.dialect == "openrouter" else account.usage
    if not path:
        return ()
    try:
        async with asyncio.timeout(TIMEOUT), transport.open(account, "GET", path) as response:
            body = await response.read(MAX_BODY)
        if response.status != 200:
            return ()
        read = _openrouter if account.dialect == "openrouter" else _fractions
        return read(as_mapping(parse_json(body)))
    except (TransportFailed, TimeoutError, ValueError, KeyError, TypeError, OverflowError):
        return ()


def _openrouter(answer: Mapping[str, object]) -> tuple[KeyStatus, ...]:
    counts = as_mapping(as_mapping(answer["data"])["free_model_daily_requests"])
    return (KeyStatus(_count(counts["used"]), _count(counts["limit"])),)


def _count(value: object) -> int:
    if not isinstance(value, (int, float, str)):
        raise TypeError
    return int(value)


def _fractions(answer: Mapping[str, object]) -> tuple[KeyStatus, ...]:
    limits = as_mapping(answer.get("limits"))
    windows = (("session", 5 * HOUR), ("weekly", _WEEK))
    told = ((number_in(as_mapping(limits.get(name)).get("usage")), per) for name, per in windows)
    return tuple(
        KeyStatus(round(100 * used, 1), 100, "percent", per, "fixed")
        for used, per in told
        if used is not None
    )
