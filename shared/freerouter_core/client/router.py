"""`Router`: asks models. `Session`: a router that keeps to one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ..catalogue.providers import Provider
from ..checks import UNSET, Unset
from ..errors import BadSetting, forgets_locals
from ..events import Observer
from ..guards.base import GuardLike
from ..reports import SessionStats
from ..routing.answer_cache import AnswerCache
from ..routing.plan import Outcome
from ..routing.policy import Ranker
from ..routing.session_memory import SessionMemory
from ..runtime.http.transport import HttpClient
from ..runtime.runtime import Runtime
from ..wire.request import ChatRequest, Lane, Pace, Prompt
from .answer_cache.cached_run import CachedRun
from .config import (
    HedgeMode,
    OnStreamBreak,
    Prefer,
    Privacy,
    RouterConfig,
    Secret,
    ToolStreaming,
)
from .context import Context
from .embedding.router_texts import RouterTexts
from .router_bulk import RouterBulk
from .router_openai import RouterOpenAI
from .router_reports import RouterReports
from .streams import AsyncStream, Stream
from .watch import Watch


class Router(RouterReports, RouterBulk, RouterTexts, RouterOpenAI):
    """Which models may be asked, in which order, under which limits.

    Immutable, picklable and cheap to make. Equal routers share limits, health and connections.

    Args:
        model: "auto", a model id ("author/name:free") or "provider:name". A named model is asked
            first, listed or not.
        fallback_models: None: any model may follow. A list: those first, then any. `()`: none.
        api_key: OpenRouter's key. None: `OPENROUTER_API_KEY`. It is in no repr, log or error.
        base_url: OpenRouter's address. None: `OPENROUTER_BASE_URL`.
        providers: names or `Provider`s. None: OpenRouter and those of `FREEROUTER_PROVIDERS`.
            "all": every provider whose key is in the environment.
        strategy: "adaptive", "round_robin", "random", "context", "performance", "cost",
            "availability", or a callable `(need, models) -> models`, best first.
        prefer: "speed", "balanced" or "quality": how much the quality of a model weighs.
        capabilities: what every model must have: "tools", "vision", "audio", "file",
            "reasoning", "structured", …
        min_context: tokens of context that every model must have.
        task: what requests are about, so that models made for it come earlier: "code",
            "reasoning", "creative", "data", "long_context", "vision", "tools" or "multilingual".
            "auto" tells it from the words of each request.
        min_quality: 0 to 10. Compared with a published index of quality, else with the size.
        min_safety: 0 to 10. Compared with what guards said of a model's answers; 8 at first.
        quality: your own opinion of models, 0 to 10 by id, instead of that index.
        max_latency: mean seconds to a first token, where they are known.
        max_cost_per_token: USD. Matters with `allow_paid`.
        max_cost_per_request: USD, for the prompt and `max_tokens`. Matters with `allow_paid`.
        daily_budget_usd: USD a UTC day for each account, reserved before a paid model is asked.
        daily_cap: requests to free models a UTC day for each account, beside its other limits.
        allow_paid: whether models that cost money may be asked, after every free one.
        keyless: whether to ask providers that need no key, too.
        privacy: "no-train" asks only endpoints that do not train on prompts.
        timeout: seconds to an answer, or to a stream's first token, failover included. None: no
            limit.
        max_retries: attempts after the first. None: as many as the timeout allows.
        max_wait: seconds to stand in line for the limits of one's own account. None: up to 600. A
            `timeout` that is given bounds this wait, too; the default timeout does not count it.
        lane: "interactive": somebody waits for the answer. "background": nobody does, so these
            requests stand behind all others, and leave them room.
        pace: how background requests spend a day's quota: "even" over the day, or "asap".
        max_failures: failures in a row before a model is benched.
        exclude_failed: seconds of such a bench. None: 20 seconds at first, doubling to 600. What
            a provider states is kept either way.
        on_stream_break: "raise": a stream that fails after text was shown raises `StreamBroken`
            with that text. "continue": another model continues it without repeating text.
        tool_streaming: "whole" streams complete tool calls, "fragments" parts as they come.
        hedge: "auto" asks a second model when the first is slow, "off" never does.
        guards: what judges answers before you get them, and prompts before they are sent; see
            `freerouter_core.guards`. A stream with guards is held until it was judged.
        session_name: requests of one name keep to one model while it does well; see `session`.
        answer_cache: whether answers are kept, so that an equal request costs nothing: False, True
            (beside the state), "memory", "sqlite:///path", "redis://…", or an `AnswerCache`. "off":
            not even if `FREEROUTER_ANSWER_CACHE` says so.
        show_free_only: whether `models()` lists only free ones. None: `OPENROUTER_SHOW_FREE_ONLY`.
        prefer_free: whether it lists them first. None: `OPENROUTER_PREFER_FREE_MODELS`.
        http_client: an `httpx.AsyncClient` or transport for all requests. It is not pickled.
        runtime: the runtime to use. None: the one of the process. It is not pickled.

    Raises:
        BadSetting: an argument makes no sense.
    """

    @forgets_locals
    def __init__(
        self,
        model: str | None = "auto",
        *,
        fallback_models: Sequence[str] | None = None,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        providers: Sequence[str | Provider] | Provider | None = None,
        strategy: str | Ranker = "adaptive",
        prefer: Prefer = "balanced",
        capabilities: Sequence[str] = (),
        min_context: int = 0,
        task: str | None = None,
        min_quality: float = 0.0,
        min_safety: float = 0.0,
        quality: Mapping[str, float] | Sequence[tuple[str, float]] = (),
        max_latency: float | None = None,
        max_cost_per_token: float | None = None,
        max_cost_per_request: float | None = None,
        daily_budget_usd: float | None = None,
        daily_cap: int | None = None,
        allow_paid: bool = False,
        keyless: bool = False,
        privacy: Privacy = "any",
        timeout: float | Unset | None = UNSET,
        max_retries: int | None = None,
        max_wait: float | None = None,
        lane: Lane = "interactive",
        pace: Pace = "even",
        max_failures: int = 1,
        exclude_failed: float | None = None,
        on_stream_break: OnStreamBreak = "raise",
        tool_streaming: ToolStreaming = "whole",
        hedge: HedgeMode = "auto",
        guards: Sequence[GuardLike] = (),
        session_name: str | None = None,
        answer_cache: bool | str | AnswerCache | Mapping[str, Any] = False,
        show_free_only: bool | None = None,
        prefer_free: bool | None = None,
        http_client: HttpClient | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        # `RouterConfig` has an option of each name, and stores it in a narrower type.
        arguments: dict[str, Any] = dict(locals())
        options = {field.name: arguments[field.name] for field in fields(RouterConfig)}
        self._start(Context(RouterConfig(**options), runtime, http_client))

    # -- asking -------------------------------------------------------------------------------

    def chat(self, request: Prompt) -> Outcome:
        """Return an answer. Raises an error of the `FreeRouterError` tree."""
        run = self._run_of(request)
        return run.at_once() or run.runtime.call(run)

    async def achat(self, request: Prompt) -> Outcome:
        """Return an answer, from any event loop."""
        run = self._run_of(request)
        return await run.runtime.acall(run)

    def stream(self, request: Prompt) -> Stream:
        """Return the answer as it comes. Errors are raised while it is read."""
        run, runtime = self._run_of(request), self._runtime
        return Stream(lambda: runtime.stream(run))

    def astream(self, request: Prompt) -> AsyncStream:
        """Return the answer as it comes, for event loops."""
        run, runtime = self._run_of(request), self._runtime
        return AsyncStream(lambda finish: runtime.astream(run, finish))

    def _run_of(self, prompt: Prompt) -> CachedRun:
        """What runs a request on the runtime's loop, with the configuration of this moment."""
        context = self._context
        client = self  # guards get a router without guards, or they would judge themselves
        if context.config.guards:
            client = self._of(context.with_options(guards=(), session_name=None))
        return CachedRun(context, client, ChatRequest.of(prompt))

    # -- sessions -----------------------------------------------------------------------------

    @forgets_locals
    def session(self, name: str, **options: Any) -> Session:
        """A conversation, or a job of several steps, that keeps to one model while it does well.

        Args:
            name: sessions of one name share what they remember, within the process.
            options: what differs from this router, for example `model=` (asked first) and
                `fallback_models=` (its backups).

        Raises:
            BadSetting: the name is empty, or an option makes no sense.
        """
        if not isinstance(name, str) or not name:
            raise BadSetting(f"session name {name!r} must be a non-empty string")
        return Session(self.with_options(session_name=name, **options))

    def session_memory(self) -> SessionMemory:
        """A copy of what is remembered of this router's session."""
        name, runtime = self.config.session_name or "", self._runtime

        async def work() -> SessionMemory:
            memory = runtime.sessions.get(name)
            if memory is None:
                return SessionMemory(name=name)
            return replace(memory, steps=memory.steps.copy())

        return runtime.call(work)

    # -- runtime ------------------------------------------------------------------------------

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event of this router's runtime. Returns a function that ends
        the subscription."""
        return self._runtime.subscribe(observer)

    def watch(self, limit: int = 10_000) -> Watch:
        """Keep the last `limit` requests of this router's runtime from now on, and how much was
        left of each limit. `watch.plot()` draws them over time. Costs no request.

        Raises:
            BadSetting: `limit` is less than 1.
        """
        return Watch(self._context, limit)

    def flush(self, seconds: float = 10.0) -> None:
        """Wait until observers have seen every event so far, but no longer than `seconds`. In an
        observer it returns at once."""
        self._runtime.flush(seconds)

    def close(self) -> None:
        """Close this router's runtime: its connections and its thread. A later call starts it
        again."""
        self._runtime.close()


class Session:
    """A router that keeps to one model while it does well. Made by `Router.session`."""

    def __init__(self, router: Router) -> None:
        if not router.config.session_name:
            raise BadSetting(
                "a Session needs a router with a session_name", hint="use router.session(name)"
            )
        self.router = router

    @property
    def name(self) -> str:
        """The session's name."""
        return str(self.router.config.session_name)

    def chat(self, prompt: Prompt, label: str = "") -> Outcome:
        """Return an answer, as `Router.chat` does. `label` names the step in `stats`."""
        return self.router.chat(_labelled(prompt, label))

    async def achat(self, prompt: Prompt, label: str = "") -> Outcome:
        return await self.router.achat(_labelled(prompt, label))

    def stream(self, prompt: Prompt, label: str = "") -> Stream:
        """Return the answer as it comes, as `Router.stream` does."""
        return self.router.stream(_labelled(prompt, label))

    def astream(self, prompt: Prompt, label: str = "") -> AsyncStream:
        return self.router.astream(_labelled(prompt, label))

    def run(self, steps: Sequence[tuple[str, str]]) -> Outcome:
        """Run several steps in one conversation, each with the messages before it.

        Args:
            steps: (label, prompt) of each step.

        Returns:
            The outcome of the last step. The first step that fails raises.
        """
        messages: list[dict[str, str]] = []
        outcome: Outcome | None = None
        for label, prompt in steps:
            messages.append({"role": "user", "content": prompt})
            outcome = self.chat(list(messages), label)
            messages.append({"role": "assistant", "content": outcome.text})
        if outcome is None:
            raise BadSetting("a session needs steps to run")
        return outcome

    def stats(self) -> SessionStats:
        """How the session went so far."""
        return SessionStats.of(self.router.session_memory())

    def __repr__(self) -> str:
        return f"<Session {self.name!r} of {self.router!r}>"


def _labelled(prompt: Prompt, label: str) -> ChatRequest:
    request = ChatRequest.of(prompt)
    return replace(request, label=label) if label else request
