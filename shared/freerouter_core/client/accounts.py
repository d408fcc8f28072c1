"""The accounts a router may use: its providers, each with a key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..catalogue.provider_rows import merge_rows, resolve_account
from ..catalogue.providers import Account, Limit, Provider
from ..errors import (
    AuthenticationFailed,
    BadSetting,
    NoCandidates,
    forgets_locals,
    shown_name,
)
from ..events import log
from ..settings.environment import Settings
from ..settings.key_owners import check_pair, check_rows, is_named_by_user
from ..settings.known_providers import known_providers
from .config import RouterConfig

_SIMULATED = Account(
    provider="openrouter",
    base_url="https://simulated.invalid/api/v1",
    key="sk-dev-mode-needs-no-key",
    dialect="openrouter",
    free="suffix",
    other_models="/embeddings/models",
    simulated=True,
)
"""The only account in DEV_MODE."""
_DAY = 86_400.0
Rows = Mapping[str, Mapping[str, Any]]
"""Rows of providers.toml and of the settings file, by name."""

_warned: set[str] = set()


def _warn_once(message: str) -> None:
    """Log a warning once in a process: many routers may be made."""
    if message not in _warned:
        _warned.add(message)
        log.warning(message)


@forgets_locals
def accounts_of(
    config: RouterConfig, settings: Settings, *, listing: bool = False
) -> dict[str, Account]:
    """The accounts by provider, in the order the providers were named.

    `listing`: whether models are only listed, so that providers whose lists are open to everybody
    need no key.

    Raises:
        AuthenticationFailed: no provider has a key.
        BadSetting: a provider is unknown, or a key and an address do not belong together.
        NoCandidates: `privacy="no-train"` leaves no provider.
    """
    check_rows(settings)
    rows = merge_rows(known_providers(), settings.providers)
    providers = _providers(config, settings, rows)
    key_in_code = config.api_key or any(p.api_key or p.base_url for p in providers)
    if settings.dev_mode and not key_in_code:
        _warn_once("DEV_MODE is set: answers are simulated, no provider is called")
        return {"openrouter": _SIMULATED}
    if settings.chat_model and not settings.openrouter_default_model:
        log.info("CHAT_MODEL is set: %s is asked first", settings.chat_model)
    if listing:
        rows = {
            name: {**row, "keyless": True} if row.get("open_list") else row
            for name, row in rows.items()
        }
    accounts, missing = _with_keys(providers, rows, settings)
    if config.daily_cap is not None:
        cap = Limit(requests=config.daily_cap, per=_DAY, reset="utc-day")
        for name, account in accounts.items():
            accounts[name] = account.limited(cap)
    if config.privacy == "no-train":
        accounts = {name: account for name, account in accounts.items() if _may_not_train(account)}
        if not accounts and not missing:
            raise NoCandidates(
                'privacy="no-train" leaves no provider: all of them may train on prompts',
                hint=_places_without_training(providers, rows),
            )
    if not accounts:
        raise AuthenticationFailed(
            f"no API key: {', '.join(missing) or 'no provider'} is not set",
            hint="get a free key at https://openrouter.ai/keys, then set OPENROUTER_API_KEY or "
            "pass api_key=…; DEV_MODE=true answers from a simulator without one",
        )
    if missing and config.providers != "all":
        _warn_once(f"providers without a key are left out: {', '.join(missing)} not set")
    return accounts


def _providers(config: RouterConfig, settings: Settings, rows: Rows) -> list[Provider]:
    """The providers a router names, with OpenRouter's own options filled in."""
    names: Iterable[str | Provider]
    foreign: frozenset[str] = frozenset()
    if config.keyless or config.providers in (None, "all"):
        foreign = _foreign(settings)
    if config.providers == "all":
        names = [name for name, row in rows.items() if _belongs_to_all(row) and name not in foreign]
    elif config.providers is None:
        names = ["openrouter", *settings.freerouter_providers, *settings.providers]
        names = [name for name in names if name not in foreign]
    else:
        names = config.providers
    if config.keyless:
        keyless = (name for name, row in rows.items() if row.get("keyless"))
        names = [*names, *(name for name in keyless if name not in foreign)]
    providers: dict[str, Provider] = {}
    for item in names:
        provider = Provider(item) if isinstance(item, str) else item
        if provider.name == "openrouter":
            provider = dataclasses.replace(
                provider,
                base_url=provider.base_url or config.base_url,
                api_key=provider.api_key or config.api_key,
            )
        providers[provider.name] = provider
    return list(providers.values())


def _foreign(settings: Settings) -> frozenset[str]:
    """The providers of a found settings file that only that file names. Code may name them."""
    if not settings.found:
        return frozenset()
    own = [name for name in settings.providers if name not in known_providers()]
    foreign = frozenset(name for name in own if not is_named_by_user(name, settings))
    for name in foreign:
        if not settings.providers[name].get("base_url"):
            raise BadSetting(
                f"{settings.file}: providers.{shown_name(name)} has no base_url",
                hint="add it, or give it in code: Provider(name, base_url=…)",
            )
    if foreign:
        _warn_once(
            f"{settings.file}: {', '.join(map(shown_name, sorted(foreign)))} not asked until you "
            "name it: providers=[…], FREEROUTER_PROVIDERS, or `freerouter trust`"
        )
    return foreign


def _with_keys(
    providers: Iterable[Provider], rows: Rows, settings: Settings
) -> tuple[dict[str, Account], list[str]]:
    """(the accounts of providers that have a key or need none, the variables of the others)."""
    accounts: dict[str, Account] = {}
    missing: list[str] = []
    for provider in providers:
        ended = rows.get(provider.name, {}).get("ended")
        if ended and provider.base_url is None:
            _warn_once(f"provider {provider.name}: {ended}")
        check_pair(provider, rows.get(provider.name, {}), settings)
        account = resolve_account(provider, rows, settings.environment)
        if account is None:
            missing += rows[provider.name].get("keys", [])
        else:
            accounts[account.provider] = account
    return accounts, missing


def _may_not_train(account: Account) -> bool:
    """Whether the provider does not train on prompts, or a request can ask it not to. An endpoint
    of the user's own counts as one that does not."""
    own = account.privacy == "unknown" and account.provider not in known_providers()
    return own or account.privacy in ("no-train", "endpoint")


def _places_without_training(providers: Iterable[Provider], rows: Rows) -> str | None:
    """Where the named providers do not train on prompts, although they do elsewhere."""
    places = [(p.name, rows.get(p.name, {}).get("no_train_in")) for p in providers]
    hints = [
        f"{name} does not train on prompts from {place}: there, leave privacy out"
        for name, place in places
        if place
    ]
    return "; ".join(hints) or None


def _belongs_to_all(row: Mapping[str, Any]) -> bool:
    """Whether `providers="all"` includes it: it has a free tier and needs a key. The others are
    named, or asked for with `keyless=True`."""
    return not (row.get("ended") or row.get("local") or row.get("keyless"))
