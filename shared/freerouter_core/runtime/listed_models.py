"""The models of an account's list, without those whose names tell its key."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalogue.model import Model
from ..catalogue.parse import parse_models
from ..catalogue.providers import Account
from ..events import log
from ..wire.redact import names_key


def listed_models(payload: object, account: Account) -> tuple[Model, ...]:
    """The models of a list as a server sent it. A server may echo the key that came with it."""
    models = parse_models(
        payload,
        provider=account.provider,
        free=account.free,
        origin=account.address,
        paid=account.paid,
        needs_proof=account.needs_proof,
    )
    kept = without_key(models, account)
    if len(kept) < len(models):
        message = "%s: %d models are left out, as its list shows the key in what it says of them"
        log.warning(message, account.provider, len(models) - len(kept))
    return kept


def without_key(models: Iterable[Model], account: Account) -> tuple[Model, ...]:
    """The models that are kept and shown."""
    models = tuple(models)
    if not names_key((text for model in models for text in _texts(model)), account):
        return models  # one look for all: nearly every list is honest
    return tuple(model for model in models if not names_key(_texts(model), account))


def _texts(model: Model) -> Iterable[str]:
    # Its id is its name, perhaps with our own name of the provider, which a key may have in it.
    return model.wire_name, *model.inputs, *model.parameters
