"""Crossing between callers' threads and loops and the runtime's own, in every kind of caller.

Plain threads wait on a lock, which Ctrl-C interrupts. Event loops await a future that is set from across, many in one
wake-up. Greenlets (gevent with threads patched) wait on their hub, so that the others go on.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

from ...events import log
from .os_threads import gevent_patched

T = TypeVar("T")


class CallbackQueue:
    """Runs callbacks on a loop from any thread, waking it once for many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # weakly: callback queues are kept by loop, and must not keep it
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._armed = False

    def post(self, call: Callable[..., object], *args: Any) -> None:
        """Queue a call. Raises RuntimeError when the loop is closed."""
        self._queue.append((call, args))
        if not self._armed:
            self._armed = True
            loop = self._loop()
            try:
                if loop is None:
                    raise RuntimeError("the event loop is gone")
                loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                self._armed = False
                raise

    def _drain(self) -> None:
        self._armed = False
        while self._queue:
            call, args = self._queue.popleft()
            try:
                call(*args)
            except Exception:  # one caller's trouble must not keep the others waiting
                log.exception("a callback across threads failed")


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, CallbackQueue] = WeakKeyDictionary()


def callback_queue_of(loop: asyncio.AbstractEventLoop) -> CallbackQueue:
    """The callbacks of a caller's loop, made on that loop's own thread."""
    callbacks = _queues.get(loop)
    if callbacks is None:
        callbacks = _queues[loop] = CallbackQueue(loop)
    return callbacks


class ThreadEvent(Protocol):
    """Rung once or more on the runtime's thread; waited for on the caller's."""

    def set(self) -> None: ...

    def wait(self, timeout: float | None = None) -> bool: ...


class _LockEvent:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # rung twice at once: once is enough
                return

    def wait(self, timeout: float | None = None) -> bool:
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)


class _GeventEvent:
    """Waits by giving way to the caller's hub; rung through that hub's own thread-safe watcher."""

    def __init__(self) -> None:
        import gevent  # type: ignore[import-untyped, unused-ignore]
        import gevent.event  # type: ignore[import-untyped, unused-ignore]

        self._event = gevent.event.Event()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._event.set)

    def set(self) -> None:
        self._watcher.send()

    def wait(self, timeout: float | None = None) -> bool:
        rung = bool(self._event.wait(timeout))
        self._event.clear()
        return rung

    def __del__(self) -> None:
        self._watcher.stop()
        self._watcher.close()


def new_thread_event() -> ThreadEvent:
    return _GeventEvent() if gevent_patched() else _LockEvent()


_END = object()


class StreamBuffer(Generic[T]):
    """Items from the runtime's loop to one consumer, in batches. It holds whatever was not yet taken: a slow consumer is no
    stall, and an answer is small."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._items: deque[Any] = deque()
        self._wake = wake

    def put(self, item: T) -> None:
        self._items.append(item)
        self._wake()

    def end(self) -> None:
        self._items.append(_END)
        self._wake()

    @property
    def empty(self) -> bool:
        return not self._items

    def take(self) -> tuple[list[T], bool]:
        """(items so far, whether that was all)."""
        items: list[T] = []
        while self._items:
            item = self._items[0]
            if item is _END:
                if items:
                    return items, False
                return items, True
            items.append(self._items.popleft())
        return items, False
