"""`AttemptTasks`: the attempts of one request that are under way, each in a task of its own."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..catalogue.providers import Account
from ..events import Charged, Event, log
from ..routing import steps as s
from ..routing.charges import Grant
from ..routing.plan import Outcome, Plan
from ..wire.delta import Delta
from ..wire.fault import Cause, Fault, Kind
from ..wire.judge import judge_transport
from ..wire.redact import redact
from .attempt import AttemptRun, Rejected
from .http.transport import Transport, TransportFailed
from .ledger import Ledger
from .loop.clock import Clock
from .stream_output import StreamOutput

FIRST_TOKEN_LIMIT = 300.0
"""Seconds without any token after which a stream is given up, even if the caller has no timeout."""


class AttemptTasks:
    """Starts, watches and cancels attempts, and settles their grants when they end.

    Attempts post what happens to them to one inbox; `next_event` takes it out in order.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        ledger: Ledger,
        clock: Clock,
        output: StreamOutput,
        transport_of: Callable[[Account], Transport],
        emit: Callable[[Event], None],
    ) -> None:
        self._emit = emit
        self._plan, self._ledger, self._clock = plan, ledger, clock
        self._output, self._transport_of = output, transport_of
        self._runs: dict[int, AttemptRun] = {}
        """All attempts but the cancelled ones, by number. Those that ended stay."""
        self._inbox: deque[s.Event] = deque()
        self._news: asyncio.Future[None] | None = None
        """Resolved when an event is posted, while somebody waits for one."""

    def start(self, attempt: s.Attempt, grant: Grant | None) -> None:
        """Send an attempt, without waiting for anything."""
        run = self._runs[attempt.number] = AttemptRun(
            attempt=attempt,
            grant=grant,
            plan=self._plan,
            clock=self._clock,
            transport_of=self._transport_of,
            on_delta=self._on_delta,
            catch_up=self._catch_up,
            shown_before="" if attempt.resumes is None else self._output.text,
        )
        run.task = asyncio.get_running_loop().create_task(self._run_attempt(run))
        if self._plan.stream:
            self._check_stall(run)

    def show(self, number: int) -> None:
        """Show the caller what this attempt thinks."""
        self._output.show(self._runs[number])

    def commit(self, number: int) -> None:
        """Show the caller what this attempt says."""
        self._output.commit(self._runs[number])

    def release(self, outcome: Outcome) -> None:
        """Show what waited until the answer was accepted."""
        run = self._runs.get(outcome.attempt.number)
        if run is not None:
            self._output.release(run, outcome)

    def cancel(self, number: int) -> None:
        """Cancel an attempt, if it is under way. Its grant is settled."""
        run = self._runs.pop(number, None)
        if run is None or run.task is None:
            return
        run.task.cancel()
        if not run.started:  # its task never begins, so nothing was sent and nobody settles it
            self._settle(run, sent=False)

    def cancel_all(self) -> None:
        """Cancel every attempt."""
        for number in list(self._runs):
            self.cancel(number)

    def post(self, event: s.Event) -> None:
        """Put an event into the inbox."""
        self._inbox.append(event)
        self._wake()

    async def next_event(self, until: float) -> s.Event:
        """The next event of any attempt. `Woke` if none comes before `until` (unix seconds)."""
        if not self._inbox:
            loop = asyncio.get_running_loop()
            self._news = loop.create_future()
            timer = None
            if until != math.inf:
                timer = loop.call_later(max(0.0, until - self._clock.now()), self._wake)
            try:
                await self._news
            finally:
                self._news = None
                if timer is not None:
                    timer.cancel()
        if not self._inbox:
            return s.Woke(self._clock.now())
        return self._attach_shown(self._inbox.popleft())

    def _attach_shown(self, event: s.Event) -> s.Event:
        """Add what the caller has seen to the end of a shown attempt, so another may continue, and
        what it was about to call."""
        if not isinstance(event, (s.Failed, s.Done)):
            return event
        run = self._runs.get(event.number)
        if run is None or not run.committed:
            return event
        if isinstance(event, s.Failed):
            event = replace(event, partial=run.partial())
        if self._plan.policy.on_stream_break != "continue":
            return event
        return replace(event, shown=self._output.shown_by(run))

    # -- inside an attempt's task -------------------------------------------------------------

    async def _run_attempt(self, run: AttemptRun) -> None:
        attempt, run.started = run.attempt, True
        try:
            answer = await run.ask()
        except Rejected as rejected:
            self._post_failure(run, rejected.fault)
            self._settle(run, sent=True, turned_away=rejected.fault.turned_away)
        except TransportFailed as failure:
            detail = redact(failure.detail, attempt.account)
            fault = judge_transport(failure.name, detail)
            if fault.effect.ours:
                self._settle(run, sent=False)
            self._post_failure(run, fault)
        except asyncio.CancelledError:
            if not run.stalled:
                raise
            message = "no token for too long, whatever else was sent"
            self._post_failure(run, Fault(kind=Kind.SLOW, cause=Cause.STALL, message=message))
        except Exception as error:  # a bug here or in a transport must not hang the caller
            log.exception("an attempt failed unexpectedly", exc_info=_without_message(error))
            self._post_failure(run, judge_transport("other", type(error).__name__))
        else:
            usage = (answer.usage or {}).get("total_tokens")
            run.tokens, run.cost = (usage if isinstance(usage, int) else None), answer.cost
            free = not (self._plan.policy.allow_paid or attempt.account.notional_costs)
            if free and run.cost and run.cost > 0:
                self._emit(Charged(attempt.model.id, run.cost))
            now, spent_until = self._clock.now(), run.spent_until
            self.post(s.Done(now, attempt.number, answer, spent_until=spent_until))
        finally:
            self._settle(run, sent=True)

    def _settle(self, run: AttemptRun, *, sent: bool, turned_away: bool = False) -> None:
        """The attempt has ended: stop its timer and settle its grant."""
        if run.stall_timer is not None:
            run.stall_timer.cancel()
        grant, run.grant = run.grant, None
        if grant is not None:
            self._ledger.settle(
                grant, sent=sent, tokens=run.tokens, cost=run.cost, turned_away=turned_away
            )

    def _check_stall(self, run: AttemptRun) -> None:
        """Cancel a stalled attempt. One lazy timer for each stream, not one for each token."""
        attempt, now = run.attempt, self._clock.now()
        silent, quiet = now - run.last_byte_at, now - run.last_token_at
        is_stalled = quiet >= attempt.quiet_timeout or silent >= attempt.stall_timeout
        if not run.token_stage:
            is_stalled = quiet >= FIRST_TOKEN_LIMIT
        if is_stalled and run.task is not None:
            run.stalled = True
            run.task.cancel()
            return
        # Before the first token, look often enough that the stall limit applies soon after it.
        left = attempt.quiet_timeout - quiet
        if not run.token_stage:
            left, silent = FIRST_TOKEN_LIMIT - quiet, 0.0
        delay = min(left, attempt.stall_timeout - silent)
        run.stall_timer = asyncio.get_running_loop().call_later(delay, self._check_stall, run)

    def _on_delta(self, run: AttemptRun, delta: Delta) -> None:
        """Post the first token, the first thought and the first visible one; pass on the delta."""
        visible, thought = delta.visible, bool(delta.reasoning)
        stage = 3 if visible else 2 if thought else 1
        if run.token_stage < stage:
            run.token_stage = stage
            self.post(s.Token(self._clock.now(), run.attempt.number, visible, thought))
        if visible or thought or delta.reasoning_details:
            self._output.add(run, delta)

    async def _catch_up(self, run: AttemptRun) -> None:
        """Wait for a caller that reads slowly: meanwhile the attempt reads nothing either."""
        if not self._output.is_full_for(run):
            return
        if run.stall_timer is not None:  # a slow reader is no stall
            run.stall_timer.cancel()
        try:
            await self._output.drain()
        finally:
            run.last_token_at = run.last_byte_at = self._clock.now()
        self._check_stall(run)

    def _post_failure(self, run: AttemptRun, fault: Fault) -> None:
        self.post(s.Failed(self._clock.now(), run.attempt.number, fault))

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _without_message(error: Exception) -> Exception:
    """The exception without its message, which may quote a key."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
