"""`QuotaHistory`: how much of each limit was used through the day."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ...reports.quota import QuotaLine
from ..as_json import JsonObject

STEP = 900.0
"""Seconds between two points."""
POINTS = 96
"""Points that are kept of each limit: a day."""
MAX_LIMITS = 12
"""Limits that are remembered. Those of models come and go."""
MIN_PERIOD = 3600.0
"""Seconds of the shortest limit that is remembered. What a minute allows is soon back."""

_Key = tuple[str, str, str, float, int]


class QuotaHistory:
    """Points of each longer limit, oldest first. Bounded."""

    def __init__(self) -> None:
        self._lines: dict[_Key, tuple[QuotaLine, deque[tuple[float, float]]]] = {}

    def add(self, now: float, lines: Iterable[QuotaLine]) -> None:
        """Remember how much of each limit is used at `now`, in unix seconds."""
        for line in lines:
            key = line.provider, line.scope, line.kind, line.per, line.limit
            if line.per < MIN_PERIOD or line.kind == "concurrent":
                continue
            if key not in self._lines and len(self._lines) >= MAX_LIMITS:
                continue
            _, points = self._lines.get(key, (line, deque(maxlen=POINTS)))
            if points and points[-1][0] // STEP == now // STEP:
                points.pop()
            points.append((round(now), line.used))
            self._lines[key] = line, points
        self._forget(now)

    def as_json(self) -> list[JsonObject]:
        """By limit: its provider, scope, kind, period, size and points of (unix seconds, used)."""
        return [
            {
                "provider": line.provider,
                "scope": line.scope,
                "kind": line.kind,
                "per": line.per,
                "limit": line.limit,
                "points": list(points),
            }
            for line, points in self._lines.values()
        ]

    def _forget(self, now: float) -> None:
        """Points are kept for a day, and limits as long as they have points."""
        for key, (_, points) in list(self._lines.items()):
            while points and points[0][0] < now - STEP * POINTS:
                points.popleft()
            if not points:
                del self._lines[key]
