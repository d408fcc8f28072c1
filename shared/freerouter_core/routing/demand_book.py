"""`DemandBook`: what interactive requests want of each limit, and what of it is news to others."""

from __future__ import annotations

from ..wire.request import Pace
from .charges import Charge
from .demand import Demand
from .lanes import Background, is_long, was_there
from .pacing import Pacing, pacing
from .people import People
from .window import Window


class DemandBook:
    """By the name of a limit's window."""

    def __init__(self) -> None:
        self.people = People()
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
            demand = Demand.unknown(now, used)
            self.by_window[charge.window] = demand
        if is_long(charge):
            news = demand.asked(used, now)
        else:
            news = demand.wanted(used + (waiting if charge.limit.tokens is None else 0), now)
        if news:
            self.touched.add(charge.window)

    def background(self, pace: Pace, now: float) -> Background:
        """What background requests leave now, by this process's clock."""
        return Background(self.by_window, pace, self.people, now)

    def plan(self, charge: Charge, window: Window, pace: Pace, now: float) -> Pacing:
        """What background requests may take of a long limit, whose window is of now."""
        demand = self.by_window.get(charge.window)
        demand = demand or Demand.unknown(now, window.interactive)
        asked = was_there(self.people.visit(charge.scope), now)
        return pacing(charge.limit, window, demand, pace, now, asked=asked)

    def told(self, window: str, theirs: Demand) -> None:
        """Learn from what another process knows."""
        own = self.by_window.get(window)
        self.by_window[window] = theirs if own is None else own.joined(theirs)
