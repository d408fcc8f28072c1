"""Lanes: interactive requests go before background ones, and background ones leave them room.

Somebody waits for an interactive request, and nobody for a background one. So the seconds that a
background request makes others wait (`congestion`) cost something, and its own cost nothing. Three
rules follow:

- **Order.** In every line a request stands at its `Place`: all interactive ones first, each lane in
  order of arrival.
- **Room.** A line helps only those who stand in it. If background requests fill a minute's limit,
  or all that may run at once, the next interactive one waits for room. So they never take what
  interactive ones are expected to want at a time (`demand`). What they do not want, is theirs. They
  spread it over the minute: then some of it comes back every few seconds, to who comes next.
- **Days.** Of a long limit they leave what will still be wanted, and are paced (`pacing`).

**Nobody starves.** Where interactive requests want all of a limit at times, one background request
may still go while the limit is calm. Where they want all of it all the time, no room is left.

Hedges are for those who wait, so background requests make none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..wire.request import Pace
from .charges import Charge, size_of
from .congestion import LONG_PERIOD
from .demand import Demand, Demands
from .pacing import AT_ONCE, pacing, spread_at
from .people import People, Visit
from .window import Window

CALM = 0.5
"""The used part of a limit up to which it is calm. So is one that nobody uses."""
BEHIND = 0.25
"""Seconds by which background requests wake after interactive ones where there is no line."""


class Place(NamedTuple):
    """Where a request stands in every line. The smaller place is served first."""

    background: bool
    number: int
    """The request's place in the order of arrival."""


@dataclass(frozen=True, slots=True)
class Background:
    """What background requests must leave to interactive ones.

    `demands`: what interactive ones want, by the name of a limit's window. `people`: when they
    came, and `at` the time by the same clock (unix seconds; None: windows have that clock, too).
    """

    demands: Demands
    pace: Pace = "even"
    people: People = field(default_factory=People)
    at: float | None = None

    def free_at(
        self, charge: Charge, window: Window, amount: float, now: float, left: float = 0.0
    ) -> float:
        """When a background request may take `amount` (unix seconds). `now`: at once.

        `left`: how much it leaves to those who took less in other processes.
        """
        if charge.amount is not None:  # the owner's money has an owner who sets its pace
            return now
        limit, size = charge.limit, size_of(charge.limit)
        demand = self.demands.get(charge.window) or Demand.unknown(now)
        visit, own = self.people.visit(charge.scope), now if self.at is None else self.at
        if is_long(charge):
            asked, wanted = was_there(visit, own), amount + left
            return pacing(limit, window, demand, self.pace, now, wanted, asked=asked).free_at
        if not window.background and window.used + amount + left <= max(amount, CALM * size):
            return now
        share = size - round(demand.most(own, size, visit, amount))
        free_at = window.background_free_at(limit, amount + left, share, now)
        if limit.concurrent is not None or limit.reset != "rolling" or share <= 0.0:
            return free_at
        at_once = max(amount, AT_ONCE * share)
        return max(free_at, spread_at(window, amount, at_once, share / limit.per, now))


def was_there(visit: Visit | None, now: float) -> bool:
    """Whether people came lately, by their latest visit."""
    return visit is not None and visit.lately(now)


def is_long(charge: Charge) -> bool:
    """Whether nobody waits in line for the end of the limit's period."""
    return charge.limit.concurrent is None and charge.limit.per >= LONG_PERIOD
