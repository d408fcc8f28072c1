"""Faults that are planted in the core, to show that the checker finds what breaks a law."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from freerouter_core.catalogue import parse
from freerouter_core.client.request_run import RequestRun
from freerouter_core.routing import window
from freerouter_core.runtime.attempt_tasks import AttemptTasks
from freerouter_core.runtime.ledger.leases import HeldLeases
from freerouter_core.runtime.ledger.ledger import Ledger
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.stream_output import StreamOutput
from freerouter_core.wire.account_secrets import Secrets


def _no(real: Any) -> Any:
    """Nothing, in the place of something that matters."""
    return lambda *args, **kwargs: None


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _settle_unless_cancelled(real: Any) -> Any:
    def settle(self: Ledger, *args: Any, **kwargs: Any) -> None:
        if not _cancelled():
            real(self, *args, **kwargs)

    return settle


def _twice(real: Any) -> Any:
    def twice(self: Any, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        real(self, *args, **kwargs)

    return twice


@dataclass(frozen=True, slots=True)
class Plant:
    """One fault: what takes the place of what, and the law that is broken by it."""

    law: str
    owner: Any
    name: str
    made: Callable[[Any], Any]
    """Makes the fault, given the real thing."""
    seed: int
    """A run that shows it. Others do, too: the core may change, and with it each run."""

    def __post_init__(self) -> None:
        if not hasattr(self.owner, self.name):
            raise AttributeError(f"{self.owner.__name__} has no {self.name}: plant it elsewhere")

    @contextmanager
    def planted(self) -> Iterator[None]:
        real = getattr(self.owner, self.name)
        setattr(self.owner, self.name, self.made(real))
        try:
            yield
        finally:
            setattr(self.owner, self.name, real)


_LIMIT, _LEASE = "a limit is exceeded", "a lease is left"
PLANTS: dict[str, Plant] = {
    "windows without a margin": Plant(_LIMIT, window, "MARGIN", lambda real: -5.0, 2),
    "a store that forgets": Plant(
        _LIMIT, window.Window, "of", lambda real: lambda *_: window.Window(), 3
    ),
    "no grant is settled on cancel": Plant(_LEASE, Ledger, "settle", _settle_unless_cancelled, 3),
    "leases that are held for ever": Plant(_LEASE, HeldLeases, "release", _no, 1),
    "no news of attempts": Plant("every caller is told in time", AttemptTasks, "_wake", _no, 0),
    "notes that are lost": Plant("a stated wait is kept", StateSync, "_apply", _no, 56),
    "each delta twice": Plant("an answer is told once", StreamOutput, "_put", _twice, 0),
    "each end twice": Plant("a request ends once", RequestRun, "_emit_answered", _twice, 0),
    "keys in messages": Plant(
        "a key is outside", Secrets, "out_of", lambda real: lambda _, text: text, 7
    ),
    "prices that nobody reads": Plant(
        "something is charged", parse, "is_free", lambda real: lambda *_, **__: True, 0
    ),
}
