"""`Patience`: a timeout that counts only the time in which the loop runs.

On a busy machine, or while a thread holds the interpreter, a loop stands still. Its timers are all
due when it goes on, and what it waited for may have come long ago. A timeout would take that as
proof that nobody answered.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

STEPS = 8
"""Parts of a timeout. A loop that stands still loses one of them at most."""


class Patience:
    """As `asyncio.timeout(seconds)`: raises TimeoutError, and cancels what is awaited."""

    def __init__(self, seconds: float) -> None:
        self._step = seconds / STEPS
        self._left = STEPS

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        await self._timeout.__aenter__()
        self._timer = self._loop.call_later(self._step, self._count)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _count(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._loop.call_later(self._step, self._count)
        else:
            self._timeout.reschedule(self._loop.time())
