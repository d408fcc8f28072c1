"""`Store`: where windows and notes are kept. One interface, three keepers, one set of tests over all of them.

A change of windows is a function over them (`routing.quota`), which a store runs as one: in this process's memory, inside a
transaction of SQLite, or against Redis by compare-and-set. A note is what requests learnt (`notes`): a key and a JSON text, with a
number that grows, so that each process can ask for what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ...routing.limits import Charge, Window, Windows
from ...routing.usage_stats import KEPT, Tallies, merge

T = TypeVar("T")
Decide = Callable[[Windows], tuple[T, bool]]
"""Given windows, returns a result and whether it changed any of them."""


class StoreFailed(Exception):
    """A store is slow, locked, full, broken or gone. Never a request's failure: memory takes over."""


class Store(Protocol):
    """Where windows and notes are kept. All methods but `forget` are called on the runtime's loop and raise `StoreFailed`."""

    shared: bool
    """Whether other processes see it."""

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        """Run `decide` over the windows of `charges` as one step, and keep what it changed."""

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        """Keep notes, over those of the same keys."""

    async def notes_since(self, since: int) -> tuple[int, dict[str, str]]:
        """(number, notes): what was kept after `since`, and the number to ask with next time."""

    async def add(self, tallies: Tallies, hour: int) -> None:
        """Add to the history, of which what is older than `KEPT` hours before `hour` may be forgotten."""

    async def history(self, since: int) -> Tallies:
        """The history from the hour `since` on."""

    def forget(self) -> None:
        """After a fork: connections are the parent's. Drop them; close nothing."""

    async def close(self) -> None:
        """End connections."""


class MemoryStore:
    """Windows of this process alone. Touched on the runtime's loop only."""

    shared = False

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._history: Tallies = {}

    def window(self, charge: Charge) -> Window:
        key = charge.window
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(lanes=charge.limit.concurrent is not None)
        return window

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        return decide(self.window)[0]

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        pass

    async def notes_since(self, since: int) -> tuple[int, dict[str, str]]:
        return since, {}

    async def add(self, tallies: Tallies, hour: int) -> None:
        merge(self._history, tallies)
        for old in [name for name in self._history if name[0] < hour - KEPT]:
            del self._history[old]

    async def history(self, since: int) -> Tallies:
        return {name: tally for name, tally in self._history.items() if name[0] >= since}

    def forget(self) -> None:
        """Requests in flight are the parent's; what was spent stays spent."""
        for window in self._windows.values():
            if window.lanes:
                window.clear()

    async def close(self) -> None:
        pass
