"""What carries work between callers' threads and loops and the runtime's own loop.

A plain thread waits on a lock, which Ctrl-C interrupts. An event loop awaits a future, and many
futures are resolved in one wake-up. A greenlet waits on gevent's hub, so that others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary, ref

from ...events import log
from .os_threads import gevent_patched

T = TypeVar("T")
Args = TypeVarTuple("Args")


class CallbackQueue:
    """Runs callbacks on a loop, from any thread. One wake-up of the loop serves many callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # weak: `_queues` maps loops to queues and must not keep the loops
        self._queue: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._scheduled = False

    def post(self, call: Callable[[*Args], object], *args: *Args) -> None:
        """Queue a call. Raises RuntimeError if the loop is closed."""
        self._queue.append((call, args))
        if not self._scheduled:
            self._scheduled = True
            loop = self._loop()
            try:
                if loop is None:
                    raise RuntimeError("the event loop is gone")
                loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                self._scheduled = False
                raise

    def _drain(self) -> None:
        self._scheduled = False
        while self._queue:
            call, args = self._queue.popleft()
            try:
                call(*args)
            except Exception:  # one caller's error must not keep the others waiting
                log.exception("a callback across threads failed")


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, CallbackQueue] = WeakKeyDictionary()


def callback_queue_of(loop: asyncio.AbstractEventLoop) -> CallbackQueue:
    """The queue of a caller's loop. Called on that loop's thread."""
    callbacks = _queues.get(loop)
    if callbacks is None:
        callbacks = _queues[loop] = CallbackQueue(loop)
    return callbacks


class ThreadEvent(Protocol):
    """Set on the runtime's thread, awaited on the caller's. A wait that succeeds clears it."""

    def set(self) -> None:
        """Wake the waiting thread. Setting it again before that changes nothing."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds. Whether it was set."""


class _LockEvent:
    """A lock instead of `threading.Event`: Ctrl-C interrupts it, and it costs less."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # two threads set it at once
                return

    def wait(self, timeout: float | None = None) -> bool:
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)


class _GeventEvent:
    """Waits on the caller's hub, so others run. Set through the hub's thread-safe watcher."""

    def __init__(self) -> None:
        import gevent  # type: ignore[import-untyped, unused-ignore]  # gevent may be missing
        import gevent.event  # type: ignore[import-untyped, unused-ignore]  # as above

        self._event = gevent.event.Event()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._event.set)

    def set(self) -> None:
        self._watcher.send()

    def wait(self, timeout: float | None = None) -> bool:
        is_set = bool(self._event.wait(timeout))
        self._event.clear()
        return is_set

    def __del__(self) -> None:
        self._watcher.stop()
        self._watcher.close()


def new_thread_event() -> ThreadEvent:
    """An event for the calling thread, or greenlet, to wait on."""
    return _GeventEvent() if gevent_patched() else _LockEvent()


MAX_UNREAD = 32_768
"""The size of items that a consumer has not read yet, from which on `drain` waits for it."""


class StreamBuffer(Generic[T]):
    """Items from the runtime's loop to one consumer, in batches.

    It is called with each item. Whoever calls it awaits `drain` now and then, so that a slow
    consumer slows down where the items come from. `wake` is called when there is news. `post` runs
    a call on the runtime's loop.
    """

    def __init__(
        self, wake: Callable[[], None], post: Callable[[Callable[[], object]], None]
    ) -> None:
        self._items: deque[T] = deque()
        self._wake, self._post = wake, post
        self._ended = False
        self._put_size = 0
        """Of all items put. Written by the producer only, `_taken_size` by the consumer only."""
        self._taken_size = 0
        self._room: asyncio.Future[None] | None = None
        """Resolved when there is room, while the producer waits for it."""

    def __call__(self, item: T) -> None:
        """Add an item and wake the consumer."""
        self._put_size += getattr(item, "size", 1)
        self._items.append(item)
        self._wake()

    def end(self) -> None:
        """No item follows."""
        self._ended = True
        self._wake()

    @property
    def is_full(self) -> bool:
        """Whether the consumer is far behind."""
        return self._put_size - self._taken_size > MAX_UNREAD

    async def drain(self) -> None:
        """Wait until the consumer has caught up. On the runtime's loop."""
        while self.is_full:
            self._room = asyncio.get_running_loop().create_future()
            if self.is_full:
                await self._room

    @property
    def has_news(self) -> bool:
        """Whether `take` would return anything, or the end."""
        return bool(self._items) or self._ended

    def take(self) -> tuple[list[T], bool]:
        """(the items so far, whether they are the last)."""
        ended = self._ended  # read first: items put before the end are then all here
        items: list[T] = []
        size = 0
        while self._items:
            items.append(self._items.popleft())
            size += getattr(items[-1], "size", 1)
        self._taken_size += size
        if size and self._room is not None:
            with contextlib.suppress(RuntimeError):  # the runtime's loop is closed
                self._post(self._make_room)
        return items, ended

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
