"""`EndedGrants`: how grants ended, told to a shared store beside the requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ...routing.charges import Charge, Grant
from ...routing.limits import Windows
from ..loop.job import AsyncCall
from .store import Decide

Changes = dict[Charge, float | None]
"""What a grant turned out to have used of each charge. None: nothing, or its lease is back."""
TellStore = Callable[[tuple[Charge, ...], Decide[None]], AsyncCall[bool]]
"""Changes windows of the store. Whether it did: False while it is lost."""
MAX_WAITING = 10_000
"""Grants that wait for a lost store. The oldest are dropped: their leases expire."""


class EndedGrants:
    """They wait while the store is lost."""

    def __init__(self, tell_store: TellStore) -> None:
        self._tell_store = tell_store
        self._waiting: deque[tuple[Grant, Changes]] = deque(maxlen=MAX_WAITING)

    def add(self, grant: Grant, changed: Changes) -> None:
        """`changed`: what the end of the grant changes."""
        self._waiting.append((grant, changed))

    async def send(self) -> None:
        """Tell the store of all, in order, or of those before it was lost."""
        while self._waiting:
            grant, changed = self._waiting.popleft()

            def decide(
                windows: Windows, grant: Grant = grant, changed: Changes = changed
            ) -> tuple[None, bool]:
                by_its_clock = replace(grant, at=grant.shared_at)
                for charge, amount in changed.items():
                    windows(charge).change(charge, by_its_clock, amount)
                return None, True

            if not await self._tell_store(tuple(changed), decide):
                self._waiting.appendleft((grant, changed))
                return

    def forget(self) -> None:
        """After a fork or a close."""
        self._waiting.clear()
