"""`RouterOptions`: the constructor arguments that both adapters share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_serializer,
    field_validator,
)

from ..catalogue.addresses import shown_address
from ..catalogue.providers import Provider
from ..checks import UnsetNumber
from ..errors import BadSetting, forgets_locals, like_a_key, names_a_key
from ..guards.base import GuardLike, checked
from ..routing.answer_cache import AnswerCache
from ..routing.policy import Ranker
from ..routing.task import TASKS
from ..wire.json_values import Json
from ..wire.request import Lane, Pace
from .config import HedgeMode, OnStreamBreak, Prefer, Privacy, ToolStreaming
from .option_names import check_names, not_a_key
from .serialize import (
    cache_as_data,
    guards_as_data,
    provider_from_data,
    providers_as_data,
    session_as_data,
    strategy_as_data,
)

if TYPE_CHECKING:
    from ..runtime.http.transport import HttpClient
    from .router import Router, Session
else:
    # Importing an adapter must not import httpx and the runtime. The annotations below still
    # resolve at run time, and pydantic takes these three as they are.
    HttpClient = Router = Session = Any

PARAMETERS = (
    "temperature",
    "max_tokens",
    "top_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
)
"""Options that are sampling parameters, by their names on the wire. Each request carries them."""


def _keep_unset(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    return value if isinstance(value, UnsetNumber) else validate(value)


class RouterOptions(BaseModel):
    """Options of `freerouter_core.Router`, which documents them, and of each request.

    The annotations are what a caller may pass. A type checker builds the constructor of
    `ChatFreeRouter` and `FreeRouter` from them.

    Raises:
        BadSetting: there is no such option, or its value makes no sense.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        defer_build=True,  # only the subclasses are made, and building both takes time at import
    )

    model: str = "auto"
    fallback_models: Sequence[str] | None = None
    base_url: str | None = Field(default=None, repr=False)
    providers: Sequence[str | Provider] | Provider | None = None
    strategy: str | Ranker = "adaptive"
    prefer: Prefer = "balanced"
    capabilities: Sequence[str] = ()
    min_context: int = Field(default=0, ge=0)
    task: str | None = None
    min_quality: float = Field(default=0.0, ge=0, le=10)
    min_safety: float = Field(default=0.0, ge=0, le=10)
    max_latency: float | None = Field(default=None, gt=0)
    max_cost_per_token: float | None = Field(default=None, ge=0)
    max_cost_per_request: float | None = Field(default=None, ge=0)
    daily_budget_usd: float | None = Field(default=None, ge=0)
    daily_cap: int | None = Field(default=None, ge=0)
    allow_paid: bool = False
    keyless: bool = False
    privacy: Privacy = "any"
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    reasoning: bool | str | Json | None = None
    extra_body: Json = Field(default_factory=dict)
    timeout: Annotated[float | None, WrapValidator(_keep_unset)] = Field(
        default=UnsetNumber(60.0), gt=0
    )
    """Seconds. A number given here overrules `OPENROUTER_TIMEOUT`, 60.0 too."""
    max_retries: int | None = Field(default=None, ge=0)
    max_wait: float | None = Field(default=None, ge=0)
    lane: Lane = "interactive"
    pace: Pace = "even"
    on_stream_break: OnStreamBreak = "raise"
    tool_streaming: ToolStreaming = "whole"
    hedge: HedgeMode = "auto"
    guards: Sequence[GuardLike] = ()
    answer_cache: bool | str | AnswerCache | Mapping[str, Any] = False
    session: Session | str | None = None
    """A session, or the name of one."""
    http_client: HttpClient | None = Field(default=None, exclude=True, repr=False)
    router: Router | None = Field(default=None, repr=False)
    """A router to start from: options that are given change it."""

    _cached: tuple[object, Router] | None = PrivateAttr(default=None)
    """The router of the last request, and all that it was made of."""

    @forgets_locals
    def __init__(self, **options: Any) -> None:
        try:
            check_names(type(self), options)
            super().__init__(**options)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"]) or type(self).__name__
            message = first["msg"].removeprefix("Value error, ")
            raise BadSetting(f"{type(self).__name__}({name}=…): {message}") from None

    # -- the router ---------------------------------------------------------------------------

    @forgets_locals
    def make_router(self, api_key: str | None = None) -> Router:
        """The `Router` these options stand for: made at first use, and again after a change."""
        base, policy = self._base_router, self._policy()
        key = (api_key, self.router, None if base is None else base.config, policy)
        cached = self._cached
        if cached is not None and cached[0] == key:
            return cached[1]
        from .router import Router

        chosen = self._chosen
        options = {
            name: value
            for name, value in policy.items()
            if name in chosen or value != _frozen(getattr(self, name))
        }
        if "allow_paid" in self.model_fields_set and not self.allow_paid:
            options["allow_paid"] = False  # given as the default, it still overrules the base
        if api_key is not None:
            options["api_key"] = api_key
        session = options.pop("session", None)
        if session is not None:
            options["session_name"] = session_as_data(session)
        router = Router(**options) if base is None else base.with_options(**options)
        self._cached = (key, router)
        return router

    @property
    def _base_router(self) -> Router | None:
        """The router these options start from: the one given, else the session's."""
        if self.router is not None or self.session is None or isinstance(self.session, str):
            return self.router
        return self.session.router

    def _policy(self) -> dict[str, Any]:
        """The options of the router. Lists are tuples: a list may change in place."""
        values = self.__dict__
        policy = {name: values[name] for name in POLICY}
        for name, value in policy.items():
            if isinstance(value, list):
                policy[name] = _frozen(value)
        return policy

    def _parameters(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The sampling parameters of a request. `overrides`: what the call itself gave."""
        parameters = {name: getattr(self, name) for name in PARAMETERS}
        return {
            name: value for name, value in {**parameters, **overrides}.items() if value is not None
        }

    @property
    def _chosen(self) -> frozenset[str]:
        """The options of the router that differ from their defaults.

        What equals its default was not chosen, even if it was passed: frameworks rebuild models
        with every field.
        """
        fields = type(self).model_fields
        return frozenset(
            name
            for name in (*POLICY, "router")
            if _differs(getattr(self, name), fields[name].get_default(call_default_factory=True))
        )

    # -- what goes in -------------------------------------------------------------------------

    @field_validator("providers", mode="plain")
    @classmethod
    def _read_providers(cls, value: object) -> str | tuple[str | Provider, ...] | None:
        """Providers as a user gives them, or as `providers_as_data` wrote them."""
        not_a_key(value, like_a_key)
        if isinstance(value, (list, tuple)):
            if not all(isinstance(item, (str, Provider, Mapping)) for item in value):
                raise ValueError("must be names or Providers")
            return tuple(provider_from_data(item) for item in value)
        if isinstance(value, Provider):
            return (value,)
        if value is None or isinstance(value, str):
            return value
        raise ValueError("must be names or Providers")

    @field_validator("router", mode="plain")
    @classmethod
    def _read_router(cls, value: object) -> Router | None:
        """A router, or what its `describe()` wrote."""
        from .router import Router

        if value is None or isinstance(value, Router):
            return value
        if not isinstance(value, Mapping):
            raise ValueError("must be a Router, or what its describe() returned")
        options = {key: item for key, item in value.items() if key != "runtime"}
        if isinstance(options.get("providers"), list):
            options["providers"] = tuple(map(provider_from_data, options["providers"]))
        try:
            return Router(**options)
        except TypeError:  # it would name what is unknown
            raise ValueError("must be a Router, or what its describe() returned") from None

    @field_validator("model", "fallback_models")
    @classmethod
    def _check_models(cls, value: Any) -> Any:
        return not_a_key(value, names_a_key)

    @field_validator("strategy", "capabilities")
    @classmethod
    def _check_words(cls, value: Any) -> Any:
        return not_a_key(value, like_a_key)

    @field_validator("task")
    @classmethod
    def _read_task(cls, value: str | None) -> str | None:
        if value is not None and value != "auto" and value not in TASKS:
            raise ValueError(f"must be one of 'auto', {', '.join(map(repr, TASKS))}")
        return value

    @field_validator("guards", mode="plain")
    @classmethod
    def _read_guards(cls, value: Any) -> tuple[GuardLike, ...]:
        """Guards themselves. The names that are written for them cannot be loaded."""
        try:
            return checked(value if isinstance(value, (list, tuple)) else (value,))
        except BadSetting as error:
            raise ValueError(str(error)) from None

    @field_validator("answer_cache", mode="plain")
    @classmethod
    def _read_answer_cache(cls, value: Any) -> AnswerCache | bool:
        """A cache as a user names it, or as `cache_as_data` wrote it."""
        try:
            return AnswerCache.of(value) or False
        except BadSetting as error:
            raise ValueError(str(error)) from None

    @field_validator("session", mode="plain")
    @classmethod
    def _read_session(cls, value: object) -> object:
        """A session, or its name."""
        named = isinstance(value, str) and value != "" and not names_a_key(value)
        if value is None or named or getattr(value, "router", None) is not None:
            return value
        raise ValueError("must be a Session or its name")

    # -- what is written ----------------------------------------------------------------------

    @field_serializer("guards")
    def _write_guards(self, value: Sequence[GuardLike]) -> list[str]:
        return guards_as_data(value)

    @field_serializer("answer_cache")
    def _write_answer_cache(self, value: object) -> bool | Json:
        return cache_as_data(value)

    @field_serializer("session")
    def _write_session(self, value: Session | str | None) -> str | None:
        return session_as_data(value)

    @field_serializer("providers")
    def _write_providers(self, value: Sequence[str | Provider] | None) -> object:
        return providers_as_data(value)

    @field_serializer("base_url")
    def _write_base_url(self, value: str | None) -> str | None:
        return shown_address(value)

    @field_serializer("capabilities", "fallback_models")
    def _write_names(self, value: Sequence[str] | None) -> list[str] | None:
        """A list, whether a list or a tuple was given: caches compare the text."""
        return None if value is None else list(value)

    @field_serializer("router")
    def _write_router(self, value: object) -> object:
        return self._objects_as_data()["router"]

    def _objects_as_data(self) -> Json:
        """The options that may be objects, as plain data without keys. A session stands for its
        router."""
        router = self._base_router
        return {
            "base_url": shown_address(self.base_url),
            "strategy": strategy_as_data(self.strategy),
            "providers": providers_as_data(self.providers),
            "guards": guards_as_data(self.guards),
            "answer_cache": cache_as_data(self.answer_cache),
            "session": session_as_data(self.session),
            "router": None if router is None else router.describe(),
        }

    @field_serializer("strategy")
    def _write_strategy(self, value: str | Ranker) -> str:
        return strategy_as_data(value)

    # -- copies -------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy that shares connections, routers, guards, and the framework's own objects."""
        memo = {} if memo is None else memo
        names = (
            "http_client",
            "router",
            "session",
            "rate_limiter",
            "callback_manager",
            "callbacks",
            "cache",
        )
        memo |= {id(guard): guard for guard in self.guards}
        for shared in (getattr(self, name, None) for name in names):
            if shared is not None:
                memo[id(shared)] = shared
        copied: Self = super().__deepcopy__(memo)
        copied._cached = None
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        """Without the client and the router made of it: connections do not travel."""
        state = dict(super().__getstate__())
        state["__dict__"] = {**state["__dict__"], "http_client": None}
        state["__pydantic_private__"] = {**(state["__pydantic_private__"] or {}), "_cached": None}
        return state


POLICY = tuple(
    name
    for name in RouterOptions.model_fields
    if name not in {*PARAMETERS, "reasoning", "extra_body", "router"}
)
"""The options that make a `Router`. The others go with each request."""


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _differs(value: object, default: object) -> bool:
    if isinstance(default, UnsetNumber):
        return not isinstance(value, UnsetNumber)
    return not (value is default or (type(value) is type(default) and bool(value == default)))
