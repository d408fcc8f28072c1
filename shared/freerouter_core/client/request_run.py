"""`RequestRun`: one chat request, from the caller's prompt to its outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..guards.base import ChatClient
from ..guards.run import RequestGuards
from ..routing.named import find_named
from ..routing.need import Need, checked_need
from ..routing.policy import Policy
from ..routing.ruling import Flag
from ..routing.session_memory import SessionMemory
from ..runtime.stream_output import Show
from ..wire.history import readable
from ..wire.json_values import Json
from ..wire.request import ChatRequest
from .asked_model import NOBODY, AskedModel, check_free
from .context import Context
from .custom_strategy import apply_strategy
from .operation_run import GuardCheck, Left, OperationRun
from .resolve import unique

NAMED_WAIT = 2.0
"""The most seconds that a request for a named model waits for a first catalogue."""


class RequestRun(OperationRun[ChatRequest]):
    """One chat request.

    Args:
        context: the configuration and what it uses.
        client: what guards may ask a model through.
        request: the request.
        show: gets the deltas of a stream. None: nothing is streamed.
        read: what `read_request` made of the request, if that was done.
    """

    def __init__(
        self,
        context: Context,
        client: ChatClient,
        request: ChatRequest,
        show: Show | None = None,
        read: Json | None = None,
    ) -> None:
        super().__init__(context, request, show)
        self.client = client
        self._read = read

    def _memory(self) -> SessionMemory | None:
        return self.context.session_memory()

    def _need(self, policy: Policy, *, may_charge: bool) -> Need:
        read = self._read
        self.request = readable(self.request) if read is None else self.request.but(**read)
        return checked_need(self.request, allow_paid=may_charge, task=policy.task)

    async def _models(self, policy: Policy, left: Left) -> Catalogue:
        context, resolved = self.context, self.context.resolved
        accounts = resolved.accounts
        catalogue = await context.catalogue(
            resolved, wait=_catalogue_wait(policy, left()), required=not policy.preferred
        )
        stats = self.runtime.endpoint_stats
        stats.schedule(accounts.values(), catalogue, context.transport)
        if not resolved.may_charge:
            check_free(self.request.fallback_models, catalogue, accounts)
        self.asked = _asked(policy, catalogue, accounts)
        return catalogue

    async def _ranked(self, policy: Policy, need: Need, left: Left) -> Policy:
        context, strategy = self.context, self.context.config.strategy
        if not callable(strategy):
            return policy
        return await apply_strategy(
            strategy, self.runtime, context.resolved, policy, self.catalogue, need, left()
        )

    def _pending(self) -> bool:
        return self.runtime.discovery.pending(self.context.resolved.accounts.values())

    async def _guards(self, left: Left) -> tuple[GuardCheck, tuple[Flag, ...]]:
        if not self.context.config.guards:
            return None, ()
        accounts = self.context.resolved.accounts.values()
        guards = RequestGuards(self.context.config.guards, self.client, self.request, accounts)
        flags = await guards.check_prompt(self.runtime.run_on_thread, left())
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


def _asked(policy: Policy, catalogue: Catalogue, accounts: Mapping[str, Account]) -> AskedModel:
    """The model that is to be asked first, if somebody named one."""
    if not policy.preferred:
        return NOBODY
    name = policy.preferred[0]
    model = find_named(name, catalogue, accounts)
    return AskedModel(name, "" if model is None else model.id)


def _catalogue_wait(policy: Policy, timeout: float | None) -> float:
    """Seconds to wait for a first catalogue. A request for a named model soon goes without one. It
    does not wait at all if no other model may follow."""
    if not policy.others:
        return 0.0
    if policy.preferred:
        return min(NAMED_WAIT, (timeout or 60.0) / 4)
    return math.inf if timeout is None else timeout
