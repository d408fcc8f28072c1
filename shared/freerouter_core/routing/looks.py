"""`look_at`: when a request that nobody waits for looks whether a model answers again.

A failure benches a model for a guessed time. A caller who waits may ask it meanwhile, as a last
resort. A job would wait until the end; and where one bad row after the other fails, it would do
nothing else. So one of its requests looks earlier: after 2.5 seconds at first, and each time half
as long again. An answer ends the bench for all. Where all of a server fails, one look serves all
its models (`outage`).

Only failures are looked at. A limit, stated or guessed, is waited for.
"""

from __future__ import annotations

import math

from ..wire.fault import Cause
from .candidate import Candidate
from .health_book import HealthBook
from .outage import LOOK_SHARE, SOONEST_LOOK

_LIMITS = frozenset({*[cause.value for cause in Cause if cause.effect.own_limit], "limit spent"})


def look_at(book: HealthBook, candidate: Candidate, cause: str, price: float) -> float:
    """When a request looks at whom a guess keeps back, unix seconds; infinite: never. `cause`: of
    the guess. `price`: seconds that it costs others (`congestion`).

    Who failed there itself does not look: another request tells more.
    """
    record = book.models.get(candidate.model.identity)
    if candidate.tries or cause in _LIMITS or record is None or not record.strikes:
        return math.inf
    crowd, outage = book.crowds.by_key.get(candidate.key), book.outage_of(candidate.model.identity)
    asked = record.availability.seen_at if crowd is None else crowd.tried_at
    gap = SOONEST_LOOK * (1.0 + LOOK_SHARE) ** min(record.strikes - 1, 32)
    look = max(asked, record.availability.seen_at) + gap
    if candidate.model.wire_name in outage.models:
        look = max(look, outage.look_at(price, latest=math.inf))
    return look
