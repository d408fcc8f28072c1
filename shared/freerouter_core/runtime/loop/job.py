"""`LoopThread`: the runtime's loop and what dies with it. `Job`: one caller's work on that loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterable, Set
from typing import Any, Generic, TypeVar

from ...errors import FreeRouterError
from ..http.transport import Transport
from .bridge import CallbackQueue, ThreadEvent, new_thread_event
from .clock import Clock

T = TypeVar("T")
AsyncCall = Coroutine[Any, Any, T]
"""A coroutine. Only its result matters."""
Work = Callable[[], AsyncCall[T]]
"""A function that makes one, called on the runtime's loop."""
CANCEL_ROUNDS = 3
"""How often tasks are cancelled at the end: a cancelled task may start another."""


class LoopThread:
    """The loop and what belongs to it. Dropped as a whole after a fork."""

    def __init__(self, clock: Clock) -> None:
        self.active_jobs = 0
        self.loop = clock.new_event_loop(lambda: self.active_jobs > 0)
        self.callbacks = CallbackQueue(self.loop)
        self.transports: dict[int, Transport] = {}
        """By the `id` of the httpx client they send through."""
        self.ident = 0
        self.shutdown_hooks: list[Work[None]] = []
        """Run on the loop before it ends."""
        self.shutdown_tasks: list[set[asyncio.Task[object]]] = []
        """Tasks that those hooks wait for."""
        self.started = new_thread_event()
        self.os_thread: threading.Thread | None = None
        """What runs it. None before it starts, and under gevent, which has no object for it."""
        self.ended: ThreadEvent | None = None
        self.of_parent = False
        """Whether a fork left it behind: it runs in the parent process only."""

    def run(self) -> None:
        """The thread's body: run the loop until it is stopped, then shut down."""
        self.ident = threading.get_ident()
        self.loop.call_soon(self.started.set)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self._shutdown())
            self.loop.close()
            if self.ended is not None:
                self.ended.set()

    def end(self, timeout: float) -> None:
        """Stop the loop, and wait at most `timeout` seconds until the thread is gone."""
        self.ended = new_thread_event()
        with contextlib.suppress(RuntimeError):  # it has ended, or it is the thread that asks
            self.loop.call_soon_threadsafe(self.loop.stop)
            if self.os_thread is not None:  # the event alone would come a moment before its end
                self.os_thread.join(timeout)
            else:
                self.ended.wait(timeout)

    async def _shutdown(self) -> None:
        # Requests give back what they took before the hooks tell the store and close it.
        await self._cancel_tasks(self.shutdown_tasks)
        for hook in self.shutdown_hooks:
            with contextlib.suppress(Exception):
                await hook()
        await self._cancel_tasks()
        for transport in self.transports.values():
            await transport.close()
        await self.loop.shutdown_asyncgens()
        await self._cancel_tasks()  # closing a response may leave a task that ends its generator

    async def _cancel_tasks(self, but: Iterable[Set[asyncio.Task[object]]] = ()) -> None:
        for _ in range(CANCEL_ROUNDS):
            others = asyncio.all_tasks().difference(*but)
            tasks = [task for task in others if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Job(Generic[T]):
    """One caller's work on the runtime's loop: how it ended, and how to stop it.

    `notify` is called on the runtime's thread when the work has ended. `serves`: the work is a
    server; while it only waits, the loop has nothing to do.
    """

    __slots__ = (
        "cancelled",
        "context",
        "done",
        "error",
        "notify",
        "serves",
        "task",
        "thread",
        "value",
        "work",
    )

    def __init__(
        self,
        thread: LoopThread,
        work: Work[T],
        notify: Callable[[], None],
        *,
        serves: bool = False,
    ) -> None:
        self.thread, self.work, self.notify, self.serves = thread, work, notify, serves
        self.context = contextvars.copy_context()
        self.task: asyncio.Task[None] | None = None
        self.done = self.cancelled = False
        self.value: T
        self.error: BaseException | None = None

    def begin(self) -> None:
        """Start the work, in the caller's context. On the runtime's loop."""
        if self.cancelled:
            return
        self.thread.active_jobs += not self.serves
        self.task = self.thread.loop.create_task(self._run(), context=self.context)
        self.task.add_done_callback(self._failed)

    async def _run(self) -> None:
        """The work. Success is told here: a task's callback would take the loop one more round."""
        self.value = await self.work()
        if self.task is not None:
            self.task.remove_done_callback(self._failed)
        self._end()

    def _failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.error = task.exception()
        elif not self.cancelled:
            self.error = FreeRouterError("the runtime was closed", should_retry=True)
        self._end()

    def _end(self) -> None:
        self.thread.active_jobs -= not self.serves
        self.done = True
        self.task = None
        try:
            self.notify()
        except RuntimeError:  # the caller's loop is closed: nobody waits
            return

    def cancel(self) -> None:
        """Stop the work, from any thread. Its outcome no longer matters."""
        self.cancelled = True
        with contextlib.suppress(RuntimeError):  # the runtime's loop is closed: all is stopped
            self.thread.callbacks.post(self._stop)

    def _stop(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def result(self) -> T:
        """What the work returned. Raises what it raised."""
        try:
            if self.error is not None:
                raise self.error
            return self.value
        finally:
            self.error = None  # a traceback that holds its own frame is a cycle
