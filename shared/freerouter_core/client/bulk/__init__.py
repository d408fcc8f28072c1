"""Bulk jobs: many requests over days, kept in a file, resumed where they stood.

The names are loaded when first used: an adapter that never runs a job does not load the runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bulk import Bulk
    from .parts import partition
    from .result import BulkResult

__all__ = ["Bulk", "BulkResult", "partition"]
_HOMES = {"Bulk": ".bulk", "BulkResult": ".result", "partition": ".parts"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return value
