"""`OperationRun`: one request of any kind, from the caller to its outcome, on the runtime's loop.

In order: it resolves the configuration, reads what the request needs, lets guards judge it, and
gets the models. The driver then carries out the plan. However the request ends, one event is
emitted and the session gets one step.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from ..catalogue.model import Catalogue
from ..errors import FreeRouterError
from ..events import Answered, CalledOff, GaveUp, RequestTrace
from ..routing.congestion import Congestion
from ..routing.journal import Journal
from ..routing.need import Need
from ..routing.plan import Outcome, Plan
from ..routing.policy import Policy
from ..routing.room import with_room
from ..routing.ruling import Flag, Ruling
from ..routing.running import RunningRequest, running_request
from ..routing.session_memory import SessionMemory
from ..runtime.driver import Driver
from ..runtime.stream_output import Show
from ..wire.answer import Answer
from ..wire.embeddings import EmbedRequest
from ..wire.request import ChatRequest
from ..wire.rerank import RerankRequest
from .asked_model import NOBODY
from .context import Context

SUGGESTION_WAIT = 1.0
"""The most seconds that an error waits for a list, to suggest a model from it."""
RequestT = TypeVar("RequestT", ChatRequest, EmbedRequest, RerankRequest)
Left = Callable[[], float | None]
"""Seconds left of the caller's timeout; None: there is none."""
GuardCheck = Callable[[Answer, str], Ruling] | None
"""What judges answers; None: nothing does."""
_NO_MODELS = Catalogue()


class OperationRun(ABC, Generic[RequestT]):
    """One request. `show` gets the deltas of a stream; None: nothing is streamed."""

    def __init__(self, context: Context, request: RequestT, show: Show | None = None) -> None:
        self.context, self.show = context, show
        self.request: RequestT = request
        self.runtime = context.runtime
        self.started = self.runtime.clock.now()
        self.memory = self._memory()
        self.journal = Journal(started=self.started, number=self.runtime.next_number())
        self.asked = NOBODY
        self.catalogue = _NO_MODELS

    # -- what differs between kinds of requests -------------------------------------------------

    def _memory(self) -> SessionMemory | None:
        """The session that remembers this request."""
        return None

    @abstractmethod
    def _policy(self, policy: Policy) -> Policy:
        """The router's policy, as this request changes it."""

    @abstractmethod
    def _need(self, policy: Policy, *, may_charge: bool) -> Need:
        """What the request needs. Raises `BadRequest`."""

    @abstractmethod
    async def _models(self, policy: Policy, left: Left) -> Catalogue:
        """The models among which there are candidates."""

    async def _guards(self, left: Left) -> tuple[GuardCheck, tuple[Flag, ...]]:
        """(what judges answers, the guards' flags of the prompt). Raises `Refused`."""
        return None, ()

    async def _ranked(self, policy: Policy, need: Need, left: Left) -> Policy:
        """The policy with the order of a strategy of the user's own."""
        return policy

    def _pending(self) -> bool:
        """Whether the list of an account is still on its way."""
        return False

    # -- the way of all requests ----------------------------------------------------------------

    async def run(self) -> Outcome:
        """Return the outcome. Raises an error of the `FreeRouterError` tree."""
        running, number = self.runtime.running, self.journal.number
        running[number] = self._running
        try:
            return await self._run()
        finally:
            running.pop(number, None)

    async def _run(self) -> Outcome:
        memory, label = self.memory, self.request.label
        try:
            outcome = await self._answer()
            if self.asked.name:
                outcome = replace(outcome, asked_for=self.asked.name)
            self.asked.told(outcome, self.catalogue, self.runtime)
        except asyncio.CancelledError:
            seconds, trace = self._trace()
            self.runtime.emit(CalledOff(len(trace.tries), seconds, trace))
            raise
        except Exception as error:
            if isinstance(error, FreeRouterError) and self.asked.reason(self.journal) is not None:
                self.asked.explain(error, await self._known_models())
            seconds, trace = self._trace()
            if isinstance(error, FreeRouterError):
                error.trace = trace
            if memory is not None:
                memory.failed(label, error, seconds)
            status = getattr(error, "status_code", None)
            name = type(error).__name__
            self.runtime.emit(GaveUp(name, len(trace.tries), seconds, status, trace))
            raise
        seconds, trace = self._trace()
        if memory is not None:
            memory.answered(label, outcome, seconds, self.started + seconds)
        self._emit_answered(outcome, seconds, trace)
        return outcome

    async def _known_models(self) -> Catalogue:
        """The models to suggest one of. A list that is still on its way is waited for a little."""
        if not len(self.catalogue):
            self.catalogue = await self.context.catalogue(
                self.context.resolved, wait=SUGGESTION_WAIT, required=False
            )
        return self.catalogue

    def _trace(self) -> tuple[float, RequestTrace]:
        """(seconds since the start, the request's trace so far)."""
        now, model, streamed = self.runtime.clock.now(), self._asked_model(), self.show is not None
        return now - self.started, self.journal.trace(self.started, now, model, streamed=streamed)

    def _running(self) -> RunningRequest:
        return running_request(self.journal, self._asked_model(), streamed=self.show is not None)

    def _asked_model(self) -> str:
        """The model that was asked for, or "auto"."""
        named = self.request.model
        return named if named and named != "auto" else self.context.config.model

    def _emit_answered(self, outcome: Outcome, seconds: float, trace: RequestTrace) -> None:
        answer, usage = outcome.answer, outcome.answer.usage or {}
        shown_at = self.journal.shown_at if self.show is not None else None
        self.runtime.emit(
            Answered(
                model=answer.model,
                provider=outcome.provider,
                attempts=len(trace.tries),
                seconds=seconds,
                cost=answer.cost,
                first_token=None if shown_at is None else shown_at - self.started,
                prompt_tokens=_count(usage, "prompt_tokens"),
                completion_tokens=_count(usage, "completion_tokens"),
                finish_reason=answer.finish_reason,
                id=answer.id,
                trail=trace,
            )
        )

    async def _answer(self) -> Outcome:
        context, runtime = self.context, self.runtime
        resolved, request = context.resolved, self.request
        timeout = request.timeout if request.timeout is not None else resolved.timeout
        deadline = None if timeout is None else self.started + timeout

        def left() -> float | None:
            return None if deadline is None else max(0.001, deadline - runtime.clock.now())

        await context.opened(left())
        accounts, policy = resolved.accounts, self._policy(resolved.policy)
        need = self._need(policy, may_charge=resolved.may_charge)
        run_guards, flags = await self._guards(left)
        self.catalogue = catalogue = await self._models(policy, left)
        policy = await self._ranked(policy, need, left)
        lane = request.lane or resolved.lane
        need, max_wait = need.of(lane), resolved.max_wait if request.timeout is None else None
        full = runtime.full_limits(lane, need, resolved.pace, deadline, max_wait)
        congestion: Mapping[str, Congestion] = {}
        if roomy := with_room(accounts.values(), full):  # else it is looked at once there is room
            congestion = runtime.congestion(roomy, lane)
        plan = Plan(
            request=self.request,
            need=need,
            policy=policy,
            catalogue=catalogue,
            accounts=accounts,
            pending=self._pending(),
            stream=self.show is not None,
            deadline=deadline,
            max_wait=max_wait,
            lane=lane,
            pace=resolved.pace,
            on_wait=request.on_wait if isinstance(request, ChatRequest) else None,
            run_guards=run_guards,
            flags=flags,
            congestion=congestion,
            full=full,
        )
        return await Driver(runtime, plan, self.journal, self.show, context.transport).run()


def _count(usage: Mapping[str, object], name: str) -> int | None:
    tokens = usage.get(name)
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None
