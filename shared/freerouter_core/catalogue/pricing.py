"""Prices in a catalogue, and which models are free by them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from .fields import mapping_in, number_in


def read_prices(pricing: object) -> dict[str, float]:
    """Every price that is present, in USD. Absent ones say nothing: zeros are left out as well."""
    prices: dict[str, float] = {}
    for key, value in mapping_in(pricing).items():
        number = number_in(value)
        if key == "overrides" and isinstance(value, list):
            for n, override in enumerate(value):
                prices |= {f"{k}#{n}": price for k, price in _override_prices(override).items()}
        elif key == "discount" or value in (None, ""):
            continue
        else:
            # A price that cannot be read is not zero.
            prices[key] = math.inf if number is None else number
    return prices


def _override_prices(override: object) -> dict[str, float]:
    """Prices beyond some size (`min_…`) or at some time (`utc_…`)."""
    conditions = ("min_", "utc_")
    items = mapping_in(override).items()
    return read_prices({key: value for key, value in items if not key.startswith(conditions)})


def is_free(
    name: str,
    prices: dict[str, float],
    free: object,
    *,
    row: Mapping[str, object] | None = None,
    paid: tuple[str, ...] = (),
    needs_proof: bool = False,
) -> bool:
    """Whether a model is free, by its provider's rule; see `parse.parse_models`.

    `row`: what the provider's list says of it. `paid`: names that the rule does not cover.
    `needs_proof`: the rule is not trusted, unless the list states that every price is zero.
    """
    if name in paid or (needs_proof and not (prices and not any(prices.values()))):
        return False
    # -1 is the price of a router, which depends on the model it picks: not free.
    costs_nothing = not any(prices.values())
    if name.endswith(":free") and not costs_nothing:
        return False  # the price counts, whatever the name and the rule say
    if free == "suffix":
        # Both count. gemini-2.0-flash-exp:free listed prices on 2026-01-22 and -23, and paid
        # models had zero prices for a day (moonshotai/kimi-k2.5, 2026-04-18).
        return name.endswith(":free")
    if free == "price":
        return bool(prices) and costs_nothing
    if free == "all":
        return True
    if isinstance(free, str) and "=" in free:
        field, _, value = free.partition("=")
        return str((row or {}).get(field)).casefold() == value.casefold()
    return matches_free_list(name, free)


def matches_free_list(name: str, free: object) -> bool:
    """Whether a list of free models has `name`; * in it stands for any characters."""
    if not isinstance(free, (list, tuple, set, frozenset)):
        return False
    patterns = (".*".join(map(re.escape, entry.split("*"))) for entry in free if "*" in entry)
    return name in free or any(re.fullmatch(pattern, name) for pattern in patterns)
