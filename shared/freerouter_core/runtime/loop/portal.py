"""`Portal`: how callers on any thread or event loop run work on the runtime's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TypeVar

from ...errors import FreeRouterError
from .bridge import StreamBuffer, callback_queue_of, new_thread_event
from .job import AsyncCall, Job, LoopThread, Work

T = TypeVar("T")
Item = TypeVar("Item")
StreamWork = Callable[[Callable[[Item], None]], AsyncCall[T]]
"""Gets what passes an item to the caller: a `StreamBuffer`."""


class Portal:
    """Runs work on the loop of `_running_thread`, for callers of every kind.

    A caller that is interrupted, cancelled or closed cancels its work.
    """

    def _running_thread(self) -> LoopThread:
        """The loop's thread, started if it is not running."""
        raise NotImplementedError

    def call(self, work: Work[T], *, serves: bool = False) -> T:
        """Run `work()` and wait for it, from any thread but the loop's own.

        `serves`: it is no request itself, but a server that takes requests on the loop.
        """
        thread = self._running_thread()
        self._refuse_own_thread(thread)
        ready = new_thread_event()
        job = Job(thread, work, ready.set, serves=serves)
        thread.callbacks.post(job.begin)
        try:
            while not job.done:
                ready.wait()
        except BaseException:
            job.cancel()
            raise
        return job.result()

    async def acall(self, work: Work[T]) -> T:
        """Run `work()` and await it, from any loop."""
        thread = self._running_thread()
        loop = asyncio.get_running_loop()
        if loop is thread.loop:
            thread.active_jobs += 1
            try:
                return await work()
            finally:
                thread.active_jobs -= 1
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

    def stream(self, work: StreamWork[Item, T]) -> Generator[Item, None, T]:
        """Yield what `work(buffer)` puts, as it comes, and return what `work` returns."""
        thread = self._running_thread()
        self._refuse_own_thread(thread)
        ready = new_thread_event()
        buffer: StreamBuffer[Item] = StreamBuffer(ready.set, thread.callbacks.post)
        job: Job[T] = Job(thread, lambda: work(buffer), buffer.end)
        thread.callbacks.post(job.begin)
        try:
            ended = False
            while not ended:
                items, ended = buffer.take()
                yield from items
                if not (items or ended):
                    _refuse_parents(thread)
                    ready.wait()
            return job.result()
        finally:
            if not job.done:
                job.cancel()

    async def astream(
        self, work: StreamWork[Item, T], finish: Callable[[T], None]
    ) -> AsyncGenerator[Item, None]:
        """As `stream`, for event loops. `finish` gets the result: async generators return none."""
        thread = self._running_thread()
        loop = asyncio.get_running_loop()
        callbacks = callback_queue_of(loop)
        waiting: list[asyncio.Future[None]] = []

        def resume() -> None:
            if waiting:
                _resolve(waiting[0])

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed
                callbacks.post(resume)

        if loop is thread.loop:  # nothing crosses threads
            wake = resume
        buffer: StreamBuffer[Item] = StreamBuffer(wake, thread.callbacks.post)
        job: Job[T] = Job(thread, lambda: work(buffer), buffer.end)
        if loop is thread.loop:
            job.begin()
        else:
            thread.callbacks.post(job.begin)
        try:
            ended = False
            while not ended:
                items, ended = buffer.take()
                for item in items:
                    yield item
                if not (items or ended):
                    _refuse_parents(thread)
                    waiting[:] = [loop.create_future()]
                    if not buffer.has_news:
                        await waiting[0]
            finish(job.result())
        finally:
            if not job.done:
                job.cancel()

    def _refuse_own_thread(self, thread: LoopThread) -> None:
        if threading.get_ident() == thread.ident:
            raise FreeRouterError(
                "a synchronous call on the runtime's own thread would wait for itself",
                hint="callables given to the router may call a model; logging handlers may not",
            )


def _refuse_parents(thread: LoopThread) -> None:
    """Raise in a forked child for a stream of its parent: nothing would come any more."""
    if thread.of_parent:
        raise FreeRouterError(
            "the stream belongs to the process that began it, and this one was forked since",
            hint="ask again in this process",
            should_retry=True,
        )


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
