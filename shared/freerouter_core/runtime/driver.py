"""`Driver`: carries out the engine's steps for one request.

The engine (`routing.engine`) decides and never waits. The driver waits and never decides: it is
the only place where a request is sent, watched and cancelled.

What travels. The engine yields a step; the driver performs it and sends back the event that came
of it. Each attempt is a task of its own (`AttemptTasks`). It posts tokens, failures and answers to
the inbox of its request, and a `Watch` step takes them out one at a time. Deltas go to the
`StreamOutput`, which shows those of the committed attempt and holds those of the others.

What may wait. `Reserve` waits for a shared store, for at most the ledger's `STORE_TIMEOUT`.
`Watch` waits for news of an attempt, and `Sleep` for its time or its turn in line. `Validate`
waits for the caller's validator and guards. Each step names the time until which it may wait.
`Send`, `Show`, `Commit` and `Cancel` never wait.

What is cancelled, and how. `Cancel` cancels the task of an attempt, which closes its connection. A
stalled attempt is cancelled by its own timer and fails as SLOW. When the caller leaves, `run` is
cancelled: it closes the engine's generator and cancels every attempt. A grant counts as used once
its request may have been sent, whatever became of it. A grant that was never sent is given back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..catalogue.providers import Account
from ..errors import FreeRouterError, StreamBroken
from ..events import AttemptFailed, ModelChosen, Waiting
from ..routing import steps as s
from ..routing.charges import Grant
from ..routing.engine import route
from ..routing.journal import Journal
from ..routing.lanes import BEHIND, Place
from ..routing.plan import Outcome, Plan
from ..routing.room import with_room
from ..wire.redact import redact
from .attempt_tasks import AttemptTasks
from .callables import CallableFailed
from .http.transport import Transport
from .stream_output import Show, StreamOutput

if TYPE_CHECKING:
    from .runtime import Runtime


SAME_WAIT = 1.0
"""Seconds by which a wait may end later than was told, without being told anew."""


class Driver:
    """Drives one request. `show` gets the winning stream's deltas; None: nothing is streamed."""

    def __init__(
        self,
        runtime: Runtime,
        plan: Plan,
        journal: Journal,
        show: Show | None,
        transport_of: Callable[[Account], Transport],
    ) -> None:
        self._runtime, self._plan, self._journal = runtime, plan, journal
        self._place = Place(plan.lane == "background", journal.number)
        self._clock, self._transport_of = runtime.clock, transport_of
        self._route = route(plan, runtime.state, journal, runtime.rng, now=self._clock.now())
        self._output = StreamOutput(show, journal, self._clock)
        self._attempts = AttemptTasks(
            plan=plan,
            ledger=runtime.ledger,
            clock=self._clock,
            output=self._output,
            transport_of=transport_of,
            emit=runtime.emit,
        )
        self._lists: asyncio.Task[None] | None = None
        """Waits for lists of models that are still on their way."""
        self._listed: set[str] = set()
        """Providers whose lists came after the request began, and those before it."""
        self._grant: Grant | None = None
        """Taken by `Reserve`, and not yet used by `Send`."""
        self._failures_emitted = 0
        self._told_until = 0.0
        """Until when observers were told that this request waits."""

    async def run(self) -> Outcome:
        """Drive to the end. Raises an error of the tree, whose message holds no key."""
        if self._plan.pending:
            self._lists = asyncio.get_running_loop().create_task(self._await_lists())
        try:
            step = next(self._route)
            while True:
                self._emit_step(step)
                event = await self._perform(step)
                step = self._route.send(event)
                self._emit_failures()
        except StopIteration as stop:
            return self._finish(stop.value)
        except FreeRouterError as error:
            self._renew_lists()
            if isinstance(error, StreamBroken):
                error.partial = self._output.text
            raise error from None
        finally:
            self._route.close()
            self._emit_failures()
            self._abandon()
            self._runtime.state_sync.push_soon()

    def _finish(self, outcome: Outcome) -> Outcome:
        self._attempts.release(outcome)
        if outcome.seams and not outcome.answer.text:
            # No model had anything to add to what was shown.
            return replace(outcome, answer=outcome.answer.with_(text=self._output.text))
        return outcome

    def _abandon(self) -> None:
        """Cancel every attempt, and give back a grant that was never used."""
        if self._lists is not None:
            self._lists.cancel()
        self._attempts.cancel_all()
        grant, self._grant = self._grant, None
        if grant is not None:
            self._runtime.ledger.settle(grant, sent=False)

    async def _perform(self, step: s.Step) -> s.Event:
        match step:
            case s.Reserve():
                return await self._reserve(step)
            case s.Send():
                grant, self._grant = self._grant, None
                self._attempts.start(step.attempt, grant)
            case s.Watch():
                return self._seen(await self._attempts.next_event(step.until))
            case s.Sleep() if step.scope is None and self._lists_come():
                return await self._attempts.next_event(step.until)
            case s.Sleep():
                await self._sleep(step)
                return self._woke(step)
            case s.Show():
                self._attempts.show(step.attempt.number)
            case s.Commit():
                self._attempts.commit(step.attempt.number)
            case s.Cancel():
                self._attempts.cancel(step.attempt.number)
            case s.Validate():
                return await self._validate(step)
        return s.Woke(self._clock.now())

    def _seen(self, event: s.Event) -> s.Event:
        """An event as the engine gets it. After a failure another request may be sent: what that
        costs others may have changed, for many may fail at once."""
        if not isinstance(event, s.Failed):
            return event
        congestion = self._runtime.congestion(self._plan.accounts.values(), self._plan.lane)
        return replace(event, congestion=congestion)

    def _woke(self, sleep: s.Sleep) -> s.Woke:
        """What there is to know after a sleep."""
        plan, runtime, congestion = self._plan, self._runtime, None
        full = runtime.full_limits(plan.lane, plan.need, plan.pace, plan.deadline, plan.max_wait)
        accounts = plan.accounts.values()
        roomy = with_room(accounts, full)
        if roomy or sleep.scope not in full:  # else it waits on
            congestion = runtime.congestion(roomy or accounts, plan.lane)
        return s.Woke(self._clock.now(), congestion, full)

    async def _await_lists(self) -> None:
        """Tell the engine of each list that comes during the call."""
        more, accounts = True, self._plan.accounts.values()
        while more:
            catalogue, more = await self._runtime.discovery.next_list(accounts)
            self._attempts.post(s.Listed(self._clock.now(), catalogue, more))

    async def _reserve(self, step: s.Reserve) -> s.Granted | s.Refused:
        ledger = self._runtime.ledger
        reserving = ledger.reserve(
            self._place, step.charges, step.tokens, step.keep, self._plan.pace, step.waits_until
        )
        if step.deadline is None or not ledger.store_usable:  # nothing is waited for
            granted = await reserving
        else:
            try:
                async with asyncio.timeout(max(0.0, step.deadline - self._clock.now())):
                    granted = await reserving
            except TimeoutError:  # the store takes longer than the caller has
                now = self._clock.now()
                return s.Refused(now, now, step.charges[0].scope)
        if isinstance(granted, Grant):
            self._grant = granted
            return s.Granted(self._clock.now())
        return s.Refused(
            at=self._clock.now(),
            until=granted.until,
            scope=granted.scope,
            turn=granted.turn,
            before=granted.before,
            limit=granted.limit,
            kept=granted.kept,
            learnt=granted.learnt,
            guess=granted.guess,
        )

    def _renew_lists(self) -> None:
        """Nobody could be asked, or none could answer: there may be new models."""
        empty = self._runtime.state.health.accounts.seems_empty
        self._runtime.discovery.renew(self._plan.accounts.values(), self._transport_of, empty)

    def _lists_come(self) -> bool:
        """Look for new models, as nobody can be asked now. Whether a first list is on its way, or
        has come since the request began."""
        self._renew_lists()
        discovery, accounts = self._runtime.discovery, self._plan.accounts.values()
        if discovery.pending(accounts):
            if self._lists is None or self._lists.done():
                self._lists = asyncio.get_running_loop().create_task(self._await_lists())
            return True
        catalogue = discovery.known(accounts)
        listed = {model.provider for model in catalogue}
        if not listed <= (self._listed or {model.provider for model in self._plan.catalogue}):
            self._listed = listed
            self._attempts.post(s.Listed(self._clock.now(), catalogue, more=False))
            return True
        return self._lists is not None

    async def _sleep(self, step: s.Sleep) -> None:
        """Wait for the time, or for this request's turn at the scope, but not past the deadline."""
        if step.scope is None:
            behind = BEHIND if self._place.background else 0.0
            await asyncio.sleep(max(0.0, step.until - self._clock.now()) + behind)
            return
        turn = self._runtime.ledger.wait(self._place, step.scope, step.until, _leaves_at(step))
        if step.deadline is None:
            await turn
            return
        try:
            async with asyncio.timeout(max(0.0, step.deadline - self._clock.now())):
                await turn
        except TimeoutError:
            return

    async def _validate(self, step: s.Validate) -> s.Judged:
        """Ask the caller's validator, then the guards. Their messages are cleaned of keys."""
        timeout = None if step.deadline is None else max(0.0, step.deadline - self._clock.now())
        run_guards, ruling = self._plan.run_guards, None
        try:
            async with asyncio.timeout(timeout):
                problem, teaches = await self._run_validator(step)
                if problem is None and run_guards is not None:
                    ruling = await self._runtime.run_on_thread(
                        lambda: run_guards(step.answer, step.attempt.model.id)
                    )
        except TimeoutError:
            problem, teaches = "the validator or a guard took longer than the call may", False
        except CallableFailed as error:  # it raised SystemExit, say
            problem, teaches = f"a guard failed: {error}", False
        if problem is not None:
            problem = redact(problem, step.attempt.account)
        return s.Judged(self._clock.now(), problem, teaches, ruling)

    async def _run_validator(self, step: s.Validate) -> tuple[str | None, bool]:
        """(the validator's objection or None, whether it is to the answer and not its own bug)."""
        validator = self._plan.operation.validate
        if validator is None:
            return None, True
        try:
            await self._runtime.run_on_thread(lambda: validator(step.answer))
        except CallableFailed as error:
            return str(error), error.rejected
        return None, True

    # -- what observers see -------------------------------------------------------------------

    def _emit_step(self, step: s.Step) -> None:
        if isinstance(step, s.Send):
            attempt = step.attempt
            self._runtime.emit(
                ModelChosen(
                    model=attempt.model.id,
                    provider=attempt.account.provider,
                    attempt=attempt.number,
                    hedge=attempt.hedge,
                )
            )
        elif isinstance(step, s.Sleep):
            self._emit_wait(step)

    def _emit_wait(self, step: s.Sleep) -> None:
        """Tell of a wait as it begins, and again if it takes longer than was told."""
        now, wait = self._clock.now(), step.wait or s.Wait("", step.until)
        ends = max(step.until, wait.ends)
        if ends <= self._told_until + SAME_WAIT:
            return
        self._told_until = ends
        event = Waiting(
            seconds=max(0.0, ends - now),
            until=ends,
            reason=wait.reason,
            before=wait.before,
            number=self._journal.number,
        )
        self._runtime.emit(event)
        if self._plan.on_wait is not None:
            self._runtime.tell(self._plan.on_wait, event)

    def _emit_failures(self) -> None:
        failures = self._journal.failures
        for attempt, fault in failures[self._failures_emitted :]:
            self._runtime.emit(
                AttemptFailed(
                    model=attempt.model.id,
                    provider=attempt.account.provider,
                    fault=fault.kind.value,
                    cause=fault.cause,
                    status=fault.status,
                    message=fault.message,
                )
            )
        if len(failures) > self._failures_emitted:  # others need it now, not when this request ends
            self._runtime.state_sync.push_soon()
        self._failures_emitted = len(failures)


def _leaves_at(step: s.Sleep) -> float:
    """Until when those behind in the line must reckon with this request: unix seconds."""
    if not step.stays:
        return -math.inf
    return math.inf if step.deadline is None else step.deadline
