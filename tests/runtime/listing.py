"""Accounts and a process, for tests of how lists of models are fetched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from freerouter_core.catalogue.providers import Account
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime

ONE = Account("one", "https://one.invalid/v1", "k")
TWO = Account("two", "https://two.invalid/v1", "k")
LOCAL = Account("here", "http://localhost:9/v1", "")
REFRESH = 3_600.0


class Process:
    """A runtime that knows only what is on disk."""

    def __init__(self, lists: httpx.AsyncBaseTransport, folder: Path | None = None) -> None:
        self.clock = VirtualClock()
        self.runtime = Runtime(clock=self.clock, client=lists, cache=folder)
        self.start = self.clock.now()

    @property
    def elapsed(self) -> float:
        return round(self.clock.now() - self.start, 3)

    def models(
        self, *accounts: Account, wait: float | None = None, required: bool = True
    ) -> list[str]:
        discovery, transport = self.runtime.discovery, self.runtime.transport_for()
        catalogue = self.runtime.call(
            lambda: discovery.catalogue(
                accounts, lambda account: transport, REFRESH, wait=wait, required=required
            )
        )
        return sorted(model.id for model in catalogue)

    def passes(self, seconds: float) -> None:
        """Let time pass in which fetches may end."""
        self.runtime.call(lambda: asyncio.sleep(seconds))
