"""When a request's turn comes in the line of a full limit, by those who came before it.

Each of them takes one request as soon as there is room, unless it gives up before. One that may be
served elsewhere meanwhile is not counted: that it will take a place here is no proof. A request
whose turn then comes after its own deadline is told so at once. Waiting would cost it time and
answer nobody.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..catalogue.providers import Limit
from .window import MARGIN, Window


def turn_at(window: Window, limit: Limit, ahead: Iterable[float], now: float) -> float | None:
    """When there is room for the next in line (unix seconds); None: nobody can tell.

    `ahead`: until when each of those before it is sure to wait, in order.
    """
    size, hold = limit.requests, limit.per + MARGIN
    if not size or limit.reset != "rolling":
        return None
    window.expire(limit, now)
    freed = [at + hold for at in window.times][-size:]
    room = [now] * (size - len(freed)) + freed

    def room_for(place: int) -> float:
        rounds, rest = divmod(place, size)
        return room[rest] + rounds * hold

    place = 0
    for leaves in ahead:
        place += room_for(place) <= leaves
    return room_for(place)
