"""The filter of a router: the options that `Router.set_filter` changes while it is in use.

They are thresholds and lists. None of them allows paying.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ..catalogue.providers import Provider
from ..errors import BadSetting
from ..routing.fit import CAPABILITIES
from .config import RouterConfig

Check = Callable[[object], bool]


def _number(least: float, most: float, kinds: tuple[type, ...] = (int, float)) -> Check:
    def check(value: object) -> bool:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        return isinstance(value, kinds) and least <= value <= most

    return check


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _are_capabilities(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(item, str) and item in CAPABILITIES for item in value
    )


def _are_providers(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, (str, Provider)) for item in value)
    return isinstance(value, str)


FILTER: Mapping[str, Check] = {
    "show_free_only": _optional(_is_bool),
    "prefer_free": _optional(_is_bool),
    "max_cost_per_token": _optional(_number(0.0, 1e9)),
    "min_context": _number(0, 10_000_000, (int,)),
    "min_quality": _number(0.0, 10.0),
    "min_safety": _number(0.0, 10.0),
    "max_latency": _optional(_number(1e-9, 1e9)),
    "capabilities": _are_capabilities,
    "providers": _optional(_are_providers),
}
"""The options of a filter, and whether a value is acceptable. None means the default."""


def filtered(config: RouterConfig, changes: Mapping[str, Any]) -> RouterConfig:
    """The configuration with another filter. Raises `BadSetting` for an unknown name or value."""
    for name in sorted(changes):
        if name not in FILTER:
            hint = f"its options are {', '.join(FILTER)}"
            raise BadSetting(f"the filter has no option {name!r}", hint=hint)
    for name, value in changes.items():
        if not FILTER[name](value):
            raise BadSetting(f"{name}={value!r} makes no sense in a filter")
    return dataclasses.replace(config, **changes)
