"""`EventBus`: counts events and delivers them to observers."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from ..events import Event, Observer, counted, log, write
from .loop.bridge import new_thread_event
from .loop.os_threads import new_lock, new_queue, start_thread

E = TypeVar("E", bound=Event)
MAX_PENDING = 10_000
"""Events that wait for slow observers. Further ones are dropped, and counted."""
PAUSE = 0.02
"""Seconds between two deliveries. A thread that woke for each event would take the interpreter from
the loop as often."""
MAX_NAMES = 3_000
"""Different names that are counted. Callers may name any model, so this must be bounded."""
_PER_MODEL = ("asked:", "failed:")

_Item = tuple[Event, contextvars.Context] | Callable[[], object] | None
"""An event with the context of its call, a callback, or the end of the queue."""


class EventBus:
    """Delivers every event to all observers, in order, on one thread of its own.

    The thread starts with the first event that somebody observes.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._observers: tuple[Observer, ...] = ()
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Item] | None = None
        self._delivery_thread = 0
        self._in_pause = new_lock()
        """Held, but for a moment: what releases it ends a pause."""
        self._in_pause.acquire()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Add an observer. Returns a function that removes it."""
        with self._lock:
            self._observers = (*self._observers, observer)

        def unsubscribe() -> None:
            with self._lock:
                others = (other for other in self._observers if other is not observer)
                self._observers = tuple(others)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Log and count an event, and queue it for the observers."""
        write(event)
        with self._lock:  # kept answers are handed out on any thread
            counts = self.counts
            for name, n in counted(event).items():
                if name in counts or len(counts) < MAX_NAMES or not name.startswith(_PER_MODEL):
                    counts[name] += n
        if self._observers:
            self._enqueue((event, contextvars.copy_context()))

    def tell(self, observer: Callable[[E], object], event: E, then: Callable[[], object]) -> None:
        """Queue an event for this observer alone. `then` ends it, told or dropped."""
        told = partial(contextvars.copy_context().run, _tell, observer, event)
        if not self._enqueue(lambda: (told(), then())):
            then()

    def flush(self, timeout: float) -> None:
        """Wait until all events so far are delivered, at most `timeout` seconds.

        An observer that calls this does not wait: it would wait for itself.
        """
        if self._queue is not None:
            self._wait_delivered(self._queue, timeout)

    def close(self, timeout: float = 0.0) -> None:
        """End the thread after the events so far. Wait for that at most `timeout` seconds."""
        queue, self._queue = self._queue, None
        if queue is not None:
            if timeout:
                self._wait_delivered(queue, timeout)
            queue.put(None)
            self._end_pause()

    def reset_after_fork(self) -> None:
        """In a child process: the delivery thread exists only in the parent."""
        self._queue = None
        self._lock = threading.Lock()
        self._in_pause = new_lock()
        self._in_pause.acquire()

    def _end_pause(self) -> None:
        with contextlib.suppress(RuntimeError):  # somebody else has just ended it
            self._in_pause.release()

    def _enqueue(self, item: _Item) -> bool:
        queue = self._queue
        if queue is None:
            queue = self._queue = new_queue()
            start_thread(lambda: self._deliver(queue), "freerouter-events")
        if queue.qsize() < MAX_PENDING:
            queue.put(item)
            return True
        if not self.counts["events_dropped"]:
            log.warning("an observer is too slow: events are dropped")
        self.counts["events_dropped"] += 1
        return False

    def _wait_delivered(self, queue: SimpleQueue[_Item], timeout: float) -> None:
        if threading.get_ident() != self._delivery_thread:
            delivered = new_thread_event()
            queue.put(delivered.set)
            self._end_pause()
            delivered.wait(timeout)

    def _deliver(self, queue: SimpleQueue[_Item]) -> None:
        self._delivery_thread = threading.get_ident()
        while (item := queue.get()) is not None:
            if callable(item):
                item()
                continue
            event, context = item
            for observer in self._observers:
                context.run(_tell, observer, event)
            if queue.empty():
                self._in_pause.acquire(timeout=PAUSE)


def _tell(observer: Callable[[E], object], event: E) -> None:
    try:
        observer(event)
    except BaseException:  # whatever it is, the other observers must get the event
        log.exception("an observer failed")
