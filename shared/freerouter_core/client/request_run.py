"""`RequestRun`: one request, from the caller's prompt to its outcome, on the runtime's loop.

In order: it resolves the configuration, reads what the request needs, shows the prompt to guards,
gets the catalogue and applies a strategy of the user's own. The driver then carries out the plan.
However the request ends, one event is emitted and the session gets one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..errors import FreeRouterError
from ..events import Answered, CalledOff, GaveUp, RequestTrace
from ..guards.base import ChatClient
from ..guards.run import RequestGuards
from ..routing.journal import Journal
from ..routing.named import find_named
from ..routing.need import checked_need
from ..routing.plan import Outcome, Plan
from ..routing.policy import Policy
from ..routing.ruling import Flag, Ruling
from ..runtime.driver import Driver
from ..runtime.stream_output import Show
from ..wire.answer import Answer
from ..wire.history import readable
from ..wire.request import ChatRequest
from .asked_model import AskedModel, check_free
from .context import Context
from .custom_strategy import apply_strategy
from .resolve import unique

NAMED_WAIT = 2.0
"""The most seconds that a request for a named model waits for a first catalogue."""

SUGGESTION_WAIT = 1.0
"""The most seconds that an error waits for a list, to suggest a model from it."""


class RequestRun:
    """One request.

    Args:
        context: the configuration and what it uses.
        client: what guards may ask a model through.
        request: the request.
        show: gets the deltas of a stream. None: nothing is streamed.
    """

    def __init__(
        self, context: Context, client: ChatClient, request: ChatRequest, show: Show | None = None
    ) -> None:
        self.context, self.client, self.request, self.show = context, client, request, show
        self.runtime = context.runtime
        self.started = self.runtime.clock.now()
        self.memory = context.session_memory()
        self.journal = Journal(started=self.started, number=self.runtime.next_number())
        self.asked = AskedModel("")
        self.catalogue = Catalogue()

    async def run(self) -> Outcome:
        """Return the outcome. Raises an error of the `FreeRouterError` tree."""
        memory, label = self.memory, self.request.label
        try:
            outcome = await self._answer()
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
        now = self.runtime.clock.now()
        named = self.request.model
        model = named if named and named != "auto" else self.context.config.model
        streamed = self.show is not None
        return now - self.started, self.journal.trace(self.started, now, model, streamed=streamed)

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
            """Seconds left of the caller's timeout."""
            return None if deadline is None else max(0.001, deadline - runtime.clock.now())

        await context.opened(left())
        accounts, policy = resolved.accounts, self._policy(resolved.policy)
        request = self.request = readable(request)
        need = checked_need(request, allow_paid=resolved.may_charge, task=policy.task)
        run_guards, flags = await self._guard_prompt(accounts.values(), left())
        catalogue = await context.catalogue(
            resolved, wait=_catalogue_wait(policy, left()), required=not policy.preferred
        )
        runtime.endpoint_stats.schedule(accounts.values(), catalogue, context.transport)
        if not resolved.may_charge:
            check_free(request.fallback_models, catalogue, accounts)
        self.asked, self.catalogue = _asked(policy, catalogue, accounts), catalogue
        strategy = context.config.strategy
        if callable(strategy):
            policy = await apply_strategy(
                strategy, runtime, resolved, policy, catalogue, need, left()
            )
        plan = Plan(
            request=request,
            need=need,
            policy=policy,
            catalogue=catalogue,
            accounts=accounts,
            pending=runtime.discovery.pending(accounts.values()),
            stream=self.show is not None,
            deadline=deadline,
            max_wait=resolved.max_wait if request.timeout is None else None,
            lane=request.lane or resolved.lane,
            run_guards=run_guards,
            flags=flags,
            congestion=runtime.congestion(accounts.values()),
        )
        return await Driver(runtime, plan, self.journal, self.show, context.transport).run()

    async def _guard_prompt(
        self, accounts: Iterable[Account], max_seconds: float | None
    ) -> tuple[Callable[[Answer, str], Ruling] | None, tuple[Flag, ...]]:
        """(what judges answers, the guards' flags of the prompt). Raises `Refused`."""
        if not self.context.config.guards:
            return None, ()
        guards = RequestGuards(self.context.config.guards, self.client, self.request, accounts)
        flags = await guards.check_prompt(self.runtime.run_on_thread, max_seconds)
        return guards.answer_check, flags

    def _policy(self, policy: Policy) -> Policy:
        """The router's policy, with the model this request names and the one its session keeps."""
        named = self.request.model
        if named and named != "auto":
            names = (named, *self.request.fallback_models)
            policy = replace(policy, preferred=unique((*names, *policy.preferred)))
        if self.memory is not None:
            policy = self.memory.keeping(policy, self.runtime.state.health, self.started)
        return policy


def _count(usage: Mapping[str, object], name: str) -> int | None:
    tokens = usage.get(name)
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def _asked(policy: Policy, catalogue: Catalogue, accounts: Mapping[str, Account]) -> AskedModel:
    """The model that is to be asked first, if somebody named one."""
    if not policy.preferred:
        return AskedModel("")
    name = policy.preferred[0]
    model = find_named(name, catalogue, accounts)
    return AskedModel(name, "" if model is None else model.id)


def _catalogue_wait(policy: Policy, timeout: float | None) -> float | None:
    """Seconds to wait for a first catalogue. A request for a named model soon goes without one. It
    does not wait at all if no other model may follow."""
    if not policy.others:
        return 0.0
    return min(NAMED_WAIT, (timeout or 60.0) / 4) if policy.preferred else timeout
