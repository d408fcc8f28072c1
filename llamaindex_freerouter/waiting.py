"""`WaitingEvent`: the instrumentation event of a request that begins to wait for its turn."""

from __future__ import annotations

from dataclasses import asdict

import llama_index_instrumentation as instrumentation
from llama_index.core.instrumentation.events import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler

from freerouter_core.events import Waiting
from freerouter_core.wire.request import WaitObserver

dispatcher = instrumentation.get_dispatcher(__name__)


class WaitingEvent(BaseEvent):
    """A request begins to wait, because no model can be asked now.

    Attributes:
        seconds: how long it is expected to wait.
        until: when that ends, in unix seconds.
        reason: what it waits for, in words.
        before: how many requests stand before it in the line.
        number: the request's place among the requests of the process, from 1.
    """

    seconds: float
    until: float
    reason: str
    before: int
    number: int

    @classmethod
    def class_name(cls) -> str:
        return "FreeRouterWaitingEvent"


def wait_observer() -> WaitObserver | None:
    """What dispatches the waits of a request; None if no event handler is attached."""
    return _tell if _anybody_listens(dispatcher) else None


def _tell(event: Waiting) -> None:
    dispatcher.event(WaitingEvent(**asdict(event)))


def _anybody_listens(one: Dispatcher | None) -> bool:
    while one is not None:
        if not all(isinstance(handler, NullEventHandler) for handler in one.event_handlers):
            return True
        one = one.parent if one.propagate else None
    return False
