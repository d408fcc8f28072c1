"""`Portal`: how callers on any thread or event loop have work done on the runtime's own loop, and cancel it there."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, TypeVar

from ...errors import FreeRouterError
from .bridge import StreamBuffer, callback_queue_of, new_thread_event
from .job import Job, LoopThread

T = TypeVar("T")
Item = TypeVar("Item")


class Portal:
    """The four ways across. `_running_thread` gives the loop's thread, started if need be."""

    def _running_thread(self) -> LoopThread:
        raise NotImplementedError

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work()` on the runtime's loop and wait for it, from any thread. An interrupt cancels it there."""
        thread = self._running_thread()
        self._refuse_own_thread(thread)
        ready = new_thread_event()
        job = Job(thread, work, ready.set)
        thread.callbacks.post(job.begin)
        try:
            while not job.done:
                ready.wait()
        except BaseException:
            job.cancel()
            raise
        return job.result()

    async def acall(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work()` on the runtime's loop and await it from any other. Cancelling the caller cancels it there."""
        thread = self._running_thread()
        loop = asyncio.get_running_loop()
        if loop is thread.loop:
            return await work()
        future: asyncio.Future[None] = loop.create_future()
        callbacks = callback_queue_of(loop)
        job = Job(thread, work, lambda: callbacks.post(_resolve, future))
        thread.callbacks.post(job.begin)
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
        thread = self._running_thread()
        self._refuse_own_thread(thread)
        ready = new_thread_event()
        buffer: StreamBuffer[Item] = StreamBuffer(ready.set)
        job: Job[T] = Job(thread, lambda: work(buffer.put), lambda: buffer.end())
        thread.callbacks.post(job.begin)
        try:
            over = False
            while not over:
                items, over = buffer.take()
                yield from items
                if not (items or over):
                    ready.wait()
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
        thread = self._running_thread()
        loop = asyncio.get_running_loop()
        callbacks = callback_queue_of(loop)
        waiting: list[asyncio.Future[None]] = []

        def resume() -> None:
            if waiting:
                _resolve(waiting[0])

        def wake() -> None:
            with contextlib.suppress(RuntimeError):
                callbacks.post(resume)

        buffer: StreamBuffer[Item] = StreamBuffer(wake)
        job: Job[T] = Job(thread, lambda: work(buffer.put), lambda: buffer.end())
        thread.callbacks.post(job.begin)
        try:
            over = False
            while not over:
                items, over = buffer.take()
                for item in items:
                    yield item
                if not (items or over):
                    waiting[:] = [loop.create_future()]
                    if buffer.empty:
                        await waiting[0]
            finish(job.result())
        finally:
            if not job.done:
                job.cancel()

    def _refuse_own_thread(self, thread: LoopThread) -> None:
        if threading.get_ident() == thread.ident:
            raise FreeRouterError(
                "a synchronous call was made on the runtime's own thread, where it would wait for itself",
                hint="callables given to the router may call a model; logging handlers may not",
            )


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
