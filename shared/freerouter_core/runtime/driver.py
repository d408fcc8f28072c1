"""Carries out the engine's steps: the only place where a request is sent, watched and cancelled.

Each attempt is a task that posts what happens to it; `drive` feeds that to the engine and does what it says. Decisions are
not made here.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..catalogue.providers import Account
from ..errors import FreeRouterError, StreamBroken
from ..routing import steps as s
from ..routing.engine import route
from ..routing.journal import Journal
from ..routing.plan import Outcome, Plan
from ..routing.quota import Grant
from ..wire.answer import Answer, read_answer
from ..wire.judge import Fault, Kind, judge_rejection, judge_transport, read_rejection
from ..wire.request import shape
from ..wire.stream import Assembler, Delta, SSEDecoder
from .redact import redact
from .transport import TransportFailed

if TYPE_CHECKING:
    from .runtime import Runtime

Show = Callable[[Delta], None]
TAIL = 0.25
"""Seconds the end of a response may take after `[DONE]`."""
BEFORE_FIRST = 300.0
"""Seconds after which an attempt without any token is given up even where the caller set no timeout."""


class _Flight:
    """One attempt under way: its task, its grant, what it has said so far, and when it last said something."""

    def __init__(self, attempt: s.Attempt, grant: Grant | None) -> None:
        self.attempt, self.grant = attempt, grant
        self.task: asyncio.Task[None] | None = None
        self.assembler: Assembler | None = None
        self.held: list[Delta] = []
        self.shown = False
        self.token = 0
        self.last = 0.0
        self.stalled = False
        self.timer: asyncio.TimerHandle | None = None
        self.tokens: int | None = None


class Drive:
    """One request being driven. `show` gets the winning stream's deltas; None: nothing is streamed."""

    def __init__(self, runtime: Runtime, plan: Plan, show: Show | None, client: Any = None) -> None:
        self.runtime, self.plan, self.show, self.client = runtime, plan, show, client
        self.clock = runtime.clock
        self.number = runtime.next_number()
        self.journal = Journal(self.clock.now())
        self.route = route(plan, runtime.state, self.journal, runtime.rng)
        self.told = 0
        self.flights: dict[int, _Flight] = {}
        self.inbox: deque[s.Event] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.grant: Grant | None = None
        self.partial: list[str] = []

    async def run(self) -> Outcome:
        """Drive to the end. Raises an error of the tree, with keys removed from its words."""
        try:
            step = next(self.route)
            while True:
                event = await self._perform(step)
                self.runtime.observe(step)
                step = self.route.send(event)
                self._tell_failures()
        except StopIteration as stop:
            outcome: Outcome = stop.value
            self._release(outcome)
            return outcome
        except StreamBroken as error:
            error.partial = "".join(self.partial)
            raise error from None
        except FreeRouterError as error:
            raise error from None
        finally:
            self.route.close()
            self._tell_failures()
            self._abandon()

    def _tell_failures(self) -> None:
        for attempt, fault in self.journal.failures[self.told :]:
            self.runtime.attempt_failed(attempt, fault)
        self.told = len(self.journal.failures)

    async def _perform(self, step: s.Step) -> s.Event:
        match step:
            case s.Reserve():
                granted = await self.runtime.ledger.reserve(self.number, step.charges, step.tokens, step.keep)
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
                problem = await self.runtime.validate(self.plan.request.validate, step.answer)
                return s.Judged(self.clock.now(), problem)
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
        return self.inbox.popleft() if self.inbox else s.Woke(self.clock.now())

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def _post(self, event: s.Event) -> None:
        self.inbox.append(event)
        self._wake()

    async def _sleep(self, step: s.Sleep) -> None:
        """Until the time, or until it is this request's turn at the scope; never past the caller's deadline."""
        deadline = self.plan.deadline
        if step.scope is None:
            await asyncio.sleep(max(0.0, step.until - self.clock.now()))
            return
        waiting = self.runtime.ledger.wait(self.number, step.scope, step.until)
        if deadline is None:
            await waiting
            return
        try:
            async with asyncio.timeout(max(0.0, deadline - self.clock.now())):
                await waiting
        except TimeoutError:
            return

    # -- attempts ---------------------------------------------------------------------------------------------------

    def _launch(self, attempt: s.Attempt) -> None:
        grant, self.grant = self.grant, None
        flight = self.flights[attempt.number] = _Flight(attempt, grant)
        flight.last = self.clock.now()
        flight.task = asyncio.get_running_loop().create_task(self._fly(flight))
        if self.plan.stream:
            self._guard_stall(flight)

    async def _fly(self, flight: _Flight) -> None:
        attempt = flight.attempt
        try:
            answer = await self._ask(flight)
        except TransportFailed as failure:
            self._fail(flight, judge_transport(failure.name, redact(failure.detail, attempt.account)))
        except asyncio.CancelledError:
            if not flight.stalled:
                raise
            self._fail(flight, Fault(Kind.SLOW, "stall", "no token for too long, whatever else was sent"))
        except Exception as error:  # a bug of ours or of a transport must not hang the caller
            self.runtime.log.exception("an attempt failed unexpectedly", exc_info=_bare(error))
            self._fail(flight, judge_transport("other", type(error).__name__))
        else:
            if answer is not None:
                usage = (answer.usage or {}).get("total_tokens")
                flight.tokens = usage if isinstance(usage, int) else None
                self._post(s.Done(self.clock.now(), attempt.number, answer))
        finally:
            if flight.timer is not None:
                flight.timer.cancel()
            self._settle(flight)

    async def _ask(self, flight: _Flight) -> Answer | None:
        """The answer, or None when a failure was already posted."""
        attempt, plan = flight.attempt, self.plan
        account = attempt.account
        body, form = shape(
            plan.request,
            attempt.model,
            account,
            stream=plan.stream,
            free_only=not plan.policy.allow_paid,
            guard=attempt.guard,
            no_train=plan.policy.no_train,
        )
        transport = self.runtime.transport_for(account, self.client)
        async with transport.open(account, "POST", "/chat/completions", _dump(body)) as response:
            if not 200 <= response.status < 300:
                error = await response.read(1_000_000)
                rejection = read_rejection(response.status, response.headers, error)
                fault = judge_rejection(rejection, self.clock.now())
                self._fail(flight, _clean(fault, account))
                return None
            if plan.stream and "json" not in response.headers.get("content-type", ""):
                return await self._read_stream(flight, response.chunks(), tool_as_text=form == "tool")
            answer = read_answer(_load(await response.read()), attempt.model.wire_name)
        if plan.stream and not answer.error and (answer.text or answer.reasoning):
            self._say(flight, Delta(answer.text, answer.reasoning))
        return self._signed(answer, account)

    async def _read_stream(self, flight: _Flight, chunks: Any, *, tool_as_text: bool) -> Answer:
        decoder, assembler = SSEDecoder(), Assembler(flight.attempt.model.wire_name)
        flight.assembler = assembler
        fragments = self.plan.policy.tool_streaming == "fragments"
        try:
            async with asyncio.timeout(None) as bound:
                async for chunk in chunks:
                    for data in decoder.feed(chunk):
                        delta = assembler.feed_data(data)
                        if delta is not None and assembler.error is None:
                            self._heard(flight, delta, tool_as_text, fragments)
                    if assembler.error is not None:
                        break
                    if (
                        assembler.done
                    ):  # read to the end, which is at hand, so that the connection can be used again
                        bound.reschedule(asyncio.get_running_loop().time() + TAIL)
        except TimeoutError:
            pass
        for data in decoder.close() if not assembler.done else ():
            delta = assembler.feed_data(data)
            if delta is not None:
                self._heard(flight, delta, tool_as_text, fragments)
        rest = assembler.close()
        if rest is not None:
            self._heard(flight, rest, tool_as_text, fragments)
        return self._signed(assembler.answer(), flight.attempt.account)

    def _heard(self, flight: _Flight, delta: Delta, tool_as_text: bool, fragments: bool) -> None:
        """A delta came: tell the engine of the first, and pass on what may be shown."""
        flight.last = self.clock.now()
        if delta.fragments:
            if tool_as_text:  # the wished-for object, growing in the arguments of the tool that was forced
                delta = Delta(
                    "".join(f.arguments for f in delta.fragments), delta.reasoning, delta.reasoning_details
                )
            elif not fragments:
                delta = Delta(delta.text, delta.reasoning, delta.reasoning_details)
        self._say(flight, delta)

    def _say(self, flight: _Flight, delta: Delta) -> None:
        visible = delta.visible or bool(delta.fragments)
        if flight.token < 1 + visible:
            flight.token = 1 + visible
            self._post(s.Token(self.clock.now(), flight.attempt.number, visible))
        if flight.shown:
            self._show(delta)
        elif self.show is not None:
            flight.held.append(delta)

    def _commit(self, attempt: s.Attempt) -> None:
        flight = self.flights[attempt.number]
        flight.shown = True
        for delta in flight.held:
            self._show(delta)
        flight.held.clear()

    def _show(self, delta: Delta) -> None:
        if delta.text:
            self.partial.append(delta.text)
        if self.show is not None:
            self.show(delta)

    def _guard_stall(self, flight: _Flight) -> None:
        """One lazy timer a stream: when it fires it looks how long ago the last token was."""
        patience = flight.attempt.stall if flight.token else BEFORE_FIRST
        left = flight.last + patience - self.clock.now()
        if left <= 0 and flight.task is not None:
            flight.stalled = True
            flight.task.cancel()
            return
        # Until the first token, look often enough that the stall patience applies soon after it.
        delay = min(left, flight.attempt.stall)
        flight.timer = asyncio.get_running_loop().call_later(delay, self._guard_stall, flight)

    def _fail(self, flight: _Flight, fault: Fault) -> None:
        self._post(s.Failed(self.clock.now(), flight.attempt.number, fault))

    def _drop(self, number: int) -> None:
        flight = self.flights.pop(number, None)
        if flight is not None and flight.task is not None:
            flight.task.cancel()

    def _settle(self, flight: _Flight) -> None:
        grant, flight.grant = flight.grant, None
        if grant is not None:
            self.runtime.ledger.settle(grant, sent=True, tokens=flight.tokens)

    def _release(self, outcome: Outcome) -> None:
        """Show what was held until the answer was accepted: whole tool calls, and text nobody has seen."""
        flight = self.flights.get(outcome.attempt.number)
        if self.show is None or flight is None:
            return
        answer = outcome.answer
        if not flight.shown and answer.text:
            self._show(Delta(answer.text, answer.reasoning))
        if answer.tool_calls and self.plan.policy.tool_streaming != "fragments":
            self._show(Delta(tool_calls=answer.tool_calls))

    def _abandon(self) -> None:
        """Whatever is still in flight is stopped; a share that was taken and never used goes back."""
        for number in list(self.flights):
            self._drop(number)
        if self.grant is not None:
            self.runtime.ledger.settle(self.grant, sent=False)
            self.grant = None

    def _signed(self, answer: Answer, account: Account) -> Answer:
        if answer.error is not None:
            answer = answer.with_(error=json.loads(redact(json.dumps(answer.error, default=str), account)))
        return answer.with_(simulated=True) if account.simulated else answer


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")


def _load(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _clean(fault: Fault, account: Account) -> Fault:
    return replace(fault, message=redact(fault.message, account)) if fault.message else fault


def _bare(error: Exception) -> Exception:
    """The exception without its words, which are not ours to trust with a key."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
