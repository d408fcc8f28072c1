"""`freerouter_waiting`: the custom event of a request that begins to wait for its turn."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackHandler,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.callbacks.manager import BaseRunManager, ahandle_event, handle_event
from langchain_core.runnables.config import var_child_runnable_config

from freerouter_core.events import Waiting
from freerouter_core.wire.request import WaitObserver

WAITING = "freerouter_waiting"
"""The name of the event. Its data has the fields of `freerouter_core.events.Waiting`."""
_SILENT = (BaseCallbackHandler.on_custom_event, AsyncCallbackHandler.on_custom_event)


def wait_observer(
    run: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
) -> WaitObserver | None:
    """What tells the callbacks of a run of its waits; None if none of them listens.

    `run`: None for a stream, of which LangChain does not tell its model the run. Then the event
    belongs to the chain or agent around it. Callbacks of an asynchronous call are called on its
    loop.
    """
    told: BaseRunManager | BaseCallbackManager | None = run
    run_id = None if run is None else run.run_id
    if run is None:
        around = (var_child_runnable_config.get() or {}).get("callbacks")
        told = around if isinstance(around, BaseCallbackManager) else None
        run_id = None if told is None else told.parent_run_id
    listeners = [] if told is None else [one for one in told.handlers if _listens(one)]
    if told is None or run_id is None or not listeners:
        return None
    names = "on_custom_event", "ignore_custom_event", WAITING
    about: dict[str, Any] = {"run_id": run_id, "tags": told.tags, "metadata": told.metadata}
    loop = None
    with contextlib.suppress(RuntimeError):  # it is a synchronous call
        loop = asyncio.get_running_loop()
    if isinstance(run, CallbackManagerForLLMRun) or loop is None:
        return lambda event: handle_event(listeners, *names, asdict(event), **about)

    def tell(event: Waiting) -> None:
        telling = ahandle_event(listeners, *names, asdict(event), **about)
        try:
            asyncio.run_coroutine_threadsafe(telling, loop)
        except RuntimeError:  # the loop was closed: nobody waits any more
            with contextlib.suppress(RuntimeError):
                telling.close()

    return tell


def _listens(handler: BaseCallbackHandler) -> bool:
    own = type(handler).on_custom_event not in _SILENT
    return own and not handler.ignore_custom_event
