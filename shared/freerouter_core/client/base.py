"""`RouterBase`: an immutable configuration, its filter, and the context its calls run in."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..runtime.runtime import Runtime
from ..settings.environment import Settings
from .config import RouterConfig
from .context import Context
from .filters import FILTER, filtered
from .resolve import Resolved, resolve
from .serialize import config_as_data

if TYPE_CHECKING:
    from ..runtime.http.transport import HttpClient


@dataclasses.dataclass(frozen=True)
class _Arguments(RouterConfig):
    """Every argument of `Router`, for `dataclasses.replace`."""

    http_client: HttpClient | None = dataclasses.field(default=None, repr=False)
    runtime: Runtime | None = dataclasses.field(default=None, repr=False)


class RouterBase:
    """What a router is: equal to others of the same options, hashable, picklable, cheap to make.

    Nothing of it changes but its filter (`set_filter`), which belongs to this object alone.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]] = (
        _Arguments.__dataclass_fields__
    )
    """`dataclasses.replace(router, …)` works as `router.with_options(…)` does."""

    _made: RouterConfig
    """The configuration as it was given: what equality and the hash go by."""
    _context: Context
    """The context with the filter taken in. Replaced whole, under the lock."""
    _lock: threading.Lock

    def _start(
        self, made: RouterConfig, runtime: Runtime | None, http_client: HttpClient | None
    ) -> None:
        context = Context(made, runtime, http_client)
        self.__dict__.update(_made=made, _context=context, _lock=threading.Lock())

    @property
    def config(self) -> RouterConfig:
        """The options as they are now, the filter taken in."""
        return self._context.config

    @property
    def runtime(self) -> Runtime | None:
        """The runtime this router was given; None: the process's."""
        return self._context.own_runtime

    @property
    def http_client(self) -> HttpClient | None:
        """The client or transport this router was given."""
        return self._context.http_client

    @property
    def _runtime(self) -> Runtime:
        return self._context.runtime

    @property
    def _resolved(self) -> Resolved:
        return self._context.resolved

    @property
    def preferred(self) -> tuple[str, ...]:
        """The models to ask first, in order: the named one, then those of the environment and the
        fallback list."""
        return self._resolved.policy.preferred

    def with_options(self, **options: Any) -> Self:
        """A router with these options and otherwise the same, its filter included. `options` are
        arguments of `Router`. Raises `BadSetting`."""
        context = self._context
        runtime = options.pop("runtime", context.own_runtime)
        http_client = options.pop("http_client", context.http_client)
        return self._of(dataclasses.replace(context.config, **options), runtime, http_client)

    @classmethod
    def _of(
        cls, config: RouterConfig, runtime: Runtime | None, http_client: HttpClient | None
    ) -> Self:
        router = cls.__new__(cls)
        router._start(config, runtime, http_client)
        return router

    def set_filter(self, /, **changes: Any) -> dict[str, Any]:
        """Change what this router lists and asks, from the next request on. No other router changes.
        Returns the filter as it is now.

        `show_free_only`, `prefer_free`: what `models()` lists, and whether free models come first.
        `max_cost_per_token`, `min_context`, `min_quality`, `min_safety`, `max_latency`,
        `capabilities`, `providers`: as the options of those names. None of them allows paying.

        Raises:
            BadSetting: a name or value makes no sense; nothing was changed.
        """
        with self._lock:
            context = self._context
            config = filtered(context.config, changes)
            resolve(
                config, Settings.load()
            )  # names an unknown provider now, not at the next request
            self.__dict__["_context"] = Context(config, context.own_runtime, context.http_client)
        return {name: getattr(config, name) for name in FILTER}

    def describe(self) -> dict[str, Any]:
        """The options as plain data, without keys: what tells one router's answers from another's."""
        data = config_as_data(self.config)
        if self.runtime is not None:
            data["runtime"] = self.runtime.name
        return data

    def check(self) -> None:
        """Raise what a first request would raise for its settings. Sends nothing.

        Raises:
            AuthenticationFailed: no provider has a key.
            BadSetting: a setting makes no sense.
        """
        _ = self._resolved

    if not TYPE_CHECKING:  # a type checker reads `router.config.model`, and finds a typo

        def __getattr__(self, name: str) -> Any:
            """An option as it is now: `router.model`."""
            if name.startswith("_"):
                raise AttributeError(name)
            try:
                return getattr(self._context.config, name)
            except AttributeError:
                words = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(words) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RouterBase) or type(other) is not type(self):
            return NotImplemented
        return (
            self._made == other._made
            and self.config == other.config
            and self.http_client == other.http_client
        )

    def __hash__(self) -> int:
        return hash((self._made, self.http_client))

    def __repr__(self) -> str:
        return type(self).__name__ + repr(self.config).removeprefix("RouterConfig")

    def __copy__(self) -> Self:
        """A router of its own, whose filter may become another; client and runtime are shared."""
        context = self._context
        copied = self._of(self._made, context.own_runtime, context.http_client)
        copied.__dict__["_context"] = Context(
            context.config, context.own_runtime, context.http_client
        )
        return copied

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        """The options and the key. A client and a runtime belong to their process."""
        return {"made": self._made, "config": self.config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(state["made"], None, None)
        self.__dict__["_context"] = Context(state["config"], None, None)
