"""`HeldLeases`: the concurrency leases of requests under way, renewed while they are.

A lease is short, so that the lanes of a process that was killed are free again soon. A process that
lives renews its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator

from ...routing.charges import Charge, Grant
from ...routing.window import RENEWAL


def leased(grant: Grant) -> tuple[Charge, ...]:
    """The charges of a grant that are leases."""
    return tuple(charge for charge in grant.charges if charge.limit.concurrent is not None)


class HeldLeases:
    """The grants with leases. `renew` gets those that are held, every `RENEWAL` seconds."""

    def __init__(self, renew: Callable[[tuple[Grant, ...]], None]) -> None:
        self._renew = renew
        self._held: dict[int, Grant] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __contains__(self, number: int) -> bool:
        return number in self._held

    def hold(self, grant: Grant) -> None:
        """Renew the leases of a grant from now on."""
        if leased(grant):
            self._held[grant.number] = grant
            if self._timer is None:
                self._start_timer()

    def release(self, grant: Grant) -> None:
        """The request has ended."""
        self._held.pop(grant.number, None)
        if not self._held and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def clear(self) -> None:
        """After a fork or a close: the requests are gone."""
        self._held.clear()
        self._timer = None

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(RENEWAL, self._on_timer)

    def _on_timer(self) -> None:
        self._start_timer()
        self._renew(tuple(self._held.values()))


def grant_numbers() -> Iterator[int]:
    """Consecutive even numbers from a random start, so that no two processes use the same."""
    return itertools.count(int.from_bytes(os.urandom(5)) << 21, 2)
