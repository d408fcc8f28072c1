"""`RequestRun`: one request from the caller's prompt to its outcome, on the runtime's loop.

It resolves the configuration, reads what the request needs, lets guards see the prompt, fetches the
catalogue, asks a user's own strategy, and hands the plan to the driver. Whatever comes of it, it
emits one event and adds a step to the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..events import Answered, CalledOff, Charged, GaveUp, RequestTrace
from ..guards.base import ChatClient
from ..guards.run import prepared
from ..routing.journal import Journal
from ..routing.need import Policy, checked_need
from ..routing.plan import Outcome, Plan
from ..runtime.driver import Driver
from ..runtime.stream_output import Show
from ..wire.request import ChatRequest
from .context import Context
from .custom_strategy import ordered
from .resolve import unique

NAMED_WAIT = 2.0
"""Seconds a request for a named model waits for a first catalogue, at most."""


class RequestRun:
    """One request. `client`: what guards may ask a model through; `show`: gets the deltas of a
    stream (None: nothing is streamed)."""

    def __init__(
        self, context: Context, client: ChatClient, request: ChatRequest, show: Show | None = None
    ) -> None:
        self.context, self.client, self.request, self.show = context, client, request, show
        self.runtime = context.runtime
        self.started = self.runtime.clock.now()
        self.memory = context.session_memory()
        self.journal = Journal(self.started, self.runtime.next_number())

    async def run(self) -> Outcome:
        """The outcome. Raises an error of the `FreeRouterError` tree."""
        memory, label = self.memory, self.request.label
        try:
            outcome = await self._answer()
        except asyncio.CancelledError:
            seconds, trace = self._trace()
            self.runtime.emit(CalledOff(len(trace.tries), seconds, trace))
            raise
        except Exception as error:
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

    def _trace(self) -> tuple[float, RequestTrace]:
        """(seconds since the start, what became of the request so far)."""
        now = self.runtime.clock.now()
        named = self.request.model
        asked = named if named and named != "auto" else self.context.config.model
        streamed = self.show is not None
        return now - self.started, self.journal.trace(self.started, now, asked, streamed=streamed)

    def _emit_answered(self, outcome: Outcome, seconds: float, trace: RequestTrace) -> None:
        answer, usage = outcome.answer, outcome.answer.usage or {}
        shown_at = self.journal.shown_at if self.show is not None else None
        self.runtime.emit(
            Answered(
                answer.model,
                outcome.provider,
                len(trace.tries),
                seconds,
                answer.cost,
                None if shown_at is None else shown_at - self.started,
                _count(usage, "prompt_tokens"),
                _count(usage, "completion_tokens"),
                answer.finish_reason,
                answer.id,
                trace,
            )
        )
        if answer.cost and not self.context.config.allow_paid:
            self.runtime.emit(Charged(outcome.attempt.model.id, answer.cost))

    async def _answer(self) -> Outcome:
        context, runtime, request = self.context, self.runtime, self.request
        resolved = await context.opened()
        accounts, policy = resolved.accounts, self._policy(resolved.policy)
        need = checked_need(request, allow_paid=context.config.allow_paid, task=policy.task)
        timeout = request.timeout if request.timeout is not None else resolved.timeout
        deadline = None if timeout is None else self.started + timeout

        def left() -> float | None:
            """Seconds left of the caller's timeout."""
            return None if deadline is None else max(0.001, deadline - runtime.clock.now())

        run_guards, flags = await prepared(
            context.config.guards,
            self.client,
            request,
            accounts.values(),
            runtime.run_on_thread,
            left(),
        )
        catalogue = await context.catalogue(
            resolved, wait=_catalogue_wait(policy, left()), required=not policy.preferred
        )
        runtime.endpoint_stats.schedule(accounts.values(), catalogue, context.transport)
        strategy = context.config.strategy
        if callable(strategy):
            policy = await ordered(strategy, runtime, policy, resolved, catalogue, need, left())
        plan = Plan(
            request=request,
            need=need,
            policy=policy,
            catalogue=catalogue,
            accounts=accounts,
            stream=self.show is not None,
            deadline=deadline,
            run_guards=run_guards,
            flags=flags,
            congestion=runtime.ledger.congestion(accounts.values()),
            queue_lengths=runtime.ledger.queue_lengths(accounts.values()),
        )
        return await Driver(runtime, plan, self.journal, self.show, context.transport).run()

    def _policy(self, policy: Policy) -> Policy:
        """The router's policy, with the model this request names and the one its session keeps."""
        named = self.request.model
        if named and named != "auto":
            policy = replace(policy, preferred=unique((named, *policy.preferred)))
        if self.memory is not None:
            policy = self.memory.keeping(policy, self.runtime.state.health, self.started)
        return policy


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    tokens = usage.get(name)
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def _catalogue_wait(policy: Policy, timeout: float | None) -> float | None:
    """Seconds to wait for a first catalogue. A named model soon goes without one, and at once where
    no other model may follow it."""
    if not policy.others:
        return 0.0
    return min(NAMED_WAIT, (timeout or 60.0) / 4) if policy.preferred else timeout
