"""`RowRun`: one try of one task, and what its end means for the task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import (
    AttemptRecord,
    AuthenticationFailed,
    BadSetting,
    CatalogueUnavailable,
    Exhausted,
    FreeRouterError,
)
from ...guards.base import ChatClient
from ...routing import steps as s
from ...routing.journal import Journal
from ...routing.plan import Outcome
from ...runtime.stream_output import Show
from ...wire.answer import Answer
from ...wire.fault import Cause, Kind
from ...wire.json_values import encode_json, parse_json
from ...wire.request import ChatRequest, Validator
from ..answer_cache.cached_run import CachedRun
from ..context import Context
from ..request_run import RequestRun
from .held import reason_of, waits_for
from .job_store import Claimed, Finished
from .result import pack_answer
from .row_problem import row_problem
from .rows import unpack

FATAL = (AuthenticationFailed, BadSetting)
"""Errors of the owner's settings: they end the job, and count against no row."""
NOT_THE_NETWORK = frozenset({Cause.PROTOCOL, Cause.OTHER})
"""Failures without a response that no lost network explains: such a try counts."""
MAX_TRAIL = 50
"""Attempts of a task that are kept."""
FIRST_PAUSE, PAUSE_FACTOR = 5.0, 6.0
"""Seconds until a task is tried again, and by what they grow: the fifth try is 20 minutes later."""
NO_ANSWER_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until a request that nobody could be asked is tried again: at first, and at most."""


@dataclass(kw_only=True)
class _WatchedJournal(Journal):
    """Tells when the request is first sent, and how long it waits before."""

    sent: Callable[[], None] | None = None
    waits: Callable[[s.Sleep], None] | None = None

    def add(self, at: float, what: s.Step | s.Event) -> None:
        super().add(at, what)
        if self.sent is not None and isinstance(what, s.Send):
            sent, self.sent = self.sent, None
            sent()
        elif self.waits is not None and isinstance(what, s.Sleep):
            self.waits(what)


class _WatchedRun(CachedRun):
    """A request that tells its row when it waits, and when it is sent."""

    def __init__(
        self, context: Context, client: ChatClient, request: ChatRequest, row: RowRun
    ) -> None:
        super().__init__(context, client, request)
        self.row = row
        self.journal = Journal(started=context.runtime.clock.now())

    async def _ask(self, request: ChatRequest, show: Show | None) -> Outcome:
        run = RequestRun(self.context, self.client, request, show)
        self.journal = run.journal = _WatchedJournal(
            started=run.journal.started,
            number=run.journal.number,
            sent=self.row.sent,
            waits=self.row.waits,
        )
        return await run.run()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEnd:
    """How a try ended.

    Attributes:
        finished: what the store is told. None: nobody was asked, so nothing happened.
        answered: whether there is an answer.
        seconds: from the first request sent to the end.
        requests: requests that were sent.
        tokens: of the prompt and the answer, where the provider counts them.
        wait: seconds after which it may be tried again, if nobody was asked.
        reached: whether a provider answered anything.
        error: what it ended with.
        blamed: whether it is the row that makes servers fail: they answer others.
    """

    finished: Finished | None
    answered: bool = False
    seconds: float = 0.0
    requests: int = 0
    tokens: int = 0
    wait: float = 0.0
    reached: bool = True
    error: FreeRouterError | None = None
    blamed: bool = False


class RowRun:
    """One task of a job under way.

    Args:
        claimed: the task.
        context: the router's configuration, for requests that nobody waits for.
        client: what guards may ask a model through.
        validate: the job's validator.
        attempts: tries of a task at most.
        on_sent: called when a try is first sent.
        on_wait: called when it stands in line.
    """

    def __init__(
        self,
        claimed: Claimed,
        context: Context,
        client: ChatClient,
        *,
        validate: Validator | None,
        attempts: int,
        on_sent: Callable[[RowRun], None],
        on_wait: Callable[[], None],
    ) -> None:
        self.claimed, self._context, self._client = claimed, context, client
        self._validate, self._attempts = validate, attempts
        self._on_sent, self._on_wait = on_sent, on_wait
        self.sent_at: float | None = None
        """When this try was first sent, unix seconds. None: it stands in line."""
        self.waits_until = 0.0
        """Until when it stands in line or rests, as far as that is known; unix seconds."""
        self.waits_for = ""
        """What it waits for, in words."""
        self.is_held = False
        """Whether it stands in line for a limit."""
        self.idle_tries = 0
        """How often in a row nobody could be asked."""

    @property
    def in_flight(self) -> bool:
        """Whether a request of this try was sent."""
        return self.sent_at is not None

    async def run(self) -> RowEnd:
        """Try it once. Raises `CancelledError` if the job is stopped."""
        clock = self._context.runtime.clock
        self.sent_at, self.is_held = None, False
        request = unpack(parse_json(self.claimed.input))
        if self._validate is not None:
            request = request.but(validate=self._validate)
        run = _WatchedRun(self._context, self._client, request, self)
        try:
            outcome = await run()
        except asyncio.CancelledError:
            raise
        except FreeRouterError as error:
            return self._failed(error, run.journal, clock.now())
        return self._answered(outcome, clock.now())

    def waits(self, sleep: s.Sleep) -> None:
        """This try waits."""
        self.waits_until, self.is_held = sleep.until, sleep.scope is not None
        wait = sleep.wait
        self.waits_for = "" if wait is None else waits_for(self._context, wait.reason, sleep.scope)
        self._on_wait()

    def sent(self) -> None:
        """A request of this try is being sent."""
        self.sent_at, self.idle_tries = self._context.runtime.clock.now(), 0
        self.is_held = False
        self._on_sent(self)

    def _answered(self, outcome: Outcome, now: float) -> RowEnd:
        answer, metadata = outcome.answer, outcome.metadata
        attempts = metadata.pop("attempts")  # they are kept apart, for all tries
        at = round(self._context.runtime.clock.wall(), 3)
        record = {"answer": pack_answer(answer), "metadata": metadata, "at": at}
        started = now if self.sent_at is None else self.sent_at
        return RowEnd(
            finished=Finished(
                task=self.claimed.task,
                state="done",
                record=_json(record),
                text=answer.text,
                model=answer.model,
                provider=outcome.provider,
                usage=_json(answer.usage) if answer.usage else "",
                trail=self._trail(attempts),
                tries=self.claimed.tries + 1,
            ),
            answered=True,
            seconds=now - started,
            requests=len(attempts),
            tokens=_tokens(answer),
        )

    def _failed(self, error: FreeRouterError, journal: Journal, now: float) -> RowEnd:
        attempts = journal.attempts
        reached = any(attempt["status"] is not None for attempt in attempts) or any(
            fault.cause in NOT_THE_NETWORK for _, fault in journal.failures
        )
        retry_after = getattr(error, "retry_after", None)
        if isinstance(error, FATAL) or not _is_of_the_row(error, journal, reached=reached):
            self.idle_tries += 1
            reason = reason_of(error)
            self.waits_for = waits_for(self._context, reason, None) if reason else ""
            pause = min(LONGEST_PAUSE, NO_ANSWER_PAUSE * 2.0 ** min(10, self.idle_tries - 1))
            return RowEnd(
                finished=None,
                wait=pause if retry_after is None else max(retry_after, 0.1),
                reached=reached or not (attempts or isinstance(error, CatalogueUnavailable)),
                requests=len(attempts),
                error=error,
            )
        tries = self.claimed.tries + 1
        state: Literal["failed", "open"] = "open"
        if tries >= self._attempts or not (error.should_retry or isinstance(error, Exhausted)):
            state = "failed"
        pause = max(FIRST_PAUSE * PAUSE_FACTOR ** (tries - 1), retry_after or 0.0)
        problem = row_problem(error)
        record = {"error": problem, "error_type": type(error).__name__}
        return RowEnd(
            finished=Finished(
                task=self.claimed.task,
                state=state,
                record=_json(record),
                provider=attempts[-1]["provider"] if attempts else "",
                trail=self._trail(attempts),
                error=problem,
                tries=tries,
                due=now + pause,
            ),
            requests=len(attempts),
            reached=reached or not attempts,
            error=error,
            blamed=journal.blamed,
        )

    def _trail(self, attempts: list[AttemptRecord]) -> str:
        earlier: list[Any] = parse_json(self.claimed.trail) if self.claimed.trail else []
        return _json([*earlier, *attempts][-MAX_TRAIL:])


def _is_of_the_row(error: FreeRouterError, journal: Journal, *, reached: bool) -> bool:
    """Whether a failure counts as a try. What says nothing of the request does not: nobody could be
    asked, no provider was reached, or only limits of accounts refused."""
    if isinstance(error, CatalogueUnavailable):
        return False
    if not journal.tries:
        return not (error.should_retry or isinstance(error, Exhausted))
    faults = [fault for _, fault in journal.failures]
    limited = bool(faults) and all(
        fault.kind is Kind.ACCOUNT or fault.effect.limit == "account" for fault in faults
    )
    return reached and not limited


def _tokens(answer: Answer) -> int:
    total = (answer.usage or {}).get("total_tokens")
    return total if isinstance(total, int) else 0


def _json(value: object) -> str:
    return encode_json(value).decode()
