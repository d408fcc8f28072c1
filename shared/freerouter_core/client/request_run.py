"""`Asking`: what a router does with a request: whom it may be asked of, under which limits, and what is told and remembered of it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, cast

from ..catalogue.model import Catalogue
from ..events import Answered, CalledOff, Charged, GaveUp
from ..guards.base import prepared
from ..routing.journal import Journal
from ..routing.need import Policy, Ranker, checked_need
from ..routing.plan import Outcome, Plan
from ..runtime.driver import Drive, Show
from ..trail import Trail
from ..wire.request import ChatRequest
from .custom_strategy import ordered
from .queries import Prompt
from .resolve import Resolved, unique
from .session import Memory
from .streams import AsyncStream, Stream

if TYPE_CHECKING:
    from ..runtime.runtime import Runtime
    from .router import Router

NAMED_PATIENCE = 2.0


class Asking:
    """The ways to ask; a `Router` brings its policy, its runtime and its catalogue."""

    if TYPE_CHECKING:
        model: str
        strategy: str | Ranker
        allow_paid: bool
        guards: tuple[Any, ...]
        http_client: Any

        @property
        def _runtime(self) -> Runtime: ...
        async def _opened(self) -> Resolved: ...
        async def _catalogue(
            self, resolved: Resolved, *, wait: float | None = None, required: bool = True
        ) -> Catalogue: ...
        def _transport(self, account: Any) -> Any: ...
        def _memory(self) -> Memory | None: ...

    def chat(self, request: Prompt) -> Outcome:
        """An answer. Raises an error of the `FreeRouterError` tree."""
        wanted = ChatRequest.of(request)
        return self._runtime.call(lambda: self._drive(wanted))

    async def achat(self, request: Prompt) -> Outcome:
        """An answer, from any event loop."""
        wanted = ChatRequest.of(request)
        return await self._runtime.acall(lambda: self._drive(wanted))

    def stream(self, request: Prompt) -> Stream:
        """The answer as it comes: an iterator of `Delta`s whose `outcome` is set at the end. Closing it cancels."""
        wanted = ChatRequest.of(request)
        return Stream(lambda: self._runtime.stream(lambda show: self._drive(wanted, show)))

    def astream(self, request: Prompt) -> AsyncStream:
        """The same for event loops."""
        wanted = ChatRequest.of(request)
        return AsyncStream(
            lambda finish: self._runtime.astream(lambda show: self._drive(wanted, show), finish)
        )

    async def _drive(self, request: ChatRequest, show: Show | None = None) -> Outcome:
        """On the runtime's loop: everything from a request to its outcome, and what is remembered of it."""
        runtime = self._runtime
        started = runtime.clock.now()
        memory = self._memory()
        journal = Journal(started, runtime.next_number())

        def ended() -> tuple[float, Trail]:
            now = runtime.clock.now()
            return now - started, journal.trail(started, now, self._asked(request), streamed=show is not None)

        try:
            outcome = await self._answer(request, journal, show, started, memory)
        except asyncio.CancelledError:
            seconds, trail = ended()
            runtime.emit(CalledOff(len(trail.tries), seconds, trail))
            raise
        except Exception as error:
            seconds, trail = ended()
            if memory is not None:
                memory.failed(request.label, error, seconds)
            status = getattr(error, "status_code", None)
            runtime.emit(GaveUp(type(error).__name__, len(trail.tries), seconds, status, trail))
            raise
        seconds, trail = ended()
        if memory is not None:
            memory.answered(request.label, outcome, seconds, started + seconds)
        answer, usage = outcome.answer, outcome.answer.usage or {}
        told = journal.shown_at if show is not None else None
        runtime.emit(
            Answered(
                answer.model,
                outcome.provider,
                len(trail.tries),
                seconds,
                answer.cost,
                None if told is None else told - started,
                _count(usage.get("prompt_tokens")),
                _count(usage.get("completion_tokens")),
                answer.finish_reason,
                answer.id,
                trail,
            )
        )
        if answer.cost and not self.allow_paid:
            runtime.emit(Charged(outcome.attempt.model.id, answer.cost))
        return outcome

    def _asked(self, request: ChatRequest) -> str:
        return request.model if request.model and request.model != "auto" else self.model

    async def _answer(
        self,
        request: ChatRequest,
        journal: Journal,
        show: Show | None,
        started: float,
        memory: Memory | None,
    ) -> Outcome:
        runtime = self._runtime
        resolved = await self._opened()
        need = checked_need(request, allow_paid=self.allow_paid, task=resolved.policy.task)
        timeout = request.timeout if request.timeout is not None else resolved.timeout
        policy = resolved.policy

        def left() -> float | None:
            """Seconds of the call's time that are still to be had."""
            return None if timeout is None else max(0.001, started + timeout - runtime.clock.now())

        if request.model and request.model != "auto":
            policy = dataclasses.replace(policy, preferred=unique((request.model, *policy.preferred)))
        if memory is not None:
            policy = memory.keeping(policy, runtime.state.health, started)
        accounts = resolved.accounts
        judge, flags = await prepared(
            cast("Router", self), request, accounts.values(), runtime.elsewhere, left()
        )
        catalogue = await self._catalogue(
            resolved, wait=_patience(policy, left()), required=not policy.preferred
        )
        runtime.scans.tend(resolved.accounts.values(), catalogue, self._transport)
        if callable(self.strategy):
            policy = await ordered(self.strategy, runtime, policy, resolved, catalogue, need, left())
        plan = Plan(
            request=request,
            need=need,
            policy=policy,
            catalogue=catalogue,
            accounts=resolved.accounts,
            stream=show is not None,
            deadline=None if timeout is None else started + timeout,
            judge=judge,
            flags=flags,
            prices=runtime.ledger.prices(accounts.values()),
            lines=runtime.ledger.waiting(accounts.values()),
        )
        return await Drive(runtime, plan, journal, show, self.http_client).run()


def _count(tokens: Any) -> int | None:
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def _patience(policy: Policy, timeout: float | None) -> float | None:
    """Seconds a request waits for a first list of models. A named model goes without one soon, or at once where nobody
    else may follow it."""
    if not policy.others:
        return 0.0
    return min(NAMED_PATIENCE, (timeout or 60.0) / 4) if policy.preferred else timeout
