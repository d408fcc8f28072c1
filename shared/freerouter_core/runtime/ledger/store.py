"""`Store`: where windows, notes and usage are kept. One interface, three stores, one set of tests.

A change of windows is a function over them (`routing.limits`). A store runs it as one step: in
memory, inside a transaction of SQLite, or against Redis by compare-and-set.

A note is something that requests learnt (`state_sync`): a key and a JSON text. Each gets a number
that grows, so that a process can ask for what is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ...routing.charges import Charge
from ...routing.limits import Windows
from ...routing.usage_stats import HISTORY_HOURS, Tallies, merge
from ...routing.window import Window

T = TypeVar("T")
Decide = Callable[[Windows], tuple[T, bool]]
"""Gets windows. Returns a result, and whether it changed any of them. May be run more than once."""


class StoreFailed(Exception):
    """A store is slow, locked, full, broken or gone. No request fails of it: memory takes over."""


class Store(Protocol):
    """Where windows, notes and usage are kept.

    All methods but `forget` run on the runtime's loop and raise `StoreFailed`. `now` is in unix
    seconds; an `hour` counts hours of unix time.
    """

    shared: bool
    """Whether other processes see it."""
    lead: float
    """Seconds by which its clock is ahead of this machine's. What is shared is timed by it."""

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        """Run `decide` over the windows of `charges` as one step, and keep what it changed."""

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        """Write notes over those of the same keys."""

    async def notes_since(self, number: int) -> tuple[int, dict[str, str]]:
        """(the newest number, the notes after `number`)."""

    async def add(self, tallies: Tallies, hour: int) -> None:
        """Add to the history. What is older than `HISTORY_HOURS` before `hour` may be dropped."""

    async def history(self, since: int) -> Tallies:
        """The history from the hour `since` on."""

    def forget(self) -> None:
        """After a fork: drop connections, which are the parent's. Close nothing."""

    async def close(self) -> None:
        """Close connections. The next call opens new ones."""


class MemoryStore:
    """Windows and usage of this process alone. Used on the runtime's loop only."""

    shared, lead = False, 0.0

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._history: Tallies = {}

    def window(self, charge: Charge) -> Window:
        """The window of a charge, empty at first."""
        key = charge.window
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(leases=charge.limit.concurrent is not None)
        return window

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        return decide(self.window)[0]

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        """Nobody else would read them."""

    async def notes_since(self, number: int) -> tuple[int, dict[str, str]]:
        return number, {}

    async def add(self, tallies: Tallies, hour: int) -> None:
        merge(self._history, tallies)
        for old in [name for name in self._history if name[0] < hour - HISTORY_HOURS]:
            del self._history[old]

    async def history(self, since: int) -> Tallies:
        return {name: tally for name, tally in self._history.items() if name[0] >= since}

    def forget(self) -> None:
        """Drop leases, whose requests are gone. What was spent stays spent."""
        for window in self._windows.values():
            if window.leases:
                window.clear()

    async def close(self) -> None:
        """Nothing is open."""
