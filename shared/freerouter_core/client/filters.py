"""What may be changed about a router at run time (`Router.set_filter`): thresholds and lists, never whether anything is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..catalogue.providers import Provider
from ..errors import BadSetting
from ..routing.fit import CAPABILITIES

if TYPE_CHECKING:
    from .router import Router

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


def change_filter(
    router: Router, changes: Mapping[str, Any], check: Callable[[Router], object]
) -> dict[str, Any]:
    """Change this router alone; its filter as it is then. Raises `BadSetting`, having changed nothing, also where `check` does."""
    unknown = sorted(set(changes) - set(FILTER))
    if unknown:
        raise BadSetting(f"the filter has no {unknown[0]!r}", hint=f"known: {', '.join(FILTER)}")
    wrong = next((name for name, value in changes.items() if not _fits(name, value)), None)
    if wrong is not None:
        raise BadSetting(f"{wrong}={changes[wrong]!r} makes no sense in a filter")
    changed = dataclasses.replace(router, **changes)
    check(changed)  # an unknown provider is said now, not at the next request
    for name in changes:
        object.__setattr__(router, name, getattr(changed, name))
    router.__dict__["_version"] = router.__dict__.get("_version", 0) + 1
    router.__dict__.pop("_cached", None)
    return {name: getattr(router, name) for name in FILTER}
