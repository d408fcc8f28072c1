"""Options as JSON can hold them, without keys, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Protocol

from ..catalogue.addresses import shown_address
from ..catalogue.providers import Limit, Provider
from ..checks import Unset
from ..guards.base import GuardLike, name_of
from ..routing.answer_cache import AnswerCache
from ..routing.policy import Ranker
from ..wire.json_values import Json
from .config import RouterConfig


def config_as_data(config: RouterConfig) -> Json:
    """Every option that is set, without the key and the secrets of addresses."""
    values = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "api_key"}
    data = {name: value for name, value in values.items() if value is not None}
    if config.base_url is not None:
        data["base_url"] = shown_address(config.base_url)
    data["strategy"] = strategy_as_data(config.strategy)
    data["providers"] = providers_as_data(config.providers)
    data["guards"] = guards_as_data(config.guards)
    data["answer_cache"] = cache_as_data(config.answer_cache)
    if isinstance(config.timeout, Unset):
        del data["timeout"]
    else:
        data["timeout"] = config.timeout  # None was chosen, too: no bound
    return data


def strategy_as_data(strategy: str | Ranker) -> str:
    """A strategy by name. A callable's name loads as an error that asks for the callable."""
    if isinstance(strategy, str):
        return strategy
    return str(getattr(strategy, "__name__", type(strategy).__name__))


def guards_as_data(guards: Sequence[GuardLike]) -> list[str]:
    """Guards by name. Loading the names asks for the objects."""
    return [name_of(guard) for guard in guards]


def cache_as_data(value: object) -> bool | Json:
    """`answer_cache=` as data: True or False, or what differs from the default. The password of an
    address is left out."""
    cache = AnswerCache.of(value)
    if cache is None:
        return False
    default = AnswerCache()
    data = {name: v for name, v in asdict(cache).items() if v != getattr(default, name)}
    if "store" in data:
        data["store"] = cache.shown_store
    return data or True


class Named(Protocol):
    """Whatever has a name: a `Session`, which is above this module."""

    @property
    def name(self) -> str: ...


def session_as_data(session: Named | str | None) -> str | None:
    """A session by name."""
    return session if session is None or isinstance(session, str) else session.name


def providers_as_data(
    providers: Sequence[str | Provider] | Provider | None,
) -> str | list[str | Json] | None:
    """`providers=` without keys: loading takes them from the environment."""
    if not isinstance(providers, (list, tuple)):
        return providers if isinstance(providers, str) else None
    return [_provider_as_data(item) if isinstance(item, Provider) else item for item in providers]


def _provider_as_data(provider: Provider) -> Json:
    free, limits = provider.free, provider.limits
    return {
        "name": provider.name,
        "base_url": shown_address(provider.base_url),
        "free": list(free) if isinstance(free, tuple) else free,
        "limits": None if limits is None else [asdict(limit) for limit in limits],
    }


def provider_from_data(data: str | Provider | Mapping[str, Any]) -> str | Provider:
    """A provider from what `providers_as_data` wrote. A name or a `Provider` stays as it is."""
    if not isinstance(data, Mapping):
        return data
    values = dict(data)
    if values.get("limits") is not None:
        values["limits"] = [
            limit if isinstance(limit, Limit) else Limit(**limit) for limit in values["limits"]
        ]
    return Provider(**values)
