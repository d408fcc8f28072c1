"""`RouterBase`: a router's options, its filter, and the context of its calls."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..errors import forgets_locals
from ..runtime.http.transport import HttpClient
from ..runtime.runtime import Runtime
from .config import RouterConfig
from .context import Context
from .filters import FILTER, filtered
from .resolve import Resolved
from .serialize import config_as_data

if TYPE_CHECKING:
    _Options = RouterConfig
else:
    _Options = object
"""A router has its options as attributes. Type checkers see them as those of `RouterConfig`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arguments(RouterConfig):
    """Every argument of `Router`, for `dataclasses.replace`."""

    http_client: HttpClient | None = dataclasses.field(default=None, repr=False)
    runtime: Runtime | None = dataclasses.field(default=None, repr=False)


_LASTING = tuple(
    field.name for field in dataclasses.fields(RouterConfig) if field.name not in FILTER
)
"""The options that no filter changes."""


class RouterBase(_Options):
    """An immutable set of options that is equal to others of the same options, and picklable.

    Nothing about a router changes but its filter (`set_filter`), which belongs to this object
    alone. The hash leaves the filter out, so it never changes.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]] = (
        _Arguments.__dataclass_fields__
    )
    """`dataclasses.replace(router, …)` works as `router.with_options(…)` does."""

    _context: Context
    """Never changed, only replaced, under the lock: a call keeps the one it began with."""
    _lock: threading.Lock

    def _start(self, context: Context) -> None:
        self.__dict__.update(_context=context, _lock=threading.Lock())

    @classmethod
    def _of(cls, context: Context) -> Self:
        router = cls.__new__(cls)
        router._start(context)
        return router

    @property
    def config(self) -> RouterConfig:
        """The options as they are now, filter included."""
        return self._context.config

    @property
    def runtime(self) -> Runtime | None:
        """The runtime this router was given. None: it uses the one of the process."""
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
        """The models to ask first, in order: the named one, then those of the environment and of
        `fallback_models`."""
        return self._resolved.policy.preferred

    @forgets_locals
    def with_options(self, **options: Any) -> Self:
        """A copy of this router, filter included, with other options.

        Args:
            options: arguments of `Router`.

        Raises:
            BadSetting: an option makes no sense.
        """
        return self._of(self._context.with_options(**options))

    @forgets_locals
    def set_filter(self, /, **changes: Any) -> dict[str, Any]:
        """Change what this router lists and asks, from the next request on. No other router
        changes. Returns the filter as it is now.

        `show_free_only` and `prefer_free` say what `models()` lists and in which order. The others
        are options of `Router`: `max_cost_per_token`, `min_context`, `min_quality`, `min_safety`,
        `max_latency`, `capabilities`, `providers`. None of them allows paying.

        Raises:
            BadSetting: a name or value makes no sense; nothing was changed.
        """
        with self._lock:
            config = filtered(self.config, changes)
            context = Context(config, self.runtime, self.http_client)
            context.check()  # an unknown provider is an error now, not at the next request
            self.__dict__["_context"] = context
        return {name: getattr(config, name) for name in FILTER}

    def describe(self) -> dict[str, Any]:
        """The options as plain data, without keys: routers that answer alike describe alike."""
        data = config_as_data(self.config)
        if self.runtime is not None:
            data["runtime"] = self.runtime.name
        return data

    @property
    def state_file(self) -> Path | None:
        """The file in which this router shares its state. None: it is kept in memory, or by a
        server."""
        self._context.open_state()
        return self._runtime.state_file

    def check(self) -> None:
        """Raise what a first request would raise for its settings. Sends nothing.

        Raises:
            AuthenticationFailed: no provider has a key.
            BadSetting: a setting makes no sense.
        """
        self._context.check()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only what is not found elsewhere comes here. `_context` is missing during unpickling.
            if not name.startswith("_") and name in RouterConfig.__dataclass_fields__:
                return getattr(self._context.config, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RouterBase) or type(other) is not type(self):
            return NotImplemented
        return self.config == other.config and self.http_client == other.http_client

    def __hash__(self) -> int:
        config = self.config
        return hash((*(getattr(config, name) for name in _LASTING), self.http_client))

    def __repr__(self) -> str:
        return type(self).__name__ + repr(self.config).removeprefix("RouterConfig")

    def __copy__(self) -> Self:
        """A router with a filter of its own. Client and runtime are shared."""
        return self.with_options()

    def __deepcopy__(self, memo: object) -> Self:
        return self.with_options()

    def __getstate__(self) -> dict[str, Any]:
        """The options, with the key. A client and a runtime belong to their process."""
        return {"config": self.config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(Context(state["config"]))
