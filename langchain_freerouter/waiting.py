"""`freerouter_waiting`: the custom event of a request that begins to wait for its turn."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    CallbackManagerForLLMRun,
)
from langchain_core.callbacks.manager import ahandle_event, handle_event

from freerouter_core.wire.request import WaitObserver

if TYPE_CHECKING:
    from freerouter_core.events import Waiting

WAITING = "freerouter_waiting"
"""The name of the event. Its data has the fields of `freerouter_core.events.Waiting`."""
_SILENT = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)


class WaitingRun(Protocol):
    """What is needed of a run: a `BaseRunManager`, or one that `streamed_runs` found."""

    run_id: UUID
    handlers: list[BaseCallbackHandler]
    tags: list[str]
    metadata: dict[str, Any]


def wait_observer(run: WaitingRun | None) -> WaitObserver | None:
    """What tells the callbacks of a run of its waits; None if none of them listens.

    Callbacks of an asynchronous call are called on its loop.
    """
    if run is None or not run.handlers:
        return None
    listeners = [one for one in run.handlers if listens(one)]
    if not listeners:
        return None
    names = "on_custom_event", "ignore_custom_event", WAITING
    about: dict[str, Any] = {"run_id": run.run_id, "tags": run.tags, "metadata": run.metadata}
    loop = None
    with contextlib.suppress(RuntimeError):  # it is a synchronous call
        loop = asyncio.get_running_loop()
    if getattr(run, "is_sync", isinstance(run, CallbackManagerForLLMRun)) or loop is None:
        return lambda event: handle_event(listeners, *names, asdict(event), **about)

    def tell(event: Waiting) -> None:
        telling = ahandle_event(listeners, *names, asdict(event), **about)
        try:
            asyncio.run_coroutine_threadsafe(telling, loop)
        except RuntimeError:  # the loop was closed: nobody waits any more
            with contextlib.suppress(RuntimeError):
                telling.close()

    return tell


def listens(handler: BaseCallbackHandler) -> bool:
    """Whether a callback has a use for custom events."""
    own = type(handler).on_custom_event not in _SILENT
    return own and not handler.ignore_custom_event
