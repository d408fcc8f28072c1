"""The core of `langchain_freerouter` and `llamaindex_freerouter`, usable alone through `Router`.

Names are loaded when first used, so that the import is cheap.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import errors, events
    from .catalogue.model import Catalogue, Model
    from .catalogue.providers import Limit, Provider
    from .client.bulk import Bulk, BulkResult
    from .client.embedding.embedded import Embedded, Reranked
    from .client.router import Router, Session
    from .client.streams import AsyncStream, Stream
    from .guards import Exchange, Guard, Verdict
    from .routing.answer_cache import AnswerCache
    from .routing.need import Need
    from .routing.plan import Outcome
    from .runtime.runtime import Runtime
    from .settings import Settings
    from .wire.answer import Answer
    from .wire.delta import Delta
    from .wire.request import ChatRequest
    from .wire.structured import Structured
    from .wire.tool_calls import ToolCall

_HOMES = {
    "Answer": ".wire.answer",
    "AnswerCache": ".routing.answer_cache",
    "AsyncStream": ".client.streams",
    "Bulk": ".client.bulk",
    "BulkResult": ".client.bulk",
    "Catalogue": ".catalogue.model",
    "ChatRequest": ".wire.request",
    "Delta": ".wire.delta",
    "Embedded": ".client.embedding.embedded",
    "Exchange": ".guards",
    "Guard": ".guards",
    "Limit": ".catalogue.providers",
    "Model": ".catalogue.model",
    "Need": ".routing.need",
    "Outcome": ".routing.plan",
    "Provider": ".catalogue.providers",
    "Reranked": ".client.embedding.embedded",
    "Router": ".client.router",
    "Runtime": ".runtime.runtime",
    "Session": ".client.router",
    "Settings": ".settings",
    "Stream": ".client.streams",
    "Structured": ".wire.structured",
    "ToolCall": ".wire.tool_calls",
    "Verdict": ".guards",
}
_MODULES = ("errors", "events")

__all__ = [
    "Answer",
    "AnswerCache",
    "AsyncStream",
    "Bulk",
    "BulkResult",
    "Catalogue",
    "ChatRequest",
    "Delta",
    "Embedded",
    "Exchange",
    "Guard",
    "Limit",
    "Model",
    "Need",
    "Outcome",
    "Provider",
    "Reranked",
    "Router",
    "Runtime",
    "Session",
    "Settings",
    "Stream",
    "Structured",
    "ToolCall",
    "Verdict",
    "errors",
    "events",
]


_MOVED = {
    "apps.overview": "apps.http.overview",
    "clock": "runtime.loop.clock",
    "router": "client.router",
    "session": "client.router",
    "simulator.actors": "simulator.models",
    "simulator.population": "simulator.presets",
    "streams": "client.streams",
    "tables": "reports",
    "trail": "events",
}
"""Old and new paths of modules that had another path in version 0.1."""


class _OldPaths(MetaPathFinder, Loader):
    """Imports a module by its old path."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        home, _, old = fullname.partition(".")
        return ModuleSpec(fullname, self) if home == __name__ and old in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make an empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__.removeprefix(f"{__name__}.")
        sys.modules[module.__name__] = import_module(f".{_MOVED[old]}", __name__)


sys.meta_path.append(_OldPaths())


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
