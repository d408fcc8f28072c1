"""`RouterReports`: what a router reports of models, limits and itself. No model is asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, get_args

from ..catalogue.model import Catalogue, Mode, Model
from ..errors import BadRequest, BadSetting
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
from ..runtime.key_proof import KeyProof
from ..wire.request import ChatRequest, Prompt
from . import queries
from .answer_cache import kept_answers
from .base import RouterBase
from .context import Context
from .embedding.queries import explain_texts, text_models

T = TypeVar("T")
P = ParamSpec("P")
Query = Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]


class RouterReports(RouterBase):
    """The reports of a router.

    Methods that may wait have a twin for event loops: `aexplain` for `explain`, and so on.
    """

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
        """The chat models whose prompt and completion prices are at most `max_cost_per_token`,
        in USD. Cheapest first."""
        return self._call(queries.affordable_models, max_cost_per_token)

    async def aaffordable_models(self, max_cost_per_token: float) -> Models:
        return await self._acall(queries.affordable_models, max_cost_per_token)

    def models(self, mode: Mode = "chat") -> Models:
        """The models of a mode: "chat", "embedding" or "rerank".

        Chat models are those that pass this router's filter (see `set_filter`), largest context
        first. Free ones come before the others, unless the filter has `prefer_free=False`.
        """
        return self._call(_models, mode)

    async def amodels(self, mode: Mode = "chat") -> Models:
        return await self._acall(_models, mode)

    def safety_classifiers(self) -> Models:
        """The free models that judge whether a text is safe, and do not chat."""
        return self._call(queries.safety_classifiers)

    def random_model(self) -> Model:
        """Return a free model at random. Raises `NoCandidates` if there is none."""
        return self._runtime.rng.choice(queries.at_least_one(self.free_models()))

    def best_model(self) -> Model:
        """The free model with the largest context. Raises `NoCandidates` if there is none."""
        return queries.at_least_one(self.free_models())[0]

    def refresh(self) -> Catalogue:
        """Fetch the catalogue now. Raises `CatalogueUnavailable`."""
        return self._call(queries.refresh)

    async def arefresh(self) -> Catalogue:
        return await self._acall(queries.refresh)

    # -- choices ------------------------------------------------------------------------------

    def explain(
        self, request: Prompt = "", *, mode: Mode = "chat", pin: str | Path | None = None
    ) -> Explanation:
        """The models in the order this request would ask them, then the others and why not. Asks
        none of them.

        Args:
            request: what would be asked.
            mode: "chat", or "embedding" or "rerank" of a text.
            pin: the record of an index, as in `embed`.
        """
        return self._call(_explain, request, mode, pin)

    async def aexplain(
        self, request: Prompt = "", *, mode: Mode = "chat", pin: str | Path | None = None
    ) -> Explanation:
        return await self._acall(_explain, request, mode, pin)

    def estimate_cost(self, request: Prompt, model: str | None = None) -> CostEstimate:
        """What a request would cost at most. A free model costs nothing.

        Args:
            request: the request.
            model: the model to ask. None: the one that would be asked first.

        Raises:
            NoCandidates: no model would be asked.
        """
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
        """The models that suit a description of a task, best first.

        Each has a score of 0 to 100 in five parts: capability, context, provider, free and
        availability.

        Args:
            text: the task in plain words.
            limit: how many models to return.
            capabilities: what a model should have besides what the text tells.
            provider_preference: 0 to 1 by provider. Providers left out have 0.5.
            weights: the most that a part can give. Parts left out keep their weight, which is 45,
                15, 25, 10 and 5.

        Raises:
            BadSetting: a part is unknown, or an argument makes no sense.
        """
        preference, parts = provider_preference or {}, weights or {}
        return self._call(queries.recommendations, text, limit, capabilities, preference, parts)

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
        return await self._acall(
            queries.recommendations, text, limit, capabilities, preference, parts
        )

    # -- health, limits, statistics ---------------------------------------------------------------

    def health(self) -> HealthReport:
        """How many free models are usable now, and what the others wait for."""
        return self._call(queries.health)

    async def ahealth(self, *, wait: float | None = None) -> HealthReport:
        """`wait`: seconds to wait for a first list of models. None: as long as fetching takes."""
        return await self._acall(queries.health, wait)

    def quota(self) -> QuotaReport:
        """How much of every limit is used, and what accounts wait for.

        OpenRouter is asked for its own count of the day, which costs no request. Its count is
        believed from then on.
        """
        return self._call(queries.quota)

    async def aquota(self, *, ask: bool = True) -> QuotaReport:
        """`ask`: whether to ask OpenRouter for its own count."""
        return await self._acall(queries.quota, ask)

    def prove_keys(self) -> tuple[KeyProof, ...]:
        """Whether each provider accepts its key. Asks what costs nothing, and no model.

        Raises:
            AuthenticationFailed: no provider has a key.
        """
        return self._call(queries.prove_keys)

    async def aprove_keys(self) -> tuple[KeyProof, ...]:
        return await self._acall(queries.prove_keys)

    def performance(self, model: str | None = None, hours: float = 24.0) -> PerformanceReport:
        """How models did lately, in all processes that share the state.

        Args:
            model: a model's id. None: all models.
            hours: how far back to look, in whole hours. Records are kept for 30 days.

        Raises:
            BadSetting: `hours` is not positive.
        """
        return self._call(queries.performance, model, hours)

    async def aperformance(
        self, model: str | None = None, hours: float = 24.0
    ) -> PerformanceReport:
        return await self._acall(queries.performance, model, hours)

    def stats(self) -> Stats:
        """The models there are, and what happened since the process began."""
        return self._call(queries.stats)

    async def astats(self) -> Stats:
        return await self._acall(queries.stats)

    def cache_stats(self) -> dict[str, int]:
        """Counts since the process began.

        Of kept answers (`answer_cache`): `hits`, `joined` (equal requests under way were sent
        once), `misses`, `stored` and `dropped`. `requests_saved` and `tokens_saved` were not taken
        from any quota. `entries` and `bytes` are what is kept now.

        Of catalogue fetches: `fetched`, `failed`, `from_disk`, and `avoided` because a list was
        fresh. Of scans of endpoint statistics: `scanned`, `scans_failed` and `scans_avoided`. A
        scan is good for seven days, and only free models are scanned.
        """
        return self._call(kept_answers.stats)

    def kept_answers(self, limit: int = 20) -> list[dict[str, Any]]:
        """The answers that were kept last, whether `answer_cache` is on or not: their keys, models,
        ages in seconds, sizes in bytes, and texts. What else is kept beside them is left out."""
        return self._call(kept_answers.newest, limit)

    def clear_cache(self, older: float | None = None) -> int:
        """Forget kept answers, in all processes that share them. Returns how many.

        Args:
            older: only those of more than so many seconds. None: all.
        """
        return self._call(kept_answers.clear, older)

    def grade(self, model: str, points: float) -> None:
        """Grade an answer of a model. Grades count in the ranking beside the model's quality.

        Args:
            model: the model's id.
            points: 0 to 10.

        Raises:
            BadSetting: the model is unknown, or the points are out of range.
        """
        self._call(queries.grade, model, points)

    def reset(self) -> None:
        """Forget benches, failures and speeds of all models. Requests that count against limits
        stay counted."""
        self._call(queries.reset)


async def _models(context: Context, mode: Mode) -> Models:
    _check_mode(mode)
    return await (queries.models(context) if mode == "chat" else text_models(context, mode))


async def _explain(
    context: Context, request: Prompt, mode: Mode, pin: str | Path | None
) -> Explanation:
    _check_mode(mode)
    if mode == "chat":
        return await queries.explain(context, ChatRequest.of(request))
    if not isinstance(request, str):
        raise BadRequest(f"explain takes one text for mode={mode!r}")
    return await explain_texts(context, request, mode, pin)


def _check_mode(mode: object) -> None:
    if mode not in get_args(Mode):
        raise BadSetting(f"mode={mode!r} is not known", hint="chat, embedding or rerank")
