"""The providers that are known (`catalogue/providers.toml`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ..catalogue.provider_rows import ProviderRow, read_rows


@cache
def known_providers() -> dict[str, ProviderRow]:
    """The rows of providers.toml by name."""
    text = files("freerouter_core.catalogue").joinpath("providers.toml").read_text("utf-8")
    return read_rows(text)
