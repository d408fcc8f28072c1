"""`EndpointFacts`: what OpenRouter says of a model's endpoints.

Uptime is not read: it leaves rate limits out. It was 99.8 % for models where most requests got a
429 (2026-07).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..catalogue.model import Model
from ..catalogue.providers import Account
from ..wire.json_values import parse_json
from .http.transport import Transport, TransportFailed

FETCH_TIMEOUT = 5.0
"""Seconds to wait for an answer."""
MAX_BODY = 1_000_000
"""Bytes of the answer."""
MAX_NUMBER = 1e7
"""Numbers from here on are misread ones."""
MAX_SECONDS = 30.0
"""A latency below it is in seconds, one above it in milliseconds."""


@dataclass(slots=True)
class EndpointFacts:
    """What is known of one model, and since when (unix seconds).

    `first_token`: median seconds to a first token; `speed`: median tokens a second; None: not told.
    `tool_choice`: whether a tool call can be forced.
    """

    at: float
    first_token: float | None = None
    speed: float | None = None
    tool_choice: bool = True

    def is_plausible(self, now: float) -> bool:
        """Whether a copy on disk can be right. Raises TypeError for values of other types."""
        numbers = (self.first_token, self.speed)
        return 0 <= self.at <= now and all(n is None or 0 < n < MAX_NUMBER for n in numbers)


async def fetch_endpoint_facts(
    account: Account, model: Model, transport: Transport, now: float
) -> EndpointFacts | None:
    """The facts of a model. None if the provider does not tell them, or not in time."""
    path = f"/models/{model.wire_name}/endpoints"
    try:
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            transport.open(account, "GET", path) as response,
        ):
            body = await response.read(MAX_BODY)
        if response.status != 200:
            return None
        rows = parse_json(body)["data"]["endpoints"]
        return None if rows is None else parse_endpoints(rows, now)
    except (TransportFailed, TimeoutError, ValueError, KeyError, TypeError):
        return None


def parse_endpoints(rows: Iterable[object], now: float) -> EndpointFacts:
    """The medians of the best endpoint.

    Latency is in milliseconds, though the documentation's example has seconds. No model answers
    within 30 ms, and none is listed with 30 s, so both can be read. Latency and throughput are null
    for callers that are not signed in.
    """
    latencies, speeds, forced = [], [], []
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        latency = _median(row.get("latency_last_30m"))
        if latency is not None:
            latencies.append(latency if latency < MAX_SECONDS else latency / 1e3)
        speed = _median(row.get("throughput_last_30m"))
        if speed is not None:
            speeds.append(speed)
        choice = row.get("supports_tool_choice")
        if isinstance(choice, Mapping):
            forced.append(bool(choice.get("required", choice.get("literal_required", True))))
    return EndpointFacts(
        at=now,
        first_token=min(latencies, default=None),
        speed=max(speeds, default=None),
        tool_choice=any(forced) if forced else True,
    )


def _median(percentiles: object) -> float | None:
    """The median of `{"p50": …}` or of a bare number. None for anything else."""
    value = percentiles.get("p50") if isinstance(percentiles, Mapping) else percentiles
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if 0 < value < MAX_NUMBER else None
