"""`WorkerThread`: runs blocking calls one after the other, for an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from ..loop.os_threads import new_queue, start_thread

T = TypeVar("T")
JOIN_TIMEOUT = 1.0
"""Seconds to wait for the thread's end."""


class WorkerThread:
    """A daemon thread, so that it keeps no process from ending."""

    def __init__(self, name: str) -> None:
        self._jobs = new_queue()
        self._thread = start_thread(self._work, name)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` on the thread, and return its result or raise its exception."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def resolve(value: T) -> None:
            if not future.done():  # the caller may be cancelled
                future.set_result(value)

        def fail(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        def job() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                try:
                    value = call()
                except Exception as error:
                    loop.call_soon_threadsafe(fail, error)
                else:
                    loop.call_soon_threadsafe(resolve, value)

        self._jobs.put(job)
        return await future

    def end(self, *, wait: bool = True) -> None:
        """End the thread after the calls so far. `wait`: for its end."""
        self._jobs.put(None)
        if wait and self._thread is not None:
            self._thread.join(JOIN_TIMEOUT)
