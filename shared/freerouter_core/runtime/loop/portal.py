"""`Crossing`: how callers on any thread or event loop have work done on the runtime's own loop, and cancel it there."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, TypeVar

from ...errors import FreeRouterError
from .bridge import Pipe, inlet_of, new_bell
from .job import Core, Job

T = TypeVar("T")
Item = TypeVar("Item")


class Crossing:
    """The four ways across. `_running` gives the loop's core, started if need be."""

    def _running(self) -> Core:
        raise NotImplementedError

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work()` on the runtime's loop and wait for it, from any thread. An interrupt cancels it there."""
        core = self._running()
        self._not_inside(core)
        bell = new_bell()
        job = Job(core, work, bell.ring)
        core.inlet.post(job.begin)
        try:
            while not job.done:
                bell.wait()
        except BaseException:
            job.cancel()
            raise
        return job.result()

    async def acall(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work()` on the runtime's loop and await it from any other. Cancelling the caller cancels it there."""
        core = self._running()
        loop = asyncio.get_running_loop()
        if loop is core.loop:
            return await work()
        future: asyncio.Future[None] = loop.create_future()
        inlet = inlet_of(loop)
        job = Job(core, work, lambda: inlet.post(_resolve, future))
        core.inlet.post(job.begin)
        try:
            await future
        except BaseException:
            job.cancel()
            raise
        return job.result()

    def stream(
        self, work: Callable[[Callable[[Item], None]], Coroutine[Any, Any, T]]
    ) -> Generator[Item, None, T]:
        """Yield what `work(put)` puts, as it comes; return what it returns. Closing the generator cancels it."""
        core = self._running()
        self._not_inside(core)
        bell = new_bell()
        pipe: Pipe[Item] = Pipe(bell.ring)
        job: Job[T] = Job(core, lambda: work(pipe.put), lambda: pipe.end())
        core.inlet.post(job.begin)
        try:
            over = False
            while not over:
                items, over = pipe.take()
                yield from items
                if not (items or over):
                    bell.wait()
            return job.result()
        finally:
            if not job.done:
                job.cancel()

    async def astream(
        self,
        work: Callable[[Callable[[Item], None]], Coroutine[Any, Any, T]],
        finish: Callable[[T], None],
    ) -> AsyncGenerator[Item, None]:
        """The same for event loops; the result goes to `finish`, since an async generator returns none."""
        core = self._running()
        loop = asyncio.get_running_loop()
        inlet = inlet_of(loop)
        waiting: list[asyncio.Future[None]] = []

        def rouse() -> None:
            if waiting:
                _resolve(waiting[0])

        def wake() -> None:
            with contextlib.suppress(RuntimeError):
                inlet.post(rouse)

        pipe: Pipe[Item] = Pipe(wake)
        job: Job[T] = Job(core, lambda: work(pipe.put), lambda: pipe.end())
        core.inlet.post(job.begin)
        try:
            over = False
            while not over:
                items, over = pipe.take()
                for item in items:
                    yield item
                if not (items or over):
                    waiting[:] = [loop.create_future()]
                    if pipe.empty:
                        await waiting[0]
            finish(job.result())
        finally:
            if not job.done:
                job.cancel()

    def _not_inside(self, core: Core) -> None:
        if threading.get_ident() == core.ident:
            raise FreeRouterError(
                "a synchronous call was made on the runtime's own thread, where it would wait for itself",
                hint="callables given to the router may call a model; logging handlers may not",
            )


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
