"""`RouterConfig`: every option of a router as frozen, validated, picklable data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, Literal, Protocol, cast, get_args

from ..catalogue.addresses import shown_address
from ..catalogue.model import is_plausible_name
from ..catalogue.providers import Provider
from ..checks import UNSET, Unset, as_names, check_no_key, check_one_of, quality_pairs
from ..errors import BadSetting, like_a_key, names_a_key, shown_name, shown_value
from ..guards.base import GuardLike, checked
from ..routing.answer_cache import AnswerCache
from ..routing.policy import ALIASES, STRATEGIES, Ranker
from ..routing.task import TASKS
from ..wire.request import Lane, Pace

Prefer = Literal["speed", "balanced", "quality"]
Privacy = Literal["any", "no-train"]
OnStreamBreak = Literal["raise", "continue"]
ToolStreaming = Literal["whole", "fragments"]
HedgeMode = Literal["auto", "off"]


class Secret(Protocol):
    """A key in a wrapper that hides it, such as pydantic's `SecretStr`."""

    def get_secret_value(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """The options of a `Router`, which says what each means. The types are those of storage.

    Raises:
        BadSetting: an option makes no sense.
    """

    model: str = "auto"
    fallback_models: tuple[str, ...] | None = None
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    providers: tuple[str | Provider, ...] | str | None = None
    strategy: str | Ranker = "adaptive"
    prefer: Prefer = "balanced"
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
    privacy: Privacy = "any"
    timeout: float | Unset | None = UNSET
    max_retries: int | None = None
    max_wait: float | None = None
    lane: Lane = "interactive"
    pace: Pace = "even"
    max_failures: int = 1
    exclude_failed: float | None = None
    on_stream_break: OnStreamBreak = "raise"
    tool_streaming: ToolStreaming = "whole"
    hedge: HedgeMode = "auto"
    guards: tuple[GuardLike, ...] = ()
    session_name: str | None = None
    answer_cache: AnswerCache | Literal[False] = False
    show_free_only: bool | None = None
    prefer_free: bool | None = None

    def __post_init__(self) -> None:
        self._normalise()
        self._check()

    def __repr__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(RouterConfig) if f.repr}
        values["base_url"] = shown_address(self.base_url)
        return f"RouterConfig({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def _normalise(self) -> None:
        """Store lists as tuples and secrets as text, so that equal options compare equal."""
        put = object.__setattr__
        put(self, "api_key", _plain(self.api_key))
        put(self, "model", self.model or "auto")
        if self.fallback_models is not None:
            put(self, "fallback_models", as_names(self.fallback_models))
        put(self, "capabilities", as_names(self.capabilities))
        put(self, "providers", _providers(self.providers))
        put(self, "guards", checked(self.guards))
        put(self, "answer_cache", AnswerCache.of(self.answer_cache) or False)
        put(self, "quality", quality_pairs(self.quality))
        if isinstance(self.strategy, str):
            put(self, "strategy", ALIASES.get(self.strategy, self.strategy))

    def _check_types(self) -> None:
        for name in ("base_url", "session_name"):
            value = getattr(self, name)
            if not isinstance(value, str | None):
                raise BadSetting(f"{name} must be text, not {type(value).__name__}")
        check_no_key("session_name", self.session_name)
        for name in _SWITCHES:
            value = getattr(self, name)
            optional = name in ("show_free_only", "prefer_free")
            if not isinstance(value, bool) and not (value is None and optional):
                raise BadSetting(f"{name} is True or False, not {shown_value(value)}")
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and value is not UNSET and not isinstance(value, Real):
                raise BadSetting(f"{name} must be a number, not {type(value).__name__}")
        for name in self.capabilities:
            if not isinstance(name, str) or like_a_key(name):
                shown = shown_name(name) if isinstance(name, str) else type(name).__name__
                raise BadSetting(f"capabilities are names, not {shown}")

    def _check(self) -> None:
        self._check_types()
        for name in (self.model, *(self.fallback_models or ())):
            if not is_plausible_name(name) or names_a_key(name):
                hint = 'use "auto", or an id such as "author/name:free"'
                raise BadSetting("no model has such a name", hint=hint)
        names = self.providers if isinstance(self.providers, tuple) else ()
        if any(isinstance(name, str) and like_a_key(name) for name in names):
            hint = "a key goes with its provider: Provider(name, api_key=…)"
            raise BadSetting("providers holds a key in place of a name", hint=hint)
        if self.task is not None:
            check_one_of("task", self.task, ("auto", *TASKS))
        for name, allowed in _CHOICES.items():
            check_one_of(name, getattr(self, name), allowed)
        if not callable(self.strategy):
            hint = "for a strategy of your own, pass the callable itself"
            check_one_of("strategy", self.strategy, STRATEGIES, hint)
        if isinstance(self.timeout, (int, float)) and self.timeout <= 0:
            raise BadSetting(
                f"timeout={self.timeout} must be positive seconds, or None for no limit"
            )
        for name in ("max_retries", "daily_cap"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise BadSetting(f"{name}={value} must not be negative")
        if self.max_wait is not None and not 0 <= self.max_wait < math.inf:
            raise BadSetting(f"max_wait={self.max_wait} must be seconds, 0 or more")
        if self.max_failures < 1:
            raise BadSetting(f"max_failures={self.max_failures} must be at least 1")
        if self.exclude_failed is not None and not 0 <= self.exclude_failed < math.inf:
            raise BadSetting(f"exclude_failed={self.exclude_failed} must be seconds, 0 or more")


_NUMBERS = (
    "min_context", "min_quality", "min_safety", "max_latency", "max_cost_per_token",
    "max_cost_per_request", "daily_budget_usd", "daily_cap", "timeout", "max_retries", "max_wait",
    "max_failures", "exclude_failed",
)  # fmt: skip
_SWITCHES = ("allow_paid", "keyless", "show_free_only", "prefer_free")
_CHOICES: dict[str, tuple[str, ...]] = {
    "prefer": get_args(Prefer),
    "privacy": get_args(Privacy),
    "on_stream_break": get_args(OnStreamBreak),
    "tool_streaming": get_args(ToolStreaming),
    "hedge": get_args(HedgeMode),
    "lane": get_args(Lane),
    "pace": get_args(Pace),
}


def _plain(key: str | Secret | None) -> str | None:
    plain = getattr(key, "get_secret_value", lambda: key)() or None
    if not isinstance(plain, str | None):
        raise BadSetting(f"api_key must be text, not {type(plain).__name__}")
    return plain


def _providers(
    providers: str | Provider | Iterable[str | Provider] | None,
) -> tuple[str | Provider, ...] | str | None:
    if providers is None or providers == "all":
        return providers
    if isinstance(providers, (str, Provider)):
        return (providers,)
    listed = isinstance(providers, Iterable) and not isinstance(providers, (Mapping, bytes))
    given: tuple[str | Provider, ...] = tuple(providers) if listed else (cast("Any", providers),)
    for one in given:
        if not isinstance(one, (str, Provider)):  # its value may hold a key
            hint = 'give names, such as "groq", or Provider objects'
            kind = type(one).__name__
            raise BadSetting(f"providers are names or Providers, not {kind}", hint=hint)
    return given
