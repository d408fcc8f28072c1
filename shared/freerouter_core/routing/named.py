"""Which model a user's name means."""

from __future__ import annotations

from collections.abc import Mapping

from ..catalogue.model import Catalogue, Model
from ..catalogue.pricing import matches_free_list
from ..catalogue.providers import Account


def find_named(name: str, catalogue: Catalogue, accounts: Mapping[str, Account]) -> Model | None:
    """The model a name means; None: no account's provider can be meant.

    A name is `author/name:free` (OpenRouter's, or the only account's) or `provider:name`. A name
    that no catalogue lists is believed.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in accounts and "/" not in prefix:
        provider, wire_name = prefix, rest
    elif colon and "/" not in prefix and "openrouter" in accounts:
        # OpenRouter's names have an author; this one has a provider that is not among the accounts.
        return next((model for model in catalogue if model.wire_name == name), None)
    elif "openrouter" in accounts or not accounts:
        provider, wire_name = "openrouter", name
    elif len(accounts) == 1:
        provider, wire_name = next(iter(accounts)), name
    else:
        return next((model for model in catalogue if model.wire_name == name), None)
    wire_name = wire_name.removeprefix("models/")  # as Gemini's own list has it
    account = accounts.get(provider)
    if account is None:
        return None
    listed = _listed(catalogue, provider, account.address, wire_name)
    return _unlisted(account, provider, wire_name) if listed is None else listed


def _listed(catalogue: Catalogue, provider: str, origin: str, name: str) -> Model | None:
    """The model in the catalogue. Providers accept names in any case, and Gemini's "models/x": a
    spelling must not hide what the catalogue says of the price."""
    model = catalogue.by_identity.get((provider, origin, name))
    if model is not None:
        return model
    if "folded" not in catalogue.memo:
        catalogue.memo["folded"] = {
            (other.provider, other.origin, other.wire_name.casefold()): other for other in catalogue
        }
    folded = (provider, origin, name.removeprefix("models/").casefold())
    found: Model | None = catalogue.memo["folded"].get(folded)
    return found


def _unlisted(account: Account, provider: str, wire_name: str) -> Model:
    if account.needs_proof or wire_name.casefold() in map(str.casefold, account.paid):
        free = False
    elif account.free == "suffix":
        _, _, variant = wire_name.partition(":")  # ":online:free" searches the web
        free = variant == "free" and "@" not in wire_name  # "@preset/…" may do anything
    else:
        free = account.free == "all" or matches_free_list(wire_name, account.free)
    return Model(
        id=wire_name if provider == "openrouter" else f"{provider}:{wire_name}",
        provider=provider,
        name=wire_name,
        origin=account.address,
        free=free,
        listed=False,
    )
