"""`without_secrets`: the environment that a client gets, which has none of FreeRouter's keys.

A coding agent has a shell, and models that nobody vouches for say what it does there. One `env`
would put every key into a prompt, which goes to whichever provider is asked next. The client needs
none of them: it has the token of its own service.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...catalogue.provider_rows import ProviderRow, merge_rows
from ...settings.environment import Settings
from ...settings.known_providers import known_providers

TOKENS = ("FREEROUTER_SERVE_TOKEN",)
"""Variables with tokens of the service: several, with spaces between."""
STORES = ("FREEROUTER_STATE", "FREEROUTER_ANSWER_CACHE")
"""Variables with an address that may hold a password."""
SHORTEST = 8
"""Characters from which on a secret is looked for in the values of all variables."""


def without_secrets(
    environment: Mapping[str, str], settings: Settings, keep: Collection[str] = ()
) -> dict[str, str]:
    """The environment without keys, tokens, and addresses with a password.

    A variable goes if it is named as a key or a token, and so does each that has the same secret in
    it under another name. `keep`: names of variables that stay all the same.
    """
    kept = {name.upper() for name in keep}
    rows = merge_rows(known_providers(), settings.providers)
    keys = {name for row in rows.values() for name in row.get("keys", ())}
    names = {*TOKENS, *keys} - kept
    secrets = {
        secret for secret in _secrets(names, rows, settings, kept) if len(secret) >= SHORTEST
    }
    return {
        name: value
        for name, value in environment.items()
        if name.upper() in kept
        or not (name.upper() in names or any(secret in value for secret in secrets))
    }


def _secrets(
    names: Collection[str],
    rows: Mapping[str, ProviderRow],
    settings: Settings,
    kept: Collection[str],
) -> Iterator[str]:
    addresses = {*STORES, *(row.get("base_url_variable", "") for row in rows.values())}
    addresses -= {*kept}
    for source in settings.environment.sources:
        for name in source.values:
            if name in names and not source.kept:  # the keyring is not asked without need
                yield from source.values[name].split()
            elif name in addresses and _may_hold_a_secret(source.values[name]):
                yield source.values[name]


def _may_hold_a_secret(address: str) -> bool:
    """Whether it has a user or a query."""
    return "://" in address and ("@" in address or "?" in address)
