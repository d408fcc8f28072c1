"""`LoopThread`: the runtime's loop and what dies with it; `Job`: one piece of work on it, for one caller."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Set
from typing import Any, Generic, TypeVar

from ...errors import FreeRouterError
from ..http.transport import Transport
from .bridge import CallbackQueue, ThreadEvent, new_thread_event
from .clock import Clock

T = TypeVar("T")


class LoopThread:
    """The loop and what belongs to it; thrown away whole after a fork."""

    def __init__(self, clock: Clock) -> None:
        self.active_jobs = 0
        self.loop = clock.new_event_loop(lambda: self.active_jobs > 0)
        self.callbacks = CallbackQueue(self.loop)
        self.transports: dict[int, Transport] = {}
        self.ident = 0
        self.shutdown_hooks: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What is to be done on the loop before it ends."""
        self.shutdown_tasks: set[asyncio.Task[Any]] = set()
        """Tasks that those endings wait for."""
        self.started = new_thread_event()
        self.ended: ThreadEvent | None = None

    def run(self) -> None:
        self.ident = threading.get_ident()
        self.loop.call_soon(self.started.set)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self._shutdown())
            self.loop.close()
            if self.ended is not None:
                self.ended.set()

    async def _shutdown(self) -> None:
        # What a request took comes back before the store is told to close.
        await self._cancel_tasks(self.shutdown_tasks)
        for hook in self.shutdown_hooks:
            with contextlib.suppress(Exception):
                await hook()
        await self._cancel_tasks()
        for transport in self.transports.values():
            await transport.close()
        await self.loop.shutdown_asyncgens()
        await (
            self._cancel_tasks()
        )  # closing a response may leave a task that finishes its generator

    async def _cancel_tasks(self, kept: Set[asyncio.Task[Any]] = frozenset()) -> None:
        for _ in range(3):
            others = asyncio.all_tasks() - kept
            tasks = [task for task in others if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Job(Generic[T]):
    """One piece of work on the runtime's loop: what it returned or raised, and how to stop it."""

    __slots__ = (
        "cancelled",
        "context",
        "done",
        "error",
        "notify",
        "task",
        "thread",
        "value",
        "work",
    )

    def __init__(
        self,
        thread: LoopThread,
        work: Callable[[], Coroutine[Any, Any, T]],
        notify: Callable[[], None],
    ) -> None:
        self.thread, self.work, self.notify = thread, work, notify
        self.context = contextvars.copy_context()
        self.task: asyncio.Task[T] | None = None
        self.done = self.cancelled = False
        self.value: Any = None
        self.error: BaseException | None = None

    def begin(self) -> None:
        if self.cancelled:
            return
        self.thread.active_jobs += 1
        self.task = self.thread.loop.create_task(self.work(), context=self.context)
        self.task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[T]) -> None:
        self.thread.active_jobs -= 1
        if task.cancelled():
            self.error = (
                None
                if self.cancelled
                else FreeRouterError("the runtime was closed", should_retry=True)
            )
        else:
            self.error = task.exception()
            if self.error is None:
                self.value = task.result()
        self.done = True
        self.task = None
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody is waiting
            self.notify()

    def cancel(self) -> None:
        """From any thread: stop the work; its outcome no longer matters."""
        self.cancelled = True
        with contextlib.suppress(RuntimeError):
            self.thread.callbacks.post(self._stop)

    def _stop(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def result(self) -> T:
        try:
            if self.error is not None:
                raise self.error
            return self.value  # type: ignore[no-any-return]
        finally:
            self.error = None  # a traceback that holds its own frame is a cycle
