"""`DemandBook`: what interactive requests want of each limit, and what of it is news to others."""

from __future__ import annotations

from .charges import Charge, size_of
from .demand import Demand
from .lanes import is_long


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

    def told(self, window: str, theirs: Demand) -> None:
        """Learn from what another process knows."""
        own = self.by_window.get(window)
        self.by_window[window] = theirs if own is None else own.joined(theirs)
