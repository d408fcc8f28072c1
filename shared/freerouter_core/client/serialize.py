"""Options as JSON can hold them, without keys, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from ..catalogue.providers import Limit, Provider
from ..checks import Unset
from ..guards.base import GuardLike, name_of
from .config import RouterConfig


def config_as_data(config: RouterConfig) -> dict[str, Any]:
    """Every option that is set, but for the key."""
    values = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "api_key"}
    data = {name: value for name, value in values.items() if value is not None}
    data["strategy"] = strategy_as_data(config.strategy)
    data["providers"] = providers_as_data(config.providers)
    data["guards"] = guards_as_data(config.guards)
    if isinstance(config.timeout, Unset):
        del data["timeout"]
    else:
        data["timeout"] = config.timeout  # None is a choice of its own: no bound
    return data


def strategy_as_data(value: Any) -> str:
    """A strategy by name; loading a name that is none of ours asks for the callable."""
    return (
        value if isinstance(value, str) else str(getattr(value, "__name__", type(value).__name__))
    )


def guards_as_data(value: Sequence[GuardLike]) -> list[str]:
    """Guards by name: loading such a text asks for the objects."""
    return [name_of(guard) for guard in value]


def session_as_data(value: Any) -> str | None:
    """A session by name."""
    return value if isinstance(value, str) else getattr(value, "name", None)


def providers_as_data(value: Any) -> Any:
    """`providers=` as JSON can hold it, without keys: loading takes them from the environment."""
    if not isinstance(value, (list, tuple)):
        return value
    return [
        {
            "name": item.name,
            "base_url": item.base_url,
            "free": item.free
            if isinstance(item.free, str) or item.free is None
            else list(item.free),
            "limits": None if item.limits is None else [asdict(limit) for limit in item.limits],
        }
        if isinstance(item, Provider)
        else item
        for item in value
    ]


def provider_from_data(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    values = dict(item)
    if values.get("limits") is not None:
        values["limits"] = [
            limit if isinstance(limit, Limit) else Limit(**limit) for limit in values["limits"]
        ]
    return Provider(**values)
