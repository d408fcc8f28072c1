"""`Knowing`: what a router can tell of models, accounts and its own choices, without sending a request."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..catalogue.calendar import DAY, period
from ..catalogue.model import Catalogue, Model
from ..catalogue.providers import Account
from ..errors import BadSetting, FreeRouterError, NoCandidates
from ..guards.base import classifiers_in
from ..reports.data import (
    CostEstimate,
    Explanation,
    HealthReport,
    Performance,
    PerformanceReport,
    QuotaLine,
    QuotaReport,
    Recommendations,
    Stats,
)
from ..reports.tables import Models
from ..routing.candidates import find_named
from ..routing.fit import able
from ..routing.limits import Charge, charges_of
from ..routing.need import Need, need_of
from ..routing.recommend import WEIGHTS, check_wish, recommend
from ..routing.task import analyse
from ..routing.usage_stats import HOUR, KEPT, Tally, add
from ..runtime.key_status import ask_standing
from ..wire.request import ChatRequest
from .custom_strategy import ordered
from .model_status import candidacies
from .resolve import Resolved, unique
from .session import SessionStats, memory_of

if TYPE_CHECKING:
    from ..runtime.runtime import Runtime

Prompt = str | list[dict[str, Any]] | ChatRequest


class Knowing:
    """The questions a `Router` answers; it brings its runtime, its resolved policy and its catalogue."""

    if TYPE_CHECKING:
        strategy: Any
        session_name: str | None
        show_free_only: bool | None
        prefer_free: bool | None
        max_cost_per_token: float | None

        @property
        def _runtime(self) -> Runtime: ...
        @property
        def _resolved(self) -> Resolved: ...
        async def _catalogue(
            self, resolved: Resolved, *, wait: float | None = None, required: bool = True
        ) -> Catalogue: ...
        def _transport(self, account: Any) -> Any: ...

    async def _opened(self) -> Resolved:
        """The resolved policy, once what other processes know is known here, too."""
        resolved, runtime = self._resolved, self._runtime
        if not all(account.simulated for account in resolved.accounts.values()):
            runtime.keep_state(resolved.settings.freerouter_state)
        await runtime.notes.read()
        return resolved

    def free_models(self) -> Models:
        """The free chat models of this router's providers, largest context first."""
        return self._runtime.call(self.afree_models)

    async def afree_models(self) -> Models:
        return await self._known(lambda catalogue: catalogue.free())

    def affordable_models(self, max_cost_per_token: float) -> Models:
        """Chat models whose prompt and completion prices are at most that many USD a token, cheapest first."""
        return self._runtime.call(lambda: self.aaffordable_models(max_cost_per_token))

    async def aaffordable_models(self, max_cost_per_token: float) -> Models:
        def pick(catalogue: Catalogue) -> list[Model]:
            found = [
                m
                for m in catalogue
                if m.chat and max(m.prompt_price, m.completion_price) <= max_cost_per_token
            ]
            found = [m for m in found if m.free or m.prompt_price + m.completion_price > 0]
            return sorted(found, key=lambda m: (m.prompt_price + m.completion_price, -m.context, m.id))

        return await self._known(pick)

    def models(self) -> Models:
        """The chat models this router's filter lets through (see `set_filter`), free ones first unless it says otherwise; largest context
        first. Listing a model that costs money is not asking it."""
        return self._runtime.call(self.amodels)

    async def amodels(self) -> Models:
        settings, policy = self._resolved.settings, self._resolved.policy
        only = settings.openrouter_show_free_only if self.show_free_only is None else self.show_free_only
        first = settings.openrouter_prefer_free_models if self.prefer_free is None else self.prefer_free
        listing = dataclasses.replace(policy, allow_paid=not only, max_cost_per_token=self.max_cost_per_token)

        def pick(catalogue: Catalogue) -> list[Model]:
            found = [m for m in catalogue if m.chat and m.context >= policy.min_context]
            found = [m for m in found if able(m, Need(output_tokens=0), listing) is None]
            return sorted(found, key=lambda m: (first and not m.free, -m.context, m.id))

        return await self._known(pick)

    def random_model(self) -> Model:
        """A free model at random. Raises `NoCandidates` if there is none."""
        return self._runtime.rng.choice(_some(self.free_models()))

    def best_model(self) -> Model:
        """The free model with the largest context. Raises `NoCandidates` if there is none."""
        return _some(self.free_models())[0]

    def refresh(self) -> Catalogue:
        """Fetch the catalogue now. Raises `CatalogueUnavailable`."""
        return self._runtime.call(self.arefresh)

    async def arefresh(self) -> Catalogue:
        async def work() -> Catalogue:
            resolved = await self._opened()
            return await self._runtime.discovery.refresh(resolved.accounts.values(), self._transport)

        return await self._runtime.acall(work)

    def health(self) -> HealthReport:
        """How many free models are usable now, and what the others wait for."""
        return self._runtime.call(self.ahealth)

    async def ahealth(self, *, wait: float | None = None) -> HealthReport:
        """`wait`: seconds a first list of models is waited for; None: as long as fetching one may take."""

        async def work() -> HealthReport:
            resolved = await self._opened()
            catalogue = await self._catalogue(resolved, wait=wait)
            # what it would ask, but for the order: the named model and all others
            preferred = () if resolved.policy.others else resolved.policy.preferred
            policy = dataclasses.replace(resolved.policy, allow_paid=False, preferred=preferred)
            rows = await candidacies(self._runtime, catalogue, resolved, Need(output_tokens=0), policy)
            now = self._runtime.clock.now()
            return HealthReport(
                rows=tuple(rows),
                listed=len(catalogue),
                age=max(0.0, now - catalogue.fetched) if len(catalogue) else None,
                accounts=tuple(account.provider for account in resolved.accounts.values()),
                simulated=any(account.simulated for account in resolved.accounts.values()),
            )

        return await self._runtime.acall(work)

    def explain(self, request: Prompt = "") -> Explanation:
        """Who would be asked for this request, in which order, and why each other would not. Sends nothing."""
        wanted = ChatRequest.of(request)
        return self._runtime.call(lambda: self.aexplain(wanted))

    async def aexplain(self, request: Prompt = "") -> Explanation:
        wanted = ChatRequest.of(request)

        async def work() -> Explanation:
            resolved = await self._opened()
            catalogue = await self._catalogue(resolved)
            need, policy = need_of(wanted, resolved.policy.task), resolved.policy
            if wanted.model and wanted.model != "auto":
                policy = dataclasses.replace(policy, preferred=unique((wanted.model, *policy.preferred)))
            if self.session_name is not None:
                runtime = self._runtime
                memory = memory_of(runtime.sessions, self.session_name, runtime.clock.now())
                policy = memory.keeping(policy, runtime.state.health, runtime.clock.now())
            if callable(self.strategy):
                policy = await ordered(self.strategy, self._runtime, policy, resolved, catalogue, need)
            return Explanation(tuple(await candidacies(self._runtime, catalogue, resolved, need, policy)))

        return await self._runtime.acall(work)

    def estimate_cost(self, request: Prompt, model: str | None = None) -> CostEstimate:
        """What a request would cost at most, in USD: 0 for a free model. `model` None: the one that would be asked first.

        Raises `NoCandidates` where no model would be asked.
        """
        wanted = ChatRequest.of(request)
        return self._runtime.call(lambda: self.aestimate_cost(wanted, model))

    async def aestimate_cost(self, request: Prompt, model: str | None = None) -> CostEstimate:
        wanted = ChatRequest.of(request)

        async def work() -> CostEstimate:
            resolved = await self._opened()
            catalogue = await self._catalogue(resolved)
            need = need_of(wanted, resolved.policy.task)
            if model is None:
                rows = await candidacies(self._runtime, catalogue, resolved, need, resolved.policy)
                chosen = _some([row.model for row in rows if row.reason is None])[0]
            else:
                chosen = find_named(model, catalogue, resolved.accounts) or Model(model, listed=False)
            cost = chosen.cost(need.prompt_tokens, need.output_tokens)
            usd = cost if cost < math.inf else None
            source = f"catalogue of {chosen.provider}" if chosen.listed else "not listed"
            tier = "free" if chosen.free else "paid"
            return CostEstimate(chosen.id, tier, need.prompt_tokens, need.output_tokens, usd, source)

        return await self._runtime.acall(work)

    def safety_classifiers(self) -> Models:
        """The free models that judge whether a text is safe, and do not chat."""
        return self._runtime.call(lambda: self._known(lambda catalogue: classifiers_in(catalogue)))

    def recommend(
        self,
        text: str,
        limit: int = 5,
        *,
        capabilities: Sequence[str] = (),
        provider_preference: Mapping[str, float] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Recommendations:
        """The models that suit a request in plain words, best first, with a score of 0 to 100 and its five parts. Sends nothing.

        `capabilities`: what they should have besides what the words tell. `provider_preference`: 0 to 1 by provider. `weights`: the most
        that a part may give, where it is not to be as in `routing.recommend.WEIGHTS`. Raises `BadSetting` for a part that is none.
        """
        return self._runtime.call(
            lambda: self.arecommend(
                text,
                limit,
                capabilities=capabilities,
                provider_preference=provider_preference,
                weights=weights,
            )
        )

    async def arecommend(
        self,
        text: str,
        limit: int = 5,
        *,
        capabilities: Sequence[str] = (),
        provider_preference: Mapping[str, float] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Recommendations:
        check_wish(text, limit, provider_preference or {}, weights or {})
        capabilities = (capabilities,) if isinstance(capabilities, str) else capabilities

        async def work() -> Recommendations:
            resolved, runtime = await self._opened(), self._runtime
            catalogue = await self._catalogue(resolved)
            paid = resolved.policy.allow_paid
            found = recommend(
                [model for model in catalogue if model.chat and (model.free or paid)],
                analyse(text),
                capabilities,
                provider_preference or {},
                {**WEIGHTS, **(weights or {})},
                runtime.state.health,
                runtime.clock.now(),
            )
            return Recommendations(found[:limit])

        return await self._runtime.acall(work)

    def stats(self) -> Stats:
        """What there is and what happened since the process began: models, capabilities, lists, requests, sessions."""
        return self._runtime.call(self.astats)

    async def astats(self) -> Stats:
        async def work() -> Stats:
            runtime = self._runtime
            catalogue = await self._catalogue(await self._opened(), required=False)
            sessions = tuple(SessionStats.of(memory) for memory in runtime.sessions.values())
            return Stats.of(catalogue, runtime.counts, self.cache_stats(), sessions)

        return await self._runtime.acall(work)

    def quota(self) -> QuotaReport:
        """What is spent of every limit that something was taken of, and what accounts wait for. OpenRouter is asked for its own count
        of the day, which costs nothing; what it says is believed from then on."""
        return self._runtime.call(self.aquota)

    async def aquota(self, *, ask: bool = True) -> QuotaReport:
        """`ask` False: by what is known here alone."""

        async def work() -> QuotaReport:
            runtime, resolved = self._runtime, await self._opened()
            catalogue = await self._catalogue(resolved, required=False)
            now, lines = runtime.clock.now(), []
            book = runtime.state.health
            accounts = list(resolved.accounts.values())
            asked = (ask_standing(account, self._transport(account)) for account in accounts)
            days = await asyncio.gather(*asked) if ask else [None] * len(accounts)
            for account, day in zip(accounts, days, strict=True):
                if day is not None:
                    ends = period("utc-day", DAY, now)[1]
                    book.reconcile_day(account.scope, day.spent, ends)
                    lines.append(
                        QuotaLine(
                            account.provider, "account", "requests", day.used, day.limit, DAY, "utc-day"
                        )
                    )
                models = [model for model in catalogue if model.provider == account.provider and model.free]
                charges = dict.fromkeys(charge for model in models for charge in charges_of(account, model))
                for charge in charges:
                    used = await runtime.ledger.used(charge)
                    if used or charge.limit.scope == "account":
                        lines.append(_line(account, charge, used))
            runtime.notes.tell()
            benches = book.accounts
            waits = {
                account.provider: (bench.cause, bench.until - now)
                for account in resolved.accounts.values()
                if (bench := benches.get(account.scope)) is not None and bench.until > now
            }
            return QuotaReport(tuple(lines), waits)

        return await self._runtime.acall(work)

    def performance(self, model: str | None = None, hours: float = 24.0) -> PerformanceReport:
        """How models have done in the last `hours`, by whole hours, in all processes that share the state; kept for 30 days."""
        return self._runtime.call(lambda: self.aperformance(model, hours))

    async def aperformance(self, model: str | None = None, hours: float = 24.0) -> PerformanceReport:
        if not 0 < hours < math.inf:
            raise BadSetting(f"hours={hours!r} must be positive")

        async def work() -> PerformanceReport:
            runtime = self._runtime
            with contextlib.suppress(FreeRouterError):  # what was done is told without a key, too
                await self._opened()
            await runtime.notes.tell_history()
            told = await runtime.ledger.history(int(runtime.clock.now() // HOUR - min(hours, KEPT)))
            sums: dict[tuple[str, str], Tally] = {}
            total: Tally = {}
            for (_, name), tally in told.items():
                provider, _, ident = json.loads(name)
                if model is None or model in (ident, f"{provider}:{ident}"):
                    add(sums.setdefault((provider, ident), {}), tally)
                    add(total, tally)
            rows = [Performance.of(ident, provider, tally) for (provider, ident), tally in sums.items()]
            rows.sort(key=lambda row: (-row.answers - row.failures, row.model))
            return PerformanceReport(tuple(rows), Performance.of("all", "", total), hours)

        return await self._runtime.acall(work)

    def cache_stats(self) -> dict[str, int]:
        """How often lists of models were fetched, failed to be, were read from disk, and were not needed because a fresh one was
        at hand ("avoided"); and the same of looks at what is told of each model's endpoints ("scanned", "scans_failed", "scans_avoided"):
        good for seven days, paid models never. Since the process began."""
        return dict(self._runtime.discovery.stats)

    async def _known(self, pick: Callable[[Catalogue], list[Model]]) -> Models:
        async def work() -> Models:
            return Models(pick(await self._catalogue(await self._opened())))

        return await self._runtime.acall(work)


def _some(models: list[Model]) -> list[Model]:
    if not models:
        raise NoCandidates("no free model is listed at the moment")
    return models


def _line(account: Account, charge: Charge, used: float) -> QuotaLine:
    limit = charge.limit
    kinds = (("requests", limit.requests), ("tokens", limit.tokens), ("concurrent", limit.concurrent))
    kind, size = next((kind, size) for kind, size in kinds if size is not None)
    scope = limit.scope if limit.scope != "model" else charge.scope.rpartition("|")[2]
    return QuotaLine(account.provider, scope, kind, used, size, limit.per, limit.reset)
