"""Real threads, queues, selectors and executors, even where gevent has replaced them with greenlets.

The runtime's event loop needs a thread of the system: a greenlet would stop whenever its hub is busy elsewhere.
"""

from __future__ import annotations

import asyncio
import queue
import selectors
import sys
import threading
from collections.abc import Callable
from typing import Any


def gevent_patched() -> bool:
    """Whether gevent has replaced threads in this process."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def original(module: str, name: str) -> Any:
    """What `module.name` was before gevent came."""
    return sys.modules["gevent.monkey"].get_original(module, name)


def start_thread(target: Callable[[], None], name: str) -> threading.Thread | None:
    """Start a daemonic thread of the system; under gevent there is no object for it."""
    if gevent_patched():
        original("_thread", "start_new_thread")(target, ())
        return None
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def new_queue() -> Any:
    """A queue whose `get` blocks a real thread."""
    return original("queue", "SimpleQueue")() if gevent_patched() else queue.SimpleQueue()


def new_lock() -> Any:
    """A lock that holds real threads."""
    return original("_thread", "allocate_lock")() if gevent_patched() else threading.Lock()


def new_selector() -> selectors.BaseSelector:
    """The platform's best selector."""
    if gevent_patched():
        kind = type(
            "NativePollSelector",
            (selectors.PollSelector,),
            {"_selector_cls": original("select", "poll")},
        )
        return kind()  # type: ignore[no-any-return]
    return selectors.DefaultSelector()


class NativeLoop(asyncio.SelectorEventLoop):
    """An event loop that needs nothing of gevent's: name look-ups, too, run on threads of the system."""

    def __init__(self, selector: Any = None) -> None:
        super().__init__(selector or new_selector())

    def run_in_executor(  # type: ignore[override]  # typeshed spells the arguments as a TypeVarTuple
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        if executor is not None or not gevent_patched():
            return super().run_in_executor(executor, func, *args)
        future: asyncio.Future[Any] = self.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)

        def work() -> None:
            try:
                value, error = func(*args), None
            except Exception as caught:
                value, error = None, caught
            self.call_soon_threadsafe(settle, value, error)

        start_thread(work, "freerouter-lookup")
        return future
