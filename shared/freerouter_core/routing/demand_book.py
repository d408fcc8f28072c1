"""`DemandBook`: what interactive requests want of each limit, and what of it is news to others."""

from __future__ import annotations

from ..wire.request import Pace
from .charges import Charge, size_of
from .demand import Demand
from .lanes import is_long
from .pacing import Pacing, pacing
from .window import Window


class DemandBook:
    """By the name of a limit's window."""

    def __init__(self) -> None:
        self.by_window: dict[str, Demand] = {}
        self.touched: set[str] = set()
        """Windows of which something was learnt that other processes should know."""

    def look(self, charge: Charge, used: float, waiting: int, now: float) -> None:
        """Learn from a look at a limit (unix seconds).

        `used`: what interactive requests hold of it. `waiting`: how many of them wait for it.
        """
        if charge.amount is not None:
            return
        demand = self.by_window.get(charge.window)
        if demand is None:
            demand = Demand.unknown(size_of(charge.limit), now, used)
            self.by_window[charge.window] = demand
        if is_long(charge):
            news = demand.asked(used, now)
        else:
            news = demand.wanted(used + (waiting if charge.limit.tokens is None else 0), now)
        if news:
            self.touched.add(charge.window)

    def plan(self, charge: Charge, window: Window, pace: Pace, now: float) -> Pacing:
        """What background requests may take of a long limit, whose window is of now."""
        demand = self.by_window.get(charge.window)
        demand = demand or Demand.unknown(size_of(charge.limit), now, window.interactive)
        return pacing(charge.limit, window, demand, pace, now)

    def told(self, window: str, theirs: Demand) -> None:
        """Learn from what another process knows."""
        own = self.by_window.get(window)
        self.by_window[window] = theirs if own is None else own.joined(theirs)
