"""Carries out the engine's steps: the only place where a request is sent, watched and cancelled.

Each attempt is a task that posts what happens to it; `drive` feeds that to the engine and does what it says. Decisions are
not made here.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..catalogue.providers import Account
from ..errors import FreeRouterError, StreamBroken
from ..routing import steps as s
from ..routing.engine import route
from ..routing.journal import Journal
from ..routing.limits import Grant
from ..routing.plan import Outcome, Plan
from ..wire.fault import Cause, Fault, Kind
from ..wire.judge import judge_transport
from ..wire.redact import redact
from ..wire.stream import Delta
from .attempt import Flight, Rejected
from .http.transport import Transport, TransportFailed
from .runtime import CallableFailed

if TYPE_CHECKING:
    from .runtime import Runtime

Show = Callable[[Delta], None]
BEFORE_FIRST = 300.0
"""Seconds after which an attempt without any token is given up even where the caller set no timeout."""


class Driver:
    """One request being driven. `show` gets the winning stream's deltas; None: nothing is streamed."""

    def __init__(
        self,
        runtime: Runtime,
        plan: Plan,
        journal: Journal,
        show: Show | None,
        transport_of: Callable[[Account], Transport],
    ) -> None:
        self.runtime, self.plan, self.journal, self.show = runtime, plan, journal, show
        self.transport_of = transport_of
        self.clock = runtime.clock
        journal.started = self.clock.now()
        self.number = journal.number
        self.route = route(plan, runtime.state, journal, runtime.rng)
        self.told = 0
        self.flights: dict[int, Flight] = {}
        self.inbox: deque[s.Event] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.grant: Grant | None = None
        self.partial: list[str] = []

    async def run(self) -> Outcome:
        """Driver to the end. Raises an error of the tree, with keys removed from its words."""
        try:
            step = next(self.route)
            while True:
                self.runtime.emit_step(step)
                event = await self._perform(step)
                step = self.route.send(event)
                self._tell_failures()
        except StopIteration as stop:
            outcome: Outcome = stop.value
            self._release(outcome)
            if (
                outcome.seams and not outcome.answer.text
            ):  # nobody had anything to add to what was shown
                return replace(outcome, answer=outcome.answer.with_(text="".join(self.partial)))
            return outcome
        except FreeRouterError as error:
            if isinstance(error, StreamBroken):
                error.partial = "".join(self.partial)
            raise error from None
        finally:
            self.route.close()
            self._tell_failures()
            self._abandon()
            self.runtime.state_sync.push_soon()

    def _tell_failures(self) -> None:
        for attempt, fault in self.journal.failures[self.told :]:
            self.runtime.emit_failure(attempt, fault)
        self.told = len(self.journal.failures)

    async def _perform(self, step: s.Step) -> s.Event:
        match step:
            case s.Reserve():
                granted = await self.runtime.ledger.reserve(
                    self.number, step.charges, step.tokens, step.keep
                )
                if isinstance(granted, Grant):
                    self.grant = granted
                    return s.Granted(self.clock.now())
                return s.Refused(self.clock.now(), granted.until, granted.scope)
            case s.Send():
                self._launch(step.attempt)
            case s.Watch():
                return await self._watch(step.until)
            case s.Sleep():
                await self._sleep(step)
            case s.Commit():
                self._commit(step.attempt)
            case s.Cancel():
                self._drop(step.attempt.number)
            case s.Validate():
                return await self._validate(step)
        return s.Woke(self.clock.now())

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _watch(self, until: float) -> s.Event:
        if not self.inbox:
            loop = asyncio.get_running_loop()
            self.waiter = loop.create_future()
            timer = None
            if until != math.inf:
                timer = loop.call_later(max(0.0, until - self.clock.now()), self._wake)
            try:
                await self.waiter
            finally:
                self.waiter = None
                if timer is not None:
                    timer.cancel()
        return self._news(self.inbox.popleft()) if self.inbox else s.Woke(self.clock.now())

    async def _validate(self, step: s.Validate) -> s.Judged:
        """The objections of the validator and the guards, without keys. They have as long as the caller has."""
        left = None if step.deadline is None else max(0.0, step.deadline - self.clock.now())
        account, judge, ruling = step.attempt.account, self.plan.run_guards, None
        try:
            async with asyncio.timeout(left):
                problem, teaches = await self.runtime.validate(
                    self.plan.request.validate, step.answer
                )
                if problem is None and judge is not None:
                    ruling = await self.runtime.run_on_thread(
                        lambda: judge(step.answer, step.attempt.model.id)
                    )
        except TimeoutError:
            problem, teaches = "the validator or a guard took longer than the call may", False
        except CallableFailed as error:  # a guard ended its own thread
            problem, teaches = f"a guard failed: {error}", False
        words = None if problem is None else redact(problem, account)
        return s.Judged(self.clock.now(), words, teaches, ruling)

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def _post(self, event: s.Event) -> None:
        self.inbox.append(event)
        self._wake()

    async def _sleep(self, step: s.Sleep) -> None:
        """Until the time, or until it is this request's turn at the scope; never past the caller's deadline."""
        if step.scope is None:
            await asyncio.sleep(max(0.0, step.until - self.clock.now()))
            return
        waiting = self.runtime.ledger.wait(self.number, step.scope, step.until)
        if step.deadline is None:
            await waiting
            return
        try:
            async with asyncio.timeout(max(0.0, step.deadline - self.clock.now())):
                await waiting
        except TimeoutError:
            return

    # -- attempts ---------------------------------------------------------------------------------------------------

    def _launch(self, attempt: s.Attempt) -> None:
        grant, self.grant = self.grant, None
        before = "" if attempt.resumes is None else "".join(self.partial)
        flight = self.flights[attempt.number] = Flight(
            attempt, grant, self.plan, self.runtime, self.transport_of, self._say, before
        )
        flight.last = self.clock.now()
        flight.task = asyncio.get_running_loop().create_task(self._fly(flight))
        if self.plan.stream:
            self._guard_stall(flight)

    async def _fly(self, flight: Flight) -> None:
        attempt = flight.attempt
        try:
            answer = await flight.ask()
        except Rejected as rejected:
            self._fail(flight, rejected.fault)
        except TransportFailed as failure:
            self._fail(
                flight, judge_transport(failure.name, redact(failure.detail, attempt.account))
            )
        except asyncio.CancelledError:
            if not flight.stalled:
                raise
            self._fail(
                flight,
                Fault(Kind.SLOW, Cause.STALL, "no token for too long, whatever else was sent"),
            )
        except Exception as error:  # a bug of ours or of a transport must not hang the caller
            self.runtime.log.exception("an attempt failed unexpectedly", exc_info=_bare(error))
            self._fail(flight, judge_transport("other", type(error).__name__))
        else:
            usage = (answer.usage or {}).get("total_tokens")
            flight.tokens, flight.cost = (usage if isinstance(usage, int) else None), answer.cost
            self._post(s.Done(self.clock.now(), attempt.number, answer, rests=flight.rests))
        finally:
            if flight.timer is not None:
                flight.timer.cancel()
            self._settle(flight)

    def _say(self, flight: Flight, delta: Delta) -> None:
        visible = delta.visible or bool(delta.fragments)
        if flight.token < 1 + visible:
            flight.token = 1 + visible
            self._post(s.Token(self.clock.now(), flight.attempt.number, visible))
        if not (visible or delta.reasoning_details):
            return
        if flight.shown:
            flight.pieces = flight.pieces or bool(delta.fragments)
            self._show(delta)
        elif self.show is not None:
            flight.held.append(delta)

    def _commit(self, attempt: s.Attempt) -> None:
        flight = self.flights[attempt.number]
        flight.shown = True
        for delta in flight.held:
            flight.pieces = flight.pieces or bool(delta.fragments)
            self._show(delta)
        flight.held.clear()

    def _show(self, delta: Delta) -> None:
        if delta.text:
            self.partial.append(delta.text)
        if self.show is not None:
            if self.journal.shown_at is None:
                self.journal.shown_at = self.clock.now()
            self.show(delta)

    def _guard_stall(self, flight: Flight) -> None:
        """One lazy timer a stream: when it fires it looks how long ago the last token was."""
        patience = flight.attempt.stall_timeout if flight.token else BEFORE_FIRST
        left = flight.last + patience - self.clock.now()
        if left <= 0 and flight.task is not None:
            flight.stalled = True
            flight.task.cancel()
            return
        # Until the first token, look often enough that the stall patience applies soon after it.
        delay = min(left, flight.attempt.stall_timeout)
        flight.timer = asyncio.get_running_loop().call_later(delay, self._guard_stall, flight)

    def _fail(self, flight: Flight, fault: Fault) -> None:
        self._post(s.Failed(self.clock.now(), flight.attempt.number, fault))

    def _news(self, event: s.Event) -> s.Event:
        """The event, and where an attempt that was shown ended, what the caller has seen: another may be asked to continue it."""
        if self.plan.policy.on_stream_break != "continue" or not isinstance(
            event, (s.Failed, s.Done)
        ):
            return event
        flight = self.flights.get(event.number)
        if flight is None or not flight.shown:
            return event
        text = "".join(self.partial)
        return replace(
            event, shown=s.Shown(redact(text, flight.attempt.account), flight.pieces, len(text))
        )

    def _drop(self, number: int) -> None:
        flight = self.flights.pop(number, None)
        if flight is not None and flight.task is not None:
            flight.task.cancel()

    def _settle(self, flight: Flight) -> None:
        grant, flight.grant = flight.grant, None
        if grant is not None:
            self.runtime.ledger.settle(grant, sent=True, tokens=flight.tokens, cost=flight.cost)

    def _release(self, outcome: Outcome) -> None:
        """Show what was held until the answer was accepted: whole tool calls, and text nobody has seen."""
        flight = self.flights.get(outcome.attempt.number)
        if self.show is None or flight is None:
            return
        answer = outcome.answer
        if not flight.shown and (answer.text or answer.reasoning):
            self._show(Delta(answer.text[len(flight.before) :], answer.reasoning))
        elif flight.thought:
            self._show(Delta(reasoning=flight.thought))
        if answer.tool_calls and not flight.pieces:
            self._show(Delta(tool_calls=answer.tool_calls))

    def _abandon(self) -> None:
        """Whatever is still in flight is stopped; a share that was taken and never used goes back."""
        for number in list(self.flights):
            self._drop(number)
        if self.grant is not None:
            self.runtime.ledger.settle(self.grant, sent=False)
            self.grant = None


def _bare(error: Exception) -> Exception:
    """The exception without its words, which are not ours to trust with a key."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
