"""Threads, queues, locks and selectors of the operating system, even under gevent.

gevent replaces them with greenlets. The runtime's loop needs a real thread: a greenlet would stop
whenever its hub is busy elsewhere.
"""

from __future__ import annotations

import asyncio
import math
import queue
import selectors
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from .watchdog import Watchdog, WatchedSelector

T = TypeVar("T")
Args = TypeVarTuple("Args")


def gevent_patched() -> bool:
    """Whether gevent has replaced threads in this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _original(module: str, name: str) -> Any:
    """What `module.name` was before gevent replaced it."""
    return sys.modules["gevent.monkey"].get_original(module, name)


def start_thread(target: Callable[[], None], name: str) -> threading.Thread | None:
    """Start a daemon thread. None under gevent, which has no object for it."""
    if gevent_patched():
        _original("_thread", "start_new_thread")(target, ())
        return None
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def new_queue() -> queue.SimpleQueue[Any]:
    """A queue whose `get` blocks a real thread."""
    if gevent_patched():
        return _original("queue", "SimpleQueue")()  # type: ignore[no-any-return]  # untyped
    return queue.SimpleQueue()


def new_lock() -> threading.Lock:
    """A lock that blocks real threads."""
    if gevent_patched():
        return _original("_thread", "allocate_lock")()  # type: ignore[no-any-return]  # as above
    return threading.Lock()


def new_selector() -> selectors.BaseSelector:
    """The platform's best selector."""
    if gevent_patched():
        kind = type(
            "NativePollSelector",
            (selectors.PollSelector,),
            {"_selector_cls": _original("select", "poll")},
        )
        return kind()  # type: ignore[no-any-return]  # made by `type`, so mypy knows no class
    return selectors.DefaultSelector()


class NativeLoop(asyncio.SelectorEventLoop):
    """An event loop that uses nothing of gevent's, and that is watched.

    Name lookups run on real threads too. `longest_wait`: seconds after which it looks at the time
    again while it waits for a timer. `selector`: a selector of its own, which is not watched.
    """

    def __init__(
        self, selector: selectors.BaseSelector | None = None, longest_wait: float = math.inf
    ) -> None:
        self.watchdog = Watchdog()
        if selector is None:
            selector = WatchedSelector(new_selector(), self.watchdog, longest_wait)
        super().__init__(selector)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Args], T], *args: *Args
    ) -> asyncio.Future[T]:
        if executor is not None or not gevent_patched():
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[T] = self.create_future()

        def resolve(value: T) -> None:
            if not future.done():
                future.set_result(value)

        def fail(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        def work() -> None:
            try:
                value = func(*args)
            except Exception as error:
                self.call_soon_threadsafe(fail, error)
            else:
                self.call_soon_threadsafe(resolve, value)

        start_thread(work, "freerouter-lookup")
        return future
