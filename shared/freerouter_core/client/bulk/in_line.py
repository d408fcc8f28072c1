"""How many requests of a job stand in line for limits."""

from __future__ import annotations

from collections.abc import Sequence

from ...routing.room import first_room
from ..context import Context

IN_LINE = 2
"""Requests that stand in line at most: one to go as soon as there is room, and one to follow it,
or to go elsewhere."""


def enough_wait(context: Context, waits: Sequence[float]) -> bool:
    """Whether another one would only stand behind those that wait.

    `waits`: until when each of them waits, unix seconds; 0: it is not in line yet. While all
    accounts are full, one is enough, if it waits for no later room than the first.
    """
    if not waits or len(waits) >= IN_LINE:
        return bool(waits)
    resolved, runtime = context.resolved, context.runtime
    if resolved.lane != "background":
        return False
    full = runtime.ledger.full.known(0, resolved.pace, runtime.clock.now())
    first = first_room(resolved.accounts.values(), full)
    return first is not None and max(waits) <= first.until
