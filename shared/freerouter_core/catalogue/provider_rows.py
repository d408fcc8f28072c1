"""Rows of providers.toml and of the user's own, and the account that a `Provider` means."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from ..errors import BadSetting, forgets_locals, shown_name
from .addresses import address_at_host, check_address
from .providers import Account, Limit, Provider, frozen_rule
from .served_rows import read_served
from .serving import Served

ProviderRow = Mapping[str, Any]
_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
"""The facts about one provider; providers.toml explains its keys."""


class Variables(Protocol):
    """Environment variables: a mapping, or what shows none of their values."""

    def get(self, name: str, /) -> str | None: ...


def read_rows(toml: str) -> dict[str, ProviderRow]:
    """The rows of a providers.toml text, by name."""
    return rows_from_tables(tomllib.loads(toml))


def rows_from_tables(tables: Mapping[str, ProviderRow]) -> dict[str, ProviderRow]:
    """Rows with their limits as `Limit`s. Raises `BadSetting` if one is none."""
    rows: dict[str, ProviderRow] = {}
    for name, table in tables.items():
        row = dict(table)
        rows[name] = _typed(row)
    return rows


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    if "limits" in row:
        row["limits"] = tuple(Limit(**limit) for limit in row["limits"])
    if "serves" in row:
        row["serves"] = tuple(read_served(served) for served in row["serves"])
    if "free" in row:
        row["free"] = frozen_rule(row["free"])
    if "with_key" in row:
        row["with_key"] = _typed(dict(row["with_key"]))
    return row


def merge_rows(
    rows: Mapping[str, ProviderRow], own: Mapping[str, ProviderRow]
) -> dict[str, ProviderRow]:
    """Rows, overridden by the user's own. Another address inherits no list of models."""
    merged = dict(rows)
    for name, row in rows_from_tables(own).items():
        inherited = merged.get(name, {})
        if "base_url" in row:
            of_address = ("models", "base_url_variable", "ended")
            inherited = {k: v for k, v in inherited.items() if k not in of_address}
        merged[name] = {**inherited, **row}
    return merged


@forgets_locals
def resolve_account(
    provider: Provider, rows: Mapping[str, ProviderRow], environment: Variables
) -> Account | None:
    """The account of a `Provider`, or None if it needs a key and has none.

    The key is the provider's own, or else the environment's. Raises `BadSetting` if nothing is
    known of the provider, or if a part of its address is missing in `environment`.
    """
    row = rows.get(provider.name, {})
    address = provider.base_url or environment.get(row.get("base_url_variable", ""))
    in_row = row.get("base_url")
    if not (address or in_row):
        name = shown_name(provider.name)
        raise BadSetting(
            f"provider {name!r} is not known, and no base_url is given",
            hint=f"known: {', '.join(sorted(rows))}; else Provider({name!r}, base_url='https://…/v1')",
        )
    key = _key(provider, row, environment)
    if not key and row.get("keys") and not row.get("keyless"):
        return None
    # Only rows have variables in their addresses: in the value of a variable `{…}` stays text.
    address = address or _with_variables(str(in_row), provider.name, environment)
    if key:
        row = {**row, **row.get("with_key", {})}
    by_row = provider.free is None  # the user's own rule stands alone
    return Account(
        provider.name,
        check_address(address, provider.name),
        key,
        dialect=row.get("dialect", "openai"),
        free=frozen_rule(row.get("free", "all") if provider.free is None else provider.free),
        paid=tuple(row.get("paid", ())) if by_row else (),
        needs_proof=by_row and bool(row.get("needs_proof")),
        limits=tuple(row.get("limits", ())) if provider.limits is None else provider.limits,
        headers=provider.headers,
        models=_models_address(row, address, provider, environment),
        serves=_serves(row, provider),
        chat=bool(row.get("chat", True)),
        other_models=str(row.get("other_models", "")),
        usage=address_at_host(address, row["usage"]) if row.get("usage") else "",
        proof=_proof(row, provider, environment),
        privacy=row.get("privacy", "unknown"),
        untold_day=bool(row.get("untold_day")) and provider.limits is None,
        local=bool(row.get("local")),
        notional_costs=bool(row.get("notional_costs")),
        keys=tuple(row.get("keys", ())),
        signup=str(row.get("signup", "")),
        pages=tuple(row.get("pages", {}).items()),
    )


def _key(provider: Provider, row: ProviderRow, environment: Variables) -> str:
    variables = (environment.get(name) for name in row.get("keys", ()))
    key = (provider.api_key or next((value for value in variables if value), "")).strip()
    if not key.isascii() or any(letter.isspace() or not letter.isprintable() for letter in key):
        raise BadSetting(
            f"the key of {provider.name} has a character that no key has",
            hint="copy it again; a placeholder from a text is no key",
        )
    return key


def _serves(row: ProviderRow, provider: Provider) -> tuple[Served, ...]:
    """What it serves besides chat. Limits and addresses of the user's own replace the row's."""
    served: tuple[Served, ...] = row.get("serves", ())
    if provider.limits is not None:
        served = tuple(replace(s, serving=replace(s.serving, limits=None)) for s in served)
    if provider.base_url is not None:
        served = tuple(
            replace(s, serving=replace(s.serving, path="", wording="openai"))
            if s.serving.path.startswith("https:")
            else s
            for s in served
        )
    if isinstance(provider.free, tuple):  # the user's own rule stands alone
        served = tuple(replace(s, free=s.model in provider.free) for s in served)
    return served


def _models_address(
    row: ProviderRow, address: str, provider: Provider, environment: Variables
) -> str:
    """The address of its list of models: the row's own, or a path at whatever host is used."""
    models = str(row.get("models", ""))
    if models.startswith("/"):
        return address_at_host(address, models)
    is_known_address = provider.base_url is None
    return _with_variables(models, provider.name, environment) if is_known_address else ""


def _proof(row: ProviderRow, provider: Provider, environment: Variables) -> tuple[str, str]:
    """What proves the key. A whole address does so only for the address that the row knows."""
    proof = row.get("proof", {})
    at = str(proof.get("at", ""))
    moved = provider.base_url or environment.get(row.get("base_url_variable", ""))
    if not at or (moved and "://" in at):
        return "", ""
    return str(proof.get("method", "GET")), _with_variables(at, provider.name, environment)


def _with_variables(address: str, provider: str, environment: Variables) -> str:
    """An address with its `{VARIABLE}`s replaced."""

    def value_of(match: re.Match[str]) -> str:
        value = environment.get(match[1])
        if not value:
            raise BadSetting(
                f"provider {provider!r} needs {match[1]}",
                hint=f"set {match[1]}, or pass base_url=…",
            )
        return value

    return _VARIABLE.sub(value_of, address)
