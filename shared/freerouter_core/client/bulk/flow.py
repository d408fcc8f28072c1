"""`Flow`: how fast a job's rows end while no limit holds them back."""

from __future__ import annotations

WINDOW = 100
"""Ended rows over which is averaged: a server that slows down is noticed after so many."""


class Flow:
    """Counts rows, and the time they take, with and without somebody in line for a limit.

    While rows stand in line, the limits say how fast the job can be. While none does, it is as fast
    as its servers are, which only shows in the rows that end. Times are unix seconds.
    """

    def __init__(self, now: float) -> None:
        self._at = now
        self._held: bool | None = None
        self._free_rows = self._free_seconds = self._held_seconds = 0.0

    def look(self, now: float, *, held: bool | None) -> None:
        """How it is from now on. `held`: whether a row waits for a limit; None: none is tried."""
        self._add(now)
        self._held = held

    def ended(self, now: float) -> None:
        """A row has ended."""
        self._add(now)
        self._free_rows += self._held is not True
        keep = 1.0 - 1.0 / WINDOW
        self._free_rows *= keep
        self._free_seconds *= keep
        self._held_seconds *= keep

    def rate(self, now: float) -> float | None:
        """Rows a second. None: limits say more than what was measured, or nothing was."""
        self._add(now)
        if not self._free_rows or self._held_seconds > self._free_seconds:
            return None
        return self._free_rows / max(self._free_seconds, 1e-3)

    def _add(self, now: float) -> None:
        passed, self._at = now - self._at, now
        if self._held:
            self._held_seconds += passed
        elif self._held is not None:
            self._free_seconds += passed
