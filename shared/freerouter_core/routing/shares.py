"""`Shares`: how much of a limit each process took lately, and which of them wait for it.

Processes that share a limit wait for the same moment. Whoever looked first then would take all that
is free. So a process leaves room to those that wait and took less. The one that took least never
leaves any, so a place is never left to nobody.

A process waits while it says so: until the moment it was told, and `GRACE` longer. One that died
says nothing any more. What was taken counts less and less, by the period of the limit.

How many stand in a line says little of how many more would come: a job sends the next row when one
has gone. So while another waits at all, a process leaves it all that it took more.

Who joins later catches up at most the limit's size: nobody stands back for all that it did while
it was alone.

Each lane of a process has a share of its own. Interactive requests never leave room to background
ones. Background ones leave to interactive ones of other processes whatever those wait for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from struct import Struct

from ..catalogue.providers import Limit
from .charges import size_of

GRACE = 0.5
"""Seconds after the moment it was told in which a process may still come for its place."""
SKEW = 0.05
"""Seconds before that moment: timers and clocks differ a little."""
YIELD_POLL = 0.05
"""Seconds after which a process that left room to others looks again."""
LATELY = 300.0
"""Seconds in which a process that took or waited is taken to be there still."""
MOST = 64
"""Shares that are kept. Those that took nothing for longest are forgotten first."""
MEMORY = 4.0
"""Periods of a limit in which what was taken fades to about a third."""
FAINT = 0.001
"""What was taken counts for nothing below this."""
TIE = 0.1
"""The part of a request by which two may differ and have taken the same."""
PROCESS_BITS = 21
"""Low bits of a grant's number that count the grants of one process; the lowest tells the lane."""

_SHARE = Struct("<qddqdd")
SHARE_SIZE = _SHARE.size
"""Bytes of one share."""


@dataclass(slots=True)
class Share:
    """One lane of one process. Times are unix seconds by the store's clock.

    `taken`: what it took, faded up to `at`. `waiting`: how many requests stand in its line, which
    come for room between `opens` and `ends`.
    """

    taken: float = 0.0
    at: float = 0.0
    waiting: int = 0
    opens: float = 0.0
    ends: float = 0.0

    def faded(self, period: float, now: float) -> float:
        """What was taken, as it counts now."""
        return self.taken * math.exp(min(0.0, self.at - now) / (MEMORY * period))


def lane_of(number: int) -> int:
    """The key of a share: the process and the lane of the grant with this number."""
    return number >> PROCESS_BITS << 1 | number & 1


class Shares(dict[int, Share]):
    """By `lane_of`. `period`: seconds of the limit."""

    @classmethod
    def of(cls, state: bytes) -> Shares:
        """What `state` wrote."""
        return cls((key, Share(*values)) for key, *values in _SHARE.iter_unpack(state))

    def state(self) -> bytes:
        """All of it as bytes."""
        return b"".join(
            _SHARE.pack(key, one.taken, one.at, one.waiting, one.opens, one.ends)
            for key, one in self.items()
        )

    def took(self, key: int, amount: float, waiting: int, limit: Limit, now: float) -> None:
        """It took `amount`, and so many still stand in its line, who come at once."""
        taken = self._taken(key, limit, now)
        self[key] = Share(taken + amount, now, waiting, now, now + GRACE)
        if len(self) > 1:
            self._forget(limit.per, now)

    def waits(
        self, key: int, waiting: int, opens: float, until: float, limit: Limit, now: float
    ) -> None:
        """So many stand in its line. They come from `opens` on, and at `until` at the latest."""
        taken = self._taken(key, limit, now)
        self[key] = Share(taken, now, waiting, opens - SKEW, until + GRACE)

    def _taken(self, key: int, limit: Limit, now: float) -> float:
        """What it took. Who joins is at most the limit's size behind those that took least."""
        own, period = self.get(key), limit.per
        taken = own.faded(period, now) if own else 0.0
        if own is not None and own.ends + period >= now:
            return taken
        others = (one.faded(period, now) for one in self.values() if one.ends + period >= now)
        return max(taken, min(others, default=0.0) - size_of(limit))

    def left_by(self, key: int, amount: float, period: float, now: float) -> float:
        """How much a request of `amount` must leave to others."""
        mine = self[key].faded(period, now) if key in self else 0.0
        left = 0.0
        for other, share in self.items():
            if other == key or not share.opens <= now <= share.ends or other & 1 > key & 1:
                continue
            wanted = share.waiting
            if other & 1 == key & 1:
                lead = (mine - share.faded(period, now)) / amount
                wanted = max(0, math.ceil(lead - TIE)) if wanted else 0
            left += wanted * amount
        return left

    def processes(self, period: float, now: float) -> int:
        """How many processes took of it, or waited, lately. At least one.

        Under a day's limit those of the last minutes count: others have ended since, or ask little.
        """
        lately = now - min(period, LATELY)
        return max(1, len({key >> 1 for key, one in self.items() if one.ends >= lately}))

    def _forget(self, period: float, now: float) -> None:
        gone = [
            key
            for key, share in self.items()
            if share.ends < now and share.faded(period, now) < FAINT
        ]
        by_age = sorted(self, key=lambda key: self[key].at)
        for key in {*gone, *by_age[: max(0, len(by_age) - MOST)]}:
            del self[key]
