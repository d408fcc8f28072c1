"""`RouterOptions`: the constructor arguments that both adapters share, with the same names, types and defaults."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

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

from ..catalogue.providers import Provider
from ..checks import UnsetNumber
from ..errors import BadSetting
from .serialize import (
    guards_as_data,
    provider_from_data,
    providers_as_data,
    session_as_data,
    strategy_as_data,
)

POLICY = (
    "model",
    "fallback_models",
    "base_url",
    "providers",
    "strategy",
    "prefer",
    "capabilities",
    "task",
    "min_context",
    "min_quality",
    "min_safety",
    "max_latency",
    "max_cost_per_token",
    "max_cost_per_request",
    "daily_budget_usd",
    "daily_cap",
    "allow_paid",
    "keyless",
    "privacy",
    "timeout",
    "max_retries",
    "on_stream_break",
    "tool_streaming",
    "hedge",
    "guards",
    "session",
    "http_client",
)
"""The options that make a `Router`; the others go with each request."""
PARAMETERS = (
    "temperature",
    "max_tokens",
    "top_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
)
"""The options that are sampling parameters, by their names on the wire."""


def _keep_unset(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, UnsetNumber) else validate(value)


def _same(value: Any, default: Any) -> bool:
    if isinstance(default, UnsetNumber):
        return isinstance(value, UnsetNumber)
    return value is default or (type(value) is type(default) and bool(value == default))


class RouterOptions(BaseModel):
    """What may be chosen about a model. See `freerouter_core.Router` for what each policy option means."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    model: str = "auto"
    fallback_models: Sequence[str] | None = None
    base_url: str | None = None
    providers: Any = None
    strategy: str | Callable[..., Any] = "adaptive"
    prefer: Literal["speed", "balanced", "quality"] = "balanced"
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
    privacy: Literal["any", "no-train"] = "any"
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    reasoning: bool | str | dict[str, Any] | None = None
    extra_body: dict[str, Any] = Field(default_factory=dict)
    timeout: Annotated[float | None, WrapValidator(_keep_unset)] = Field(
        default=UnsetNumber(60.0), gt=0
    )
    """Seconds. Given explicitly it is over OPENROUTER_TIMEOUT, even where it equals the default."""
    max_retries: int | None = Field(default=None, ge=0)
    on_stream_break: Literal["raise", "continue"] = "raise"
    tool_streaming: Literal["whole", "fragments"] = "whole"
    hedge: Literal["auto", "off"] = "auto"
    guards: Sequence[Any] = ()
    session: Any = None
    http_client: Any = Field(default=None, exclude=True, repr=False)
    router: Any = Field(default=None, repr=False)

    _made: tuple[tuple[Any, ...], Any] | None = PrivateAttr(default=None)

    @field_validator("providers", mode="before")
    @classmethod
    def _read_providers(cls, value: Any) -> Any:
        """Providers as `providers_as_data` wrote them, and as users give them."""
        if isinstance(value, (list, tuple)):
            return tuple(provider_from_data(item) for item in value)
        if not (value is None or isinstance(value, (str, Provider))):
            raise ValueError("names or Providers are wanted")
        return (value,) if isinstance(value, Provider) else value

    @field_validator("router", mode="before")
    @classmethod
    def _read_router(cls, value: Any) -> Any:
        """A router as `resolution.describe` wrote it."""
        from .router import Router

        if value is None or isinstance(value, Router):
            return value
        if not isinstance(value, Mapping):
            raise ValueError("a Router is wanted, or what its describe() told")

        told = {key: item for key, item in value.items() if key != "runtime"}
        if isinstance(told.get("providers"), list):
            told["providers"] = tuple(provider_from_data(item) for item in told["providers"])
        return Router(**told)

    @field_validator("task")
    @classmethod
    def _read_task(cls, value: str | None) -> str | None:
        from ..routing.task import TASKS

        if value is not None and value != "auto" and value not in TASKS:
            raise ValueError(f"none of 'auto', {', '.join(map(repr, TASKS))}")
        return value

    @field_validator("guards", mode="before")
    @classmethod
    def _read_guards(cls, value: Any) -> Any:
        """Guards themselves; their names, as they were written, cannot be loaded."""
        from ..guards.base import checked

        items = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        try:
            return checked(items)
        except BadSetting as error:
            raise ValueError(str(error)) from None

    @field_validator("session", mode="before")
    @classmethod
    def _read_session(cls, value: Any) -> Any:
        """A session by its name, or itself."""
        if (
            value is None
            or (isinstance(value, str) and value)
            or getattr(value, "router", None) is not None
        ):
            return value
        raise ValueError("a name or a Session is wanted")

    @field_serializer("guards")
    def _write_guards(self, value: Sequence[Any]) -> list[str]:
        return guards_as_data(value)

    @field_serializer("session")
    def _write_session(self, value: Any) -> str | None:
        return session_as_data(value)

    @field_serializer("providers")
    def _write_providers(self, value: Any) -> Any:
        return providers_as_data(value)

    @field_serializer("capabilities", "fallback_models")
    def _write_names(self, value: Sequence[str] | None) -> list[str] | None:
        """The same whether they were given or read back: caches compare the text."""
        return None if value is None else list(value)

    @field_serializer("router")
    def _write_router(self, value: Any) -> Any:
        return objects_as_data(self)["router"]

    @field_serializer("strategy")
    def _write_strategy(self, value: Any) -> Any:
        return strategy_as_data(value)

    def __init__(self, **options: Any) -> None:
        try:
            check_names(type(self), options)
            super().__init__(**options)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"]) or type(self).__name__
            raise BadSetting(f"{type(self).__name__}({name}=…): {first['msg']}") from None

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy that shares what is no data: connections, policy, and the frameworks' own limiters, callbacks and caches."""
        memo = {} if memo is None else memo
        held = (
            "http_client",
            "router",
            "session",
            "rate_limiter",
            "callback_manager",
            "callbacks",
            "cache",
        )
        memo |= {id(guard): guard for guard in self.guards}
        for shared in (getattr(self, name, None) for name in held):
            if shared is not None:
                memo[id(shared)] = shared
        copied: Self = super().__deepcopy__(memo)
        copied._made = None
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        """Without the client and the router made of it: connections do not travel."""
        state = dict(super().__getstate__())
        state["__dict__"] = {**state["__dict__"], "http_client": None}
        state["__pydantic_private__"] = {**(state["__pydantic_private__"] or {}), "_made": None}
        return state

    def make_router(self, api_key: str | None = None) -> Any:
        """The `Router` these options stand for: made at first use, and anew when an option was changed since."""
        base = self.router if self.router is not None else getattr(self.session, "router", None)
        current = None if base is None else base.config
        key = (api_key, self.router, current, *map(_frozen, self.policies()))
        if self._made is not None and self._made[0] == key:
            return self._made[1]
        from .router import Router

        said = self._said
        options = {
            name: value
            for name, value in zip(POLICY, key[3:], strict=True)
            if name in said or value != _frozen(getattr(self, name))
        }
        if "allow_paid" in self.model_fields_set and not self.allow_paid:
            options["allow_paid"] = (
                False  # said or not: between paying and not paying, not paying wins
            )
        if api_key is not None:
            options["api_key"] = api_key
        session = options.pop("session", None)
        if session is not None:
            options["session_name"] = session_as_data(session)
        router = Router(**options) if base is None else base.with_options(**options)
        self._made = (key, router)
        return router

    @property
    def _said(self) -> frozenset[str]:
        """The options that differ from their defaults. What equals its default is not given, whoever spelt it out:
        frameworks rebuild models with every field passed."""
        fields = type(self).model_fields
        names = (*POLICY, "router")
        return frozenset(
            name
            for name in names
            if not _same(getattr(self, name), fields[name].get_default(call_default_factory=True))
        )

    def policies(self) -> list[Any]:
        """The values of the policy options as the router is to have them, in the order of `POLICY`."""
        return list(map(self.__dict__.__getitem__, POLICY))

    def parameters(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The sampling parameters of a request: these options, with what the call itself gave on top."""
        found = {name: getattr(self, name) for name in PARAMETERS}
        return {name: value for name, value in {**found, **overrides}.items() if value is not None}


def _frozen(value: Any) -> Any:
    """A copy that a later change of a list in place does not change along."""
    return tuple(value) if isinstance(value, list) else value


def objects_as_data(options: RouterOptions) -> dict[str, Any]:
    """The options that may be objects of the user's, as plain data without keys. A session's policy is its router's."""
    router = (
        options.router if options.router is not None else getattr(options.session, "router", None)
    )
    return {
        "strategy": strategy_as_data(options.strategy),
        "providers": providers_as_data(options.providers),
        "guards": guards_as_data(options.guards),
        "session": session_as_data(options.session),
        "router": None if router is None else router.describe(),
    }


@lru_cache(maxsize=16)
def _names_of(kind: type[BaseModel]) -> frozenset[str]:
    aliases = {field.alias for field in kind.model_fields.values() if field.alias}
    return frozenset(kind.model_fields) | aliases | getattr(kind, "also_accepted", frozenset())


def check_names(kind: type[BaseModel], options: Mapping[str, Any]) -> None:
    """Raise `BadSetting` for an option that `kind` does not have: a typo must not pass for a setting."""
    known = _names_of(kind)
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            raise BadSetting(
                f"{kind.__name__} has no option {name!r}",
                hint=f"did you mean {close[0]!r}?"
                if close
                else "parameters of the wire go into extra_body={…}",
            )
