"""`Router`: the front door. A frozen policy that finds its runtime; equal routers share everything."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..catalogue.model import Catalogue, plausible
from ..catalogue.providers import Account, Provider
from ..checks import names_of, one_of, opinions
from ..errors import BadSetting, FreeRouterError
from ..events import Observer
from ..guards.base import checked as checked_guards
from ..routing.candidates import find_named
from ..routing.need import ALIASES, STRATEGIES, Ranker
from ..routing.task import TASKS
from ..runtime.runtime import Runtime
from ..settings.environment import UNSET, Settings, Unset
from .filters import change_filter
from .queries import Knowing
from .request_run import Asking
from .resolve import Resolved, describe, resolve_router
from .session import Memory, Session, memory_of

NAMED_PATIENCE = 2.0


@dataclass(frozen=True)
class Router(Asking, Knowing):
    """Which models may be asked, in which order, under which limits. Immutable, picklable, cheap to make.

    Args:
        model: "auto", a model id ("author/name:free"), or "provider:name". A named model is tried first, listed or not.
        fallback_models: None: any model may follow. A list: those first, then any. `()`: only `model`.
        api_key: OpenRouter's; else the environment's `OPENROUTER_API_KEY`. In no repr, log or error.
        base_url: OpenRouter's; else `OPENROUTER_BASE_URL`.
        providers: names or `Provider`s. None: OpenRouter, and those in `FREEROUTER_PROVIDERS`. "all": every provider whose
            key the environment holds.
        strategy: "adaptive", "round_robin", "random", "context", "performance", "cost", "availability", or a callable
            `(need, models) -> models`, best first.
        prefer: "speed", "balanced" or "quality": how much a quality prior weighs.
        capabilities: words every model must have: "tools", "vision", "audio", "file", "reasoning", "structured", …
        min_context: tokens.
        task: what requests are about ("code", "reasoning", "creative", "data", "long_context", "vision", "tools", "multilingual"), so that
            models made for it come earlier; "auto" tells it from each request's words.
        min_quality: 0 to 10, against a prior from what the catalogue tells (a published index, else the size).
        min_safety: 0 to 10, against what guards said of a model's answers; one that none has judged has 8.
        quality: your own opinion of models, 0 to 10, by id; it replaces the prior.
        max_latency: seconds to a first token, on average, where known.
        max_cost_per_token: USD; matters with `allow_paid`.
        max_cost_per_request: USD, by what the prompt and `max_tokens` could come to; matters with `allow_paid`.
        daily_budget_usd: USD a UTC day for each account, reserved before a paid model is asked; matters with `allow_paid`.
        daily_cap: requests a UTC day to free models of each account, over whatever limits the provider has.
        allow_paid: whether models that cost money may be asked, after every free one.
        keyless: whether providers that answer without a key may be asked, too.
        privacy: "no-train" keeps to endpoints that do not train on prompts.
        timeout: seconds to an answer, or to a stream's first token, failover included. None: no bound.
        max_retries: attempts after the first. None: as many as the timeout allows.
        max_failures: failures in a row before a model is benched on a guess.
        exclude_failed: seconds of such a bench, e.g. 1800. None: a guess that grows from 20 s to 10 minutes. A wait that a provider states is
            kept to all the same.
        on_stream_break: "raise": a stream that fails after text was shown raises `StreamBroken` with that text. "continue":
            another model continues it, and nothing is said twice.
        tool_streaming: "whole" streams tool calls complete, "fragments" as they come.
        hedge: "auto" or "off".
        guards: who judges answers before they are given, and prompts before they are sent; see `freerouter_core.guards.base`. A guarded
            stream is held until it was judged.
        session_name: requests of one name keep to one model while that is wise; see `Router.session`.
        show_free_only: whether `models()` lists free ones only; None: as `OPENROUTER_SHOW_FREE_ONLY` says.
        prefer_free: whether it lists them first; None: as `OPENROUTER_PREFER_FREE_MODELS` says.
        http_client: an `httpx.AsyncClient` or transport that all requests go through. Not pickled.

    Raises:
        BadSetting: an argument makes no sense.
    """

    model: str = "auto"
    fallback_models: tuple[str, ...] | None = None
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    providers: tuple[str | Provider, ...] | str | None = None
    strategy: str | Ranker = "adaptive"
    prefer: str = "balanced"
    capabilities: tuple[str, ...] = ()
    min_context: int = 0
    task: str | None = None
    min_quality: float = 0.0
    min_safety: float = 0.0
    quality: tuple[tuple[str, float], ...] = ()
    max_latency: float | None = None
    max_cost_per_token: float | None = None
    max_cost_per_request: float | None = None
    daily_budget_usd: float | None = None
    daily_cap: int | None = None
    allow_paid: bool = False
    keyless: bool = False
    privacy: str = "any"
    timeout: float | Unset | None = UNSET
    max_retries: int | None = None
    max_failures: int = 1
    exclude_failed: float | None = None
    on_stream_break: str = "raise"
    tool_streaming: str = "whole"
    hedge: str = "auto"
    guards: tuple[Any, ...] = ()
    session_name: str | None = None
    show_free_only: bool | None = None
    prefer_free: bool | None = None
    http_client: Any = field(default=None, repr=False)
    runtime: Runtime | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "api_key", getattr(self.api_key, "get_secret_value", lambda: self.api_key)() or None)
        put(self, "fallback_models", None if self.fallback_models is None else names_of(self.fallback_models))
        put(self, "capabilities", names_of(self.capabilities))
        if isinstance(self.providers, Provider):
            put(self, "providers", (self.providers,))
        elif self.providers is not None and self.providers != "all":
            names = (self.providers,) if isinstance(self.providers, str) else tuple(self.providers)
            put(self, "providers", names)
        put(self, "model", self.model or "auto")
        for name in (self.model, *(self.fallback_models or ())):
            if not plausible(name):
                raise BadSetting(
                    "no model has such a name", hint='"auto", or an id such as "author/name:free"'
                )
        put(self, "guards", checked_guards(self.guards))
        put(self, "quality", opinions(self.quality))
        if self.task is not None:
            one_of("task", self.task, ("auto", *TASKS))
        if isinstance(self.strategy, str):
            put(self, "strategy", ALIASES.get(self.strategy, self.strategy))
        one_of("prefer", self.prefer, ("speed", "balanced", "quality"))
        one_of("privacy", self.privacy, ("any", "no-train"))
        one_of("on_stream_break", self.on_stream_break, ("raise", "continue"))
        one_of("tool_streaming", self.tool_streaming, ("whole", "fragments"))
        one_of("hedge", self.hedge, ("auto", "off"))
        if not callable(self.strategy):
            one_of(
                "strategy", self.strategy, STRATEGIES, "one of your own must be given as the callable itself"
            )
        if isinstance(self.timeout, (int, float)) and self.timeout <= 0:
            raise BadSetting(f"timeout={self.timeout} must be positive seconds, or None for no bound")
        if self.max_retries is not None and self.max_retries < 0:
            raise BadSetting(f"max_retries={self.max_retries} must not be negative")
        if self.daily_cap is not None and self.daily_cap < 0:
            raise BadSetting(f"daily_cap={self.daily_cap} must not be negative")
        if self.max_failures < 1:
            raise BadSetting(f"max_failures={self.max_failures} must be at least 1")
        if self.exclude_failed is not None and not 0 <= self.exclude_failed < math.inf:
            raise BadSetting(f"exclude_failed={self.exclude_failed} must be seconds, 0 or more")

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _LOCAL}

    def describe(self) -> dict[str, Any]:
        """The policy as plain data, without keys: what tells one router's answers from another's."""
        return describe(self)

    def __copy__(self) -> Router:
        """A router of its own, whose filter may become another; client and runtime are shared."""
        return dataclasses.replace(self)

    def __deepcopy__(self, memo: object) -> Router:
        return dataclasses.replace(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | dict.fromkeys(_LOCAL))

    @property
    def preferred(self) -> tuple[str, ...]:
        """The models to be asked first, in order: the named one, then what the environment and the fallback list say."""
        return self._resolved.policy.preferred

    # -- sessions ---------------------------------------------------------------------------------------------------

    def session(self, name: str, **policy: Any) -> Session:
        """A conversation or a job of several steps that keeps to one model while that is wise. `policy`: what is to be different from
        this router, e.g. `model=` (tried first) and `fallback_models=` (its backups)."""
        if not isinstance(name, str) or not name:
            raise BadSetting(f"session name {name!r} must be a text that is not empty")
        return Session(dataclasses.replace(self, session_name=name, **policy))

    def session_memory(self) -> Memory:
        """What is remembered of this router's session, as it is now."""

        async def work() -> Memory:
            found = self._runtime.sessions.get(self.session_name or "")
            return (
                Memory(self.session_name or "")
                if found is None
                else dataclasses.replace(found, steps=found.steps.copy())
            )

        return self._runtime.call(work)

    def _memory(self) -> Memory | None:
        if self.session_name is None:
            return None
        return memory_of(self._runtime.sessions, self.session_name, self._runtime.clock.now())

    def check(self) -> None:
        """Raise what a first request would raise for its settings: `AuthenticationFailed` without a key, `BadSetting`. Sends nothing."""
        _ = self._resolved

    def set_filter(self, /, **changes: Any) -> dict[str, Any]:
        """Change what this router lists and asks, from the next request on; no other router is changed. Returns the filter as it is now.

        `show_free_only`, `prefer_free`: what `models()` lists, and whether free ones come first. `max_cost_per_token`, `min_context`,
        `min_quality`, `min_safety`, `max_latency`, `capabilities`, `providers`: as the options of those names. None of them makes
        anything be paid for. Raises `BadSetting`.
        """
        return change_filter(self, changes, lambda changed: resolve_router(changed, Settings.load()))

    # -- life -------------------------------------------------------------------------------------------------------

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event of the runtime this router uses. Returns what ends it."""
        return self._runtime.subscribe(observer)

    def grade(self, model: str, points: float) -> None:
        """Give an answer of a model a mark of 0 to 10; marks weigh in the ranking beside the prior of its quality. Raises `BadSetting` where
        no such model is known."""
        if not 0 <= points <= 10:
            raise BadSetting(f"points={points} must be 0 to 10")

        async def work() -> None:
            resolved = await self._opened()
            catalogue = await self._catalogue(resolved, required=False)
            found = find_named(model, catalogue, resolved.accounts)
            if found is None:
                raise BadSetting(f"no model is called {model!r}", hint="router.free_models() lists them")
            self._runtime.state.health.graded(found.key, points)
            self._runtime.notes.tell()

        self._runtime.call(work)

    def flush(self, seconds: float = 10.0) -> None:
        """Wait until observers have been told of every event so far, but not longer than that. Not for observers, who would wait for
        themselves."""
        self._runtime.flush(seconds)

    def reset(self) -> None:
        """Forget benches, failures and speeds: every model starts anew. Limits already spent stay spent."""

        async def work() -> None:
            with contextlib.suppress(FreeRouterError):  # without a key there is nothing of others to reset
                await self._opened()
            self._runtime.state.health.reset()
            self._runtime.state.guards.clear()
            self._runtime.notes.tell()

        self._runtime.call(work)

    def close(self) -> None:
        """Close the runtime this router uses, connections and thread. A later call starts it anew."""
        self._runtime.close()

    # -- resolving --------------------------------------------------------------------------------------------------

    @property
    def _runtime(self) -> Runtime:
        return self.runtime if self.runtime is not None else Runtime.current()

    @property
    def _resolved(self) -> Resolved:
        """The policy with the environment taken in, read once for each router object."""
        found: Resolved | None = self.__dict__.get("_cached")
        while found is None:
            version = self.__dict__.get("_version", 0)
            found = resolve_router(self, Settings.load())
            if self.__dict__.get("_version", 0) == version:
                self.__dict__["_cached"] = found
            else:  # a filter was set meanwhile
                found = None
        return found

    async def _catalogue(
        self, resolved: Resolved, *, wait: float | None = None, required: bool = True
    ) -> Catalogue:
        return await self._runtime.discovery.catalogue(
            resolved.accounts.values(),
            self._transport,
            resolved.settings.free_models_refresh,
            wait=wait,
            required=required,
        )

    def _transport(self, account: Account) -> Any:
        return self._runtime.transport_for(account, self.http_client)


_LOCAL = ("http_client", "runtime")
