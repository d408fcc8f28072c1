"""`Watch`: what happens at a router while somebody watches, as a picture and a table."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Self

from ..errors import BadSetting
from ..events import Answered, CalledOff, Event, GaveUp
from ..reports.quota import QuotaReport
from ..reports.tables import Table, Tabled
from ..reports.timeline import Ended, Timeline
from . import queries
from .context import Context

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOK = 1.0
"""Seconds between two looks at the limits, at least."""
ASK = 60.0
"""Seconds between two looks for which a provider is asked for its own count, at least."""


class Watch(Tabled):
    """Keeps what happens at a router's runtime, from when it is made until `stop`.

    It shows itself as a table in a notebook and a terminal, and draws itself. As a context manager
    it stops at the end of the block. Made by `Router.watch`.
    """

    def __init__(self, context: Context, limit: int) -> None:
        if limit < 1:
            raise BadSetting(f"limit={limit} keeps no request", hint="it must be 1 or more")
        self._context = context
        self._ended: deque[Ended] = deque(maxlen=limit)
        self._looks: deque[QuotaReport] = deque(maxlen=limit)
        self._asked = -math.inf
        self._unsubscribe = context.runtime.subscribe(self._see)

    def timeline(self) -> Timeline:
        """What happened so far. Waits until every event so far is seen."""
        self._context.runtime.flush()
        return Timeline(tuple(self._ended), tuple(self._looks))

    def table(self) -> Table:
        """What happened so far, a row for each model."""
        return self.timeline().table()

    def plot(self, figure: Figure | None = None) -> tuple[Axes, ...]:
        """Draw what happened so far; see `Timeline.plot`."""
        return self.timeline().plot(figure)

    def stop(self) -> None:
        """End watching. What was seen stays."""
        self._context.runtime.flush()
        self._unsubscribe()

    def __str__(self) -> str:
        return str(self.timeline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _see(self, event: Event) -> None:
        if not isinstance(event, Answered | GaveUp | CalledOff):
            return
        self._ended.append(event)
        context = self._context
        now = context.runtime.clock.now()
        if self._looks and now - self._looks[-1].seen < LOOK:
            return
        # A provider's own count tells limits that no header states.
        ask = now - self._asked >= ASK
        self._asked = now if ask else self._asked
        self._looks.append(context.runtime.call(lambda: queries.quota(context, ask)))
