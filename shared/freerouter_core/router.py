"""`Router`: the front door. A frozen policy that finds its runtime; equal routers share everything."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from .catalogue.model import Catalogue, Model
from .catalogue.providers import Account, Provider, read_rows, resolve
from .errors import AuthenticationFailed, BadSetting, NoCandidates
from .events import Answered, Charged, Observer, log
from .reports import Candidacy, Explanation, HealthReport
from .routing.engine import Outcome, Plan
from .routing.field import Field, explain
from .routing.need import STRATEGIES, Need, Policy, Ranker, need_of
from .runtime.driver import Drive, Show
from .runtime.runtime import Runtime
from .settings import UNSET, Settings, Unset
from .wire.request import ChatRequest, check
from .wire.stream import Delta

Prompt = str | list[dict[str, Any]] | ChatRequest
_SIMULATED = Account(
    "openrouter", "https://simulated.invalid/api/v1", "simulated", "openrouter", "suffix", (), (), simulated=True
)


@dataclass(frozen=True)
class Resolved:
    """A router's policy with the environment taken in."""

    settings: Settings
    accounts: dict[str, Account]
    policy: Policy
    timeout: float | None


@dataclass(frozen=True)
class Router:
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
        max_latency: seconds to a first token, on average, where known.
        max_cost_per_token: USD; matters with `allow_paid`.
        allow_paid: whether models that cost money may be asked, after every free one.
        privacy: "no-train" keeps to endpoints that do not train on prompts.
        timeout: seconds to an answer, or to a stream's first token, failover included. None: no bound.
        max_retries: attempts after the first. None: as many as the timeout allows.
        max_failures: failures in a row before a model is benched on a guess.
        tool_streaming: "whole" streams tool calls complete, "fragments" as they come.
        hedge: "auto" or "off".
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
    max_latency: float | None = None
    max_cost_per_token: float | None = None
    allow_paid: bool = False
    privacy: str = "any"
    timeout: float | None | Unset = UNSET
    max_retries: int | None = None
    max_failures: int = 1
    tool_streaming: str = "whole"
    hedge: str = "auto"
    http_client: Any = field(default=None, repr=False)
    runtime: Runtime | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "api_key", getattr(self.api_key, "get_secret_value", lambda: self.api_key)() or None)
        put(self, "fallback_models", None if self.fallback_models is None else _names(self.fallback_models))
        put(self, "capabilities", _names(self.capabilities))
        if isinstance(self.providers, Provider):
            put(self, "providers", (self.providers,))
        elif self.providers is not None and self.providers != "all":
            names = (self.providers,) if isinstance(self.providers, str) else tuple(self.providers)
            put(self, "providers", names)
        put(self, "model", self.model or "auto")
        _one_of("prefer", self.prefer, ("speed", "balanced", "quality"))
        _one_of("privacy", self.privacy, ("any", "no-train"))
        _one_of("tool_streaming", self.tool_streaming, ("whole", "fragments"))
        _one_of("hedge", self.hedge, ("auto", "off"))
        if not callable(self.strategy):
            _one_of("strategy", self.strategy, STRATEGIES)
        if isinstance(self.timeout, (int, float)) and self.timeout <= 0:
            raise BadSetting(f"timeout={self.timeout} must be positive seconds, or None for no bound")
        if self.max_retries is not None and self.max_retries < 0:
            raise BadSetting(f"max_retries={self.max_retries} must not be negative")
        if self.max_failures < 1:
            raise BadSetting(f"max_failures={self.max_failures} must be at least 1")

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _LOCAL}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | dict.fromkeys(_LOCAL))

    # -- asking -----------------------------------------------------------------------------------------------------

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
        """On the runtime's loop: everything from a request to its outcome."""
        runtime = self._runtime
        started = runtime.clock.now()
        resolved = self._resolved
        check(request, allow_paid=self.allow_paid)
        timeout = request.timeout if request.timeout is not None else resolved.timeout
        policy = resolved.policy
        if request.model and request.model != "auto":
            policy = dataclasses.replace(policy, preferred=_unique((request.model, *policy.preferred)))
        catalogue = await self._catalogue(resolved, wait=policy.others)
        need = need_of(request)
        if callable(self.strategy):
            policy = await self._ordered(policy, resolved, catalogue, need)
        plan = Plan(
            request=request,
            need=need,
            policy=policy,
            catalogue=catalogue,
            accounts=resolved.accounts,
            stream=show is not None,
            deadline=None if timeout is None else started + timeout,
        )
        outcome = await Drive(runtime, plan, show, self.http_client).run()
        answer = outcome.answer
        runtime.emit(
            Answered(
                answer.model, outcome.provider, len(outcome.attempts), runtime.clock.now() - started, answer.cost
            )
        )
        if answer.cost and not self.allow_paid:
            runtime.emit(Charged(outcome.attempt.model.id, answer.cost))
        return outcome

    async def _ordered(self, policy: Policy, resolved: Resolved, catalogue: Catalogue, need: Need) -> Policy:
        """The order a user's own strategy gives, asked on a thread of its own."""
        runtime, strategy = self._runtime, self.strategy
        now = runtime.clock.now()
        field_ = Field.of(catalogue, resolved.accounts, need, policy, runtime.state.health, now, None)
        models = [c.model for c in field_.candidates if not c.named]
        if not callable(strategy):
            return policy
        ranked = await runtime.elsewhere(lambda: list(strategy(need, models)))
        return dataclasses.replace(policy, order={model.id: n for n, model in enumerate(ranked)})

    # -- knowing ----------------------------------------------------------------------------------------------------

    def free_models(self) -> list[Model]:
        """The free chat models of this router's providers, largest context first."""
        return self._runtime.call(self.afree_models)

    async def afree_models(self) -> list[Model]:
        return await self._known(lambda catalogue: catalogue.free())

    def affordable_models(self, max_cost_per_token: float) -> list[Model]:
        """Chat models whose prompt and completion prices are at most that many USD a token, cheapest first."""
        return self._runtime.call(lambda: self.aaffordable_models(max_cost_per_token))

    async def aaffordable_models(self, max_cost_per_token: float) -> list[Model]:
        def pick(catalogue: Catalogue) -> list[Model]:
            found = [m for m in catalogue if m.chat and max(m.prompt_price, m.completion_price) <= max_cost_per_token]
            found = [m for m in found if m.free or m.prompt_price + m.completion_price > 0]
            return sorted(found, key=lambda m: (m.prompt_price + m.completion_price, -m.context, m.id))

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
            resolved = self._resolved
            return await self._runtime.discovery.refresh(resolved.accounts.values(), self._transport)

        return await self._runtime.acall(work)

    def health(self) -> HealthReport:
        """How many free models are usable now, and what the others wait for."""
        return self._runtime.call(self.ahealth)

    async def ahealth(self) -> HealthReport:
        async def work() -> HealthReport:
            resolved = self._resolved
            catalogue = await self._catalogue(resolved)
            policy = Policy(retry_attempts=1)
            rows = self._candidacies(catalogue, resolved, Need(output_tokens=0), policy)
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
            resolved = self._resolved
            catalogue = await self._catalogue(resolved)
            need, policy = need_of(wanted), resolved.policy
            if wanted.model and wanted.model != "auto":
                policy = dataclasses.replace(policy, preferred=_unique((wanted.model, *policy.preferred)))
            if callable(self.strategy):
                policy = await self._ordered(policy, resolved, catalogue, need)
            return Explanation(tuple(self._candidacies(catalogue, resolved, need, policy)))

        return await self._runtime.acall(work)

    def _candidacies(
        self, catalogue: Catalogue, resolved: Resolved, need: Need, policy: Policy
    ) -> list[Candidacy]:
        runtime = self._runtime
        now, book = runtime.clock.now(), runtime.state.health
        field_ = Field.of(catalogue, resolved.accounts, need, policy, book, now, None, runtime.state.requests + 1)
        rows = [
            Candidacy(c.model, None, state, None if until is None else until - now, book.models.get(c.model.key))
            for c, state, until in explain(field_.candidates, book, now)
        ]
        by_id = {model.id: model for model in catalogue}
        for name, reason in field_.skipped.items():
            rows.append(Candidacy(by_id.get(name) or Model(name, listed=False), reason))
        return rows

    # -- life -------------------------------------------------------------------------------------------------------

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event of the runtime this router uses. Returns what ends it."""
        return self._runtime.subscribe(observer)

    def reset(self) -> None:
        """Forget benches, failures and speeds: every model starts anew. Limits already spent stay spent."""

        async def work() -> None:
            self._runtime.state.health.reset()
            self._runtime.state.guards.clear()

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
        if found is None:
            found = self._resolve(Settings.load())
            self.__dict__["_cached"] = found
        return found

    def _resolve(self, settings: Settings) -> Resolved:
        accounts = self._accounts(settings)
        preferred = () if self.model == "auto" else (self.model,)
        others = self.fallback_models is None or bool(self.fallback_models)
        if self.fallback_models is None:
            preferred += (*settings.default_models, *settings.fallback_models)
        else:
            preferred += self.fallback_models
            if not preferred:
                preferred = settings.default_models
        if not preferred and not others:
            raise BadSetting(
                'model="auto" with fallback_models=() leaves no model to ask',
                hint="name a model, or leave fallback_models out",
            )
        ceiling = self.max_cost_per_token
        if ceiling is None and self.allow_paid:
            ceiling = settings.openrouter_max_cost_per_token
        policy = Policy(
            preferred=_unique(preferred),
            others=others,
            strategy=self.strategy if isinstance(self.strategy, str) else "adaptive",
            prefer=self.prefer,
            capabilities=frozenset(self.capabilities),
            min_context=self.min_context,
            max_latency=self.max_latency,
            max_cost_per_token=ceiling,
            allow_paid=self.allow_paid,
            max_retries=self.max_retries,
            max_failures=self.max_failures,
            retry_attempts=settings.openrouter_retry_attempts,
            backoff_base=settings.openrouter_retry_backoff_base,
            backoff_max=settings.openrouter_retry_backoff_max,
            backoff_jitter=settings.openrouter_retry_jitter,
            hedge=self.hedge,
            no_train=self.privacy == "no-train",
            tool_streaming=self.tool_streaming,
        )
        timeout = settings.openrouter_timeout if isinstance(self.timeout, Unset) else self.timeout
        return Resolved(settings, accounts, policy, timeout)

    def _accounts(self, settings: Settings) -> dict[str, Account]:
        rows = known_providers()
        environment = settings.environment
        wanted = self._wanted(settings, rows)
        keyed = self.api_key or any(p.api_key or p.base_url for p in wanted)
        if settings.dev_mode and not keyed:
            log.warning("DEV_MODE is set: answers are simulated, nobody is called")
            return {"openrouter": _SIMULATED}
        if settings.chat_model and not settings.openrouter_default_model:
            log.info("CHAT_MODEL is set: %s is tried first", settings.chat_model)
        accounts: dict[str, Account] = {}
        missing: list[str] = []
        for provider in wanted:
            account = resolve(provider, rows, environment)
            if account is None:
                missing += rows[provider.name].get("keys", [])
            else:
                accounts[account.provider] = account
        if not accounts:
            raise AuthenticationFailed(
                f"no API key: {', '.join(missing) or 'no provider'} is not set",
                hint="get a free key at https://openrouter.ai/keys, then set OPENROUTER_API_KEY or pass api_key=…; "
                "DEV_MODE=true answers from a simulator without one",
            )
        if missing and self.providers != "all":
            log.warning("providers without a key are left out: %s not set", ", ".join(missing))
        return accounts

    def _wanted(self, settings: Settings, rows: dict[str, dict[str, Any]]) -> list[Provider]:
        if self.providers == "all":
            given: Iterable[str | Provider] = list(rows)
        elif self.providers is None:
            given = ["openrouter", *settings.freerouter_providers]
        else:
            given = self.providers
        providers: dict[str, Provider] = {}
        for item in given:
            provider = Provider(item) if isinstance(item, str) else item
            if provider.name == "openrouter":
                provider = Provider(
                    provider.name,
                    provider.base_url or self.base_url,
                    provider.api_key or self.api_key,
                    provider.free,
                    provider.limits,
                    provider.headers,
                )
            providers[provider.name] = provider
        return list(providers.values())

    async def _catalogue(self, resolved: Resolved, *, wait: bool = True) -> Catalogue:
        return await self._runtime.discovery.catalogue(
            resolved.accounts.values(), self._transport, resolved.settings.free_models_refresh, wait=wait
        )

    async def _known(self, pick: Callable[[Catalogue], list[Model]]) -> list[Model]:
        async def work() -> list[Model]:
            return pick(await self._catalogue(self._resolved))

        return await self._runtime.acall(work)

    def _transport(self, account: Account) -> Any:
        return self._runtime.transport_for(account, self.http_client)


class Stream:
    """An iterator of `Delta`s. `outcome` is set once it has ended; `close()` cancels the request."""

    def __init__(self, start: Callable[[], Generator[Delta, None, Outcome]]) -> None:
        self.outcome: Outcome | None = None
        self._deltas = self._run(start)

    def _run(self, start: Callable[[], Generator[Delta, None, Outcome]]) -> Generator[Delta, None, None]:
        self.outcome = yield from start()

    def __iter__(self) -> Generator[Delta, None, None]:
        return self._deltas

    def close(self) -> None:
        self._deltas.close()


class AsyncStream:
    """An asynchronous iterator of `Delta`s. `outcome` is set once it has ended; `aclose()` cancels the request."""

    def __init__(self, start: Callable[[Callable[[Outcome], None]], AsyncGenerator[Delta, None]]) -> None:
        self.outcome: Outcome | None = None
        self._deltas = start(self._finish)

    def _finish(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def __aiter__(self) -> AsyncGenerator[Delta, None]:
        return self._deltas

    async def aclose(self) -> None:
        await self._deltas.aclose()


_LOCAL = ("http_client", "runtime")
_known_rows: dict[str, dict[str, Any]] = {}


def known_providers() -> dict[str, dict[str, Any]]:
    """The rows of providers.toml, by name."""
    if not _known_rows:
        text = files("freerouter_core.catalogue").joinpath("providers.toml").read_text("utf-8")
        _known_rows.update(read_rows(text))
    return _known_rows


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name and name != "auto"))


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadSetting(f"{name}={value!r} is none of {', '.join(map(repr, allowed))}")


def _some(models: list[Model]) -> list[Model]:
    if not models:
        raise NoCandidates("no free model is listed at the moment")
    return models


