"""Lanes: interactive requests go before background ones, and background ones leave them room.

Somebody waits for an interactive request, and nobody for a background one. So the seconds that a
background request makes others wait (`congestion`) cost something, and its own cost nothing. Three
rules follow:

- **Order.** In every line a request stands at its `Place`: all interactive ones first, each lane in
  order of arrival.
- **Room.** A line helps only those who stand in it. If background requests fill a minute's limit,
  or all that may run at once, the next interactive one waits for room. So they never take what
  interactive ones are expected to want at a time (`demand`). What they do not want, is theirs.
- **Days.** Of a long limit they leave what will still be wanted, and are paced (`pacing`).

**Nobody starves.** Where interactive requests want all of a limit at times, one background request
may still go while the limit is calm. Where they want all of it all the time, no room is left.

Hedges are for those who wait, so background requests make none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..wire.request import Pace
from .charges import Charge, size_of
from .congestion import LONG_PERIOD
from .demand import Demand, Demands
from .pacing import pacing
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

    `demands`: what interactive ones want, by the name of a limit's window.
    """

    demands: Demands
    pace: Pace = "even"

    def free_at(
        self, charge: Charge, window: Window, amount: float, now: float, left: float = 0.0
    ) -> float:
        """When a background request may take `amount` (unix seconds). `now`: at once.

        `left`: how much it leaves to those who took less in other processes.
        """
        if charge.amount is not None:  # the owner's money has an owner who sets its pace
            return now
        limit, size = charge.limit, size_of(charge.limit)
        demand = self.demands.get(charge.window) or Demand.unknown(size, now)
        if is_long(charge):
            return pacing(limit, window, demand, self.pace, now, amount + left).free_at
        if not window.background and window.used + amount + left <= max(amount, CALM * size):
            return now
        return window.background_free_at(limit, amount + left, size - round(demand.most(now)), now)


def is_long(charge: Charge) -> bool:
    """Whether nobody waits in line for the end of the limit's period."""
    return charge.limit.concurrent is None and charge.limit.per >= LONG_PERIOD
