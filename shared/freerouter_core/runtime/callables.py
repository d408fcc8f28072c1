"""Runs callables of the user's on threads of their own: guards, validators and strategies."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from typing import TypeVar

from .loop.bridge import CallbackQueue
from .loop.clock import Clock
from .loop.os_threads import start_thread

T = TypeVar("T")
MAX_MESSAGE = 500
"""Characters kept of an exception's message."""


class CallableFailed(Exception):
    """A user callable raised. Carries only the message: the exception stays on its own thread.

    `rejected`: it raised ValueError or AssertionError, which is how a validator rejects an answer.
    Anything else is a bug in the callable.
    """

    def __init__(self, message: str, rejected: bool) -> None:
        super().__init__(message)
        self.rejected = rejected


async def run_on_thread(call: Callable[[], T], callbacks: CallbackQueue, clock: Clock) -> T:
    """Run `call` on a new thread, in the caller's context. Raises `CallableFailed` if it raises.

    `callbacks` is the queue of the running loop. The callable may block, or call a model itself.
    Cancelling the caller does not stop the thread; its outcome is then dropped. No time of `clock`
    passes before the thread has begun, however busy the machine is.
    """
    # The outcome crosses as a value: StopIteration, say, cannot be set as a future's exception.
    future: asyncio.Future[tuple[list[T], BaseException | None]]
    future = asyncio.get_running_loop().create_future()
    context, time = contextvars.copy_context(), contextlib.ExitStack()

    def begin() -> None:
        if not future.done():
            time.close()
            time.enter_context(clock.held())

    def settle(outcome: tuple[list[T], BaseException | None]) -> None:
        if not future.done():
            future.set_result(outcome)

    def work() -> None:
        outcome: tuple[list[T], BaseException | None]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            callbacks.post(begin)
        try:
            outcome = ([context.run(call)], None)
        except BaseException as error:  # whatever it is, the request must learn of it
            outcome = ([], error)
        with contextlib.suppress(RuntimeError):  # as above
            callbacks.post(settle, outcome)

    with time:
        time.enter_context(clock.stopped())
        start_thread(work, "freerouter-callable")
        values, error = await future
    if error is not None:
        message = f"{type(error).__name__}: {error}"[:MAX_MESSAGE]
        raise CallableFailed(message, isinstance(error, (ValueError, AssertionError))) from None
    return values[0]
