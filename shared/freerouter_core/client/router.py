"""`Router`: the front door. `Session`: a router that keeps to one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ..catalogue.providers import Provider
from ..checks import UNSET, Unset
from ..errors import BadSetting
from ..events import Observer
from ..guards.base import GuardLike
from ..reports import SessionStats
from ..routing.need import Ranker
from ..routing.plan import Outcome
from ..routing.session_memory import SessionMemory
from ..runtime.runtime import Runtime
from ..runtime.stream_output import Show
from ..wire.request import ChatRequest, Prompt
from .config import (
    HedgeMode,
    OnStreamBreak,
    Prefer,
    Privacy,
    RouterConfig,
    Secret,
    ToolStreaming,
)
from .request_run import RequestRun
from .router_reports import RouterReports
from .streams import AsyncStream, Stream

if TYPE_CHECKING:
    from ..runtime.http.transport import HttpClient


class Router(RouterReports):
    """Which models may be asked, in which order, under which limits. Immutable, picklable, cheap to
    make; equal routers share everything.

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

    def __init__(
        self,
        model: str | None = "auto",
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
        max_failures: int = 1,
        exclude_failed: float | None = None,
        on_stream_break: OnStreamBreak = "raise",
        tool_streaming: ToolStreaming = "whole",
        hedge: HedgeMode = "auto",
        guards: Sequence[GuardLike] = (),
        session_name: str | None = None,
        show_free_only: bool | None = None,
        prefer_free: bool | None = None,
        http_client: HttpClient | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        given: dict[str, Any] = dict(locals())
        config = RouterConfig(**{field.name: given[field.name] for field in fields(RouterConfig)})
        self._start(config, runtime, http_client)

    # -- asking -------------------------------------------------------------------------------

    def chat(self, request: Prompt) -> Outcome:
        """An answer. Raises an error of the `FreeRouterError` tree."""
        wanted = ChatRequest.of(request)
        return self._runtime.call(lambda: self._run(wanted))

    async def achat(self, request: Prompt) -> Outcome:
        """An answer, from any event loop."""
        wanted = ChatRequest.of(request)
        return await self._runtime.acall(lambda: self._run(wanted))

    def stream(self, request: Prompt) -> Stream:
        """The answer as it comes: an iterator of `Delta`s and a context manager. Its `outcome` is
        there at the end. Closing it cancels the request."""
        wanted = ChatRequest.of(request)
        runtime = self._runtime
        return Stream(lambda: runtime.stream(lambda show: self._run(wanted, show)))

    def astream(self, request: Prompt) -> AsyncStream:
        """The same for event loops."""
        wanted = ChatRequest.of(request)
        runtime = self._runtime
        return AsyncStream(
            lambda finish: runtime.astream(lambda show: self._run(wanted, show), finish)
        )

    async def _run(self, request: ChatRequest, show: Show | None = None) -> Outcome:
        plain = self.with_options(guards=(), session_name=None) if self.config.guards else self
        return await RequestRun(self._context, plain, request, show).run()

    # -- sessions -----------------------------------------------------------------------------

    def session(self, name: str, **options: Any) -> Session:
        """A conversation, or a job of several steps, that keeps to one model while that is wise.

        `options`: what differs from this router, for example `model=` (asked first) and
        `fallback_models=` (its backups). Raises `BadSetting`.
        """
        if not isinstance(name, str) or not name:
            raise BadSetting(f"session name {name!r} must be a text that is not empty")
        return Session(self.with_options(session_name=name, **options))

    def session_memory(self) -> SessionMemory:
        """What is remembered of this router's session, as it is now."""
        name, runtime = self.config.session_name or "", self._runtime

        async def work() -> SessionMemory:
            memory = runtime.sessions.get(name)
            if memory is None:
                return SessionMemory(name)
            return replace(memory, steps=memory.steps.copy())

        return runtime.call(work)

    # -- life ---------------------------------------------------------------------------------

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call `observer` with every event of the runtime this router uses. Returns a function that
        ends the subscription."""
        return self._runtime.subscribe(observer)

    def flush(self, seconds: float = 10.0) -> None:
        """Wait until observers have seen every event so far, at most that long. An observer must
        not call it: it would wait for itself."""
        self._runtime.flush(seconds)

    def close(self) -> None:
        """Close the runtime this router uses: connections and thread. A later call starts it
        again."""
        self._runtime.close()


class Session:
    """A router that keeps to its model. Made by `Router.session`."""

    def __init__(self, router: Router) -> None:
        if not router.config.session_name:
            raise BadSetting(
                "a Session needs a router with a session_name", hint="use router.session(name)"
            )
        self.router = router

    @property
    def name(self) -> str:
        return str(self.router.config.session_name)

    def chat(self, prompt: Prompt, label: str = "") -> Outcome:
        """An answer, as `Router.chat`. `label`: what statistics call this step."""
        return self.router.chat(_labelled(prompt, label))

    async def achat(self, prompt: Prompt, label: str = "") -> Outcome:
        return await self.router.achat(_labelled(prompt, label))

    def stream(self, prompt: Prompt, label: str = "") -> Stream:
        return self.router.stream(_labelled(prompt, label))

    def astream(self, prompt: Prompt, label: str = "") -> AsyncStream:
        return self.router.astream(_labelled(prompt, label))

    def run(self, steps: Sequence[tuple[str, str]]) -> Outcome:
        """Several steps, each (label, prompt), in one conversation: what was said before goes along. Returns the last outcome; the first
        that fails raises."""
        messages: list[dict[str, Any]] = []
        outcome: Outcome | None = None
        for label, prompt in steps:
            messages.append({"role": "user", "content": prompt})
            outcome = self.chat(list(messages), label)
            messages.append({"role": "assistant", "content": outcome.text})
        if outcome is None:
            raise BadSetting("a session's run needs steps")
        return outcome

    def stats(self) -> SessionStats:
        """How it went so far."""
        return SessionStats.of(self.router.session_memory())

    def __repr__(self) -> str:
        return f"<Session {self.name!r} of {self.router!r}>"


def _labelled(prompt: Prompt, label: str) -> ChatRequest:
    request = ChatRequest.of(prompt)
    return replace(request, label=label) if label else request
