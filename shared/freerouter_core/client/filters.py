"""What may be changed about a router at run time (`Router.set_filter`): thresholds and lists, never whether anything is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..catalogue.providers import Provider
from ..errors import BadSetting
from ..routing.fit import CAPABILITIES
from .config import RouterConfig

FILTER: dict[str, tuple[type, ...]] = {
    "show_free_only": (bool,),
    "prefer_free": (bool,),
    "max_cost_per_token": (int, float),
    "min_context": (int,),
    "min_quality": (int, float),
    "min_safety": (int, float),
    "max_latency": (int, float),
    "capabilities": (list, tuple),
    "providers": (list, tuple, str),
}
"""What `set_filter` changes, and of which type it may be; None takes a wish back, where it can be None."""


_MOST = {"min_quality": 10.0, "min_safety": 10.0, "min_context": 10_000_000}


def _fits(name: str, value: object) -> bool:
    kinds = FILTER[name]
    if value is None:
        return not name.startswith("min_") and name != "capabilities"
    if isinstance(value, bool) and bool not in kinds:
        return False
    if name == "capabilities":
        return isinstance(value, (list, tuple)) and all(
            isinstance(item, str) and item in CAPABILITIES for item in value
        )
    if isinstance(value, (list, tuple)) and not (
        value and all(isinstance(item, (str, Provider)) for item in value)
    ):
        return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        most = _MOST.get(name, 1e9)
        least = 1e-9 if name == "max_latency" else 0.0
        return isinstance(value, kinds) and least <= value <= most
    return isinstance(value, kinds)


def filtered(config: RouterConfig, changes: Mapping[str, Any]) -> RouterConfig:
    """The configuration with its filter changed. Raises `BadSetting` for an unknown name or value."""
    unknown = sorted(set(changes) - set(FILTER))
    if unknown:
        raise BadSetting(f"the filter has no {unknown[0]!r}", hint=f"known: {', '.join(FILTER)}")
    wrong = next((name for name, value in changes.items() if not _fits(name, value)), None)
    if wrong is not None:
        raise BadSetting(f"{wrong}={changes[wrong]!r} makes no sense in a filter")
    return dataclasses.replace(config, **changes)
