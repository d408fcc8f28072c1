"""`traced`: each attempt of a request as a run of its own, below the model's run.

Tracers such as LangSmith's show which models were asked, how each failed, and how long it waited.
Only tracers get these runs: other callbacks see one call of one model, which is all they asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, CallbackManager

import freerouter_core
from freerouter_core.errors import FreeRouterError

if TYPE_CHECKING:
    from freerouter_core.events import AttemptTrace


class AttemptFailed(Exception):
    """How an attempt failed, for its run. It is never raised."""


class Run(Protocol):
    """What is needed of a run: a `BaseRunManager`, or one that `streamed_runs` found."""

    run_id: UUID
    handlers: list[BaseCallbackHandler]


class traced:  # noqa: N801  # used as a function
    """Show the attempts of a request below its run, once it has ended, if somebody traces.

    `with` gives what is told the outcome, and returns it. A failed request tells it by its error.
    A class, because every call enters it: a generator would cost three times as much.
    """

    def __init__(self, run: Run | None) -> None:
        self._run = run
        self._tracers = [] if run is None else tracers_of(run.handlers)

    def __enter__(self) -> Callable[[freerouter_core.Outcome], freerouter_core.Outcome]:
        return self._end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if not isinstance(error, FreeRouterError):
            return
        from freerouter_core.events import RequestTrace

        if isinstance(error.trace, RequestTrace):
            self._show(error.trace.at, error.trace.tries)

    def _end(self, outcome: freerouter_core.Outcome) -> freerouter_core.Outcome:
        if outcome.cached is None:
            self._show(outcome.journal.started, outcome.journal.tries)
        return outcome

    def _show(self, began: float, tries: Sequence[AttemptTrace]) -> None:
        if self._run is not None and self._tracers:
            _show(self._run, self._tracers, began, tries)


def _show(
    run: Run,
    tracers: list[BaseCallbackHandler],
    began: float,
    tries: Sequence[AttemptTrace],
) -> None:
    ended = began
    for attempt in sorted(tries, key=lambda attempt: attempt.number):
        details = _details(attempt, waited=max(0.0, attempt.at - ended))
        ended = max(ended, attempt.at + attempt.seconds)
        manager = CallbackManager(handlers=tracers, parent_run_id=run.run_id, metadata=details)
        child = manager.on_chain_start(
            {"name": "attempt"}, {"model": attempt.model}, name=f"attempt {attempt.number}"
        )
        if attempt.fault is None:
            child.on_chain_end(details)
        else:
            words = [attempt.fault, attempt.cause, str(attempt.status or "")]
            child.on_chain_error(AttemptFailed(" ".join(filter(None, words))))


def _details(attempt: AttemptTrace, waited: float) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "model": attempt.model,
        "upstream_provider": attempt.provider,
        "fault": attempt.fault,
        "cause": attempt.cause,
        "status": attempt.status,
        "hedge": attempt.hedge,
        "sent_at": datetime.fromtimestamp(attempt.at, UTC).isoformat(),
        "seconds": round(attempt.seconds, 4),
        "waited": round(waited, 4),
    }


def tracers_of(handlers: Sequence[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    """The callbacks that trace."""
    module = sys.modules.get("langchain_core.tracers.base")  # not loaded: nobody traces
    if module is None or not handlers:
        return []
    return [handler for handler in handlers if isinstance(handler, module.BaseTracer)]
