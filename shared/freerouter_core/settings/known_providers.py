"""The providers that are known (`catalogue/providers.toml`), and the keys that belong to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from ..catalogue.provider_rows import ProviderRow, read_rows
from ..errors import BadSetting

_SECRET_NAME = re.compile("KEY|TOKEN|SECRET|PASS", re.IGNORECASE)
"""Variables with such names hold secrets, and an address must not contain those."""
_VARIABLE = re.compile(r"\{(\w+)\}")


@cache
def known_providers() -> dict[str, ProviderRow]:
    """The rows of providers.toml by name."""
    text = files("freerouter_core.catalogue").joinpath("providers.toml").read_text("utf-8")
    return read_rows(text)


def check_key_owners(rows: Mapping[str, ProviderRow], file: str | None) -> None:
    """Refuse rows of a settings file that would send a known provider's key somewhere else.

    Somebody else may have made the folder with the file, so it decides about no foreign key.

    Raises:
        BadSetting: an address contains a secret, or a row uses the key of another provider.
    """
    owners = {
        variable: name
        for name, row in known_providers().items()
        for variable in row.get("keys", ())
    }
    for name, row in rows.items():
        _check_addresses(name, row, owners, file)
        _check_keys(name, row, owners, file)


def _addresses(row: ProviderRow) -> list[str]:
    return [str(row.get("base_url", "")), str(row.get("models", ""))]


def _check_addresses(
    name: str, row: ProviderRow, owners: Mapping[str, str], file: str | None
) -> None:
    for address in _addresses(row):
        for variable in _VARIABLE.findall(address):
            if variable in owners or _SECRET_NAME.search(variable):
                raise BadSetting(
                    f"{file}: providers.{name} must not have {variable} in an address",
                    hint="name the variable in keys, and it is sent as a key is",
                )


def _check_keys(name: str, row: ProviderRow, owners: Mapping[str, str], file: str | None) -> None:
    moved = any(address and not address.startswith("/") for address in _addresses(row))
    variables = row.get("keys", known_providers().get(name, {}).get("keys", ()))
    for variable in variables:
        owner = owners.get(variable)
        if owner is not None and (owner != name or moved):
            raise BadSetting(
                f"{file}: providers.{name} must not use {variable}, which belongs to {owner}",
                hint="give your provider a variable of its own, or pass "
                "Provider(…, api_key=…) in code",
            )
