"""`RouterReports`: what a router tells about models, limits and itself, without asking a model."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..catalogue.model import Catalogue, Model
from ..reports import (
    CostEstimate,
    Explanation,
    HealthReport,
    Models,
    PerformanceReport,
    QuotaReport,
    Recommendations,
    Stats,
)
from ..wire.request import ChatRequest, Prompt
from . import queries
from .base import RouterBase
from .context import Context

T = TypeVar("T")
P = ParamSpec("P")
Query = Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]


class RouterReports(RouterBase):
    """The questions a router answers. What may wait has a twin with `a` before its name for event
    loops: `aexplain`, `aquota`, …"""

    def _call(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        context = self._context
        return context.runtime.call(lambda: query(context, *args, **kwargs))

    async def _acall(self, query: Query[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        context = self._context
        return await context.runtime.acall(lambda: query(context, *args, **kwargs))

    # -- models -------------------------------------------------------------------------------

    def free_models(self) -> Models:
        """The free chat models of this router's providers, largest context first."""
        return self._call(queries.free_models)

    async def afree_models(self) -> Models:
        return await self._acall(queries.free_models)

    def affordable_models(self, max_cost_per_token: float) -> Models:
        """Chat models whose prompt and completion prices are at most that many USD a token, cheapest
        first."""
        return self._call(queries.affordable_models, max_cost_per_token)

    async def aaffordable_models(self, max_cost_per_token: float) -> Models:
        return await self._acall(queries.affordable_models, max_cost_per_token)

    def models(self) -> Models:
        """The chat models that pass this router's filter (see `set_filter`): free ones first unless
        it says otherwise, then by context, largest first. Listing a model does not ask it."""
        return self._call(queries.models)

    async def amodels(self) -> Models:
        return await self._acall(queries.models)

    def safety_classifiers(self) -> Models:
        """The free models that judge whether a text is safe, and do not chat."""
        return self._call(queries.safety_classifiers)

    def random_model(self) -> Model:
        """A free model at random. Raises `NoCandidates` if there is none."""
        return self._runtime.rng.choice(queries.some(self.free_models()))

    def best_model(self) -> Model:
        """The free model with the largest context. Raises `NoCandidates` if there is none."""
        return queries.some(self.free_models())[0]

    def refresh(self) -> Catalogue:
        """Fetch the catalogue now. Raises `CatalogueUnavailable`."""
        return self._call(queries.refresh)

    async def arefresh(self) -> Catalogue:
        return await self._acall(queries.refresh)

    # -- choices ------------------------------------------------------------------------------

    def explain(self, request: Prompt = "") -> Explanation:
        """The models in the order this request would ask them, and why each other one would not be
        asked. Sends nothing."""
        return self._call(queries.explain, ChatRequest.of(request))

    async def aexplain(self, request: Prompt = "") -> Explanation:
        return await self._acall(queries.explain, ChatRequest.of(request))

    def estimate_cost(self, request: Prompt, model: str | None = None) -> CostEstimate:
        """What a request would cost at most, in USD: 0 for a free model. `model` None: the one that
        would be asked first. Raises `NoCandidates` where no model would be asked."""
        return self._call(queries.estimate_cost, ChatRequest.of(request), model)

    async def aestimate_cost(self, request: Prompt, model: str | None = None) -> CostEstimate:
        return await self._acall(queries.estimate_cost, ChatRequest.of(request), model)

    def recommend(
        self,
        text: str,
        limit: int = 5,
        *,
        capabilities: Sequence[str] = (),
        provider_preference: Mapping[str, float] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Recommendations:
        """The models that suit a request in plain words, best first, each with a score of 0 to 100
        and its five parts. Sends nothing.

        `capabilities`: what a model should have besides what the words tell. `provider_preference`:
        0 to 1 by provider. `weights`: the most each part may give; what is left out is as in
        `routing.recommend.WEIGHTS`. Raises `BadSetting` for an unknown part.
        """
        preference, parts = provider_preference or {}, weights or {}
        return self._call(queries.recommended, text, limit, capabilities, preference, parts)

    async def arecommend(
        self,
        text: str,
        limit: int = 5,
        *,
        capabilities: Sequence[str] = (),
        provider_preference: Mapping[str, float] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Recommendations:
        preference, parts = provider_preference or {}, weights or {}
        return await self._acall(queries.recommended, text, limit, capabilities, preference, parts)

    # -- health, limits, statistics ---------------------------------------------------------------

    def health(self) -> HealthReport:
        """How many free models are usable now, and what the others wait for."""
        return self._call(queries.health)

    async def ahealth(self, *, wait: float | None = None) -> HealthReport:
        """`wait`: seconds to wait for a first list of models; None: as long as fetching takes."""
        return await self._acall(queries.health, wait)

    def quota(self) -> QuotaReport:
        """What is used of every limit, and what accounts wait for. OpenRouter is asked for its own
        count of the day, which costs nothing; its count is believed from then on."""
        return self._call(queries.quota)

    async def aquota(self, *, ask: bool = True) -> QuotaReport:
        """`ask`: whether OpenRouter is asked for its own count."""
        return await self._acall(queries.quota, ask)

    def performance(self, model: str | None = None, hours: float = 24.0) -> PerformanceReport:
        """How models did in the last `hours`, by whole hours, in all processes that share the state.
        Kept for 30 days."""
        return self._call(queries.performance, model, hours)

    async def aperformance(
        self, model: str | None = None, hours: float = 24.0
    ) -> PerformanceReport:
        return await self._acall(queries.performance, model, hours)

    def stats(self) -> Stats:
        """What there is, and what happened since the process began: models, capabilities, catalogue
        fetches, requests, sessions."""
        return self._call(queries.stats)

    async def astats(self) -> Stats:
        return await self._acall(queries.stats)

    def cache_stats(self) -> dict[str, int]:
        """Counts since the process began. Of catalogue fetches: `fetched`, `failed`, `from_disk`,
        `avoided` (a fresh list was at hand). Of looks at models' endpoints: `scanned`,
        `scans_failed`, `scans_avoided` (each is good for seven days; paid models are never
        scanned)."""
        return dict(self._runtime.discovery.stats)

    def grade(self, model: str, points: float) -> None:
        """Give an answer of a model 0 to 10 points. Grades weigh in the ranking beside the prior of
        its quality. Raises `BadSetting` for an unknown model."""
        self._call(queries.grade, model, points)

    def reset(self) -> None:
        """Forget benches, failures and speeds: every model starts anew. Requests already counted
        against limits stay counted."""
        self._call(queries.reset)
