"""What one more request costs the others who share its account, in seconds that they wait for it.

While there is room, that is next to nothing. With a full minute it is a place in the line. A limit
of a day has no line: each request of a small one is worth more than one of a large one.
"""

from __future__ import annotations

from ..catalogue.providers import Limit

SCARCE_SECONDS = 300.0
"""Seconds that all requests of a long limit are worth together: one of 50 is worth six."""
LONG_PERIOD = 3_600.0
"""Seconds from which on a limit is long: nobody waits in line for its end."""
MAX_CONGESTION = 30.0
"""Most seconds that one request costs."""


def congestion(limit: Limit, used: float, waiting: int) -> float:
    """Seconds that a request under this limit costs others. `waiting`: requests in its line."""
    if limit.requests is None or limit.requests <= 0:
        return 0.0
    full = min(1.0, used / limit.requests)
    if limit.per >= LONG_PERIOD:
        return min(MAX_CONGESTION, SCARCE_SECONDS / limit.requests * (0.5 + full))
    crowding = waiting + full**3 / (1.05 - full)
    return min(MAX_CONGESTION, limit.per / limit.requests * crowding)
