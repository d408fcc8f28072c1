"""Rows of providers.toml about models besides chat, and all such models of some accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import BadSetting
from .limit import Limit
from .model import Catalogue, Mode, Model
from .providers import Account
from .serving import USUAL_TOKENS, Served, Serving
from .spaces import is_embedder, is_reranker, space_of

UNKNOWN_PRICE = -1.0
"""No row tells what a model costs: it costs more than any limit."""


def read_served(row: Mapping[str, Any]) -> Served:
    """A `serves` row of providers.toml, or of the user's own. Raises `BadSetting`."""
    values = dict(row)
    model, mode = values.pop("model", ""), values.pop("mode", "embedding")
    if not isinstance(model, str) or not model or mode not in ("embedding", "rerank"):
        raise BadSetting(
            f"serves: {row!r} needs a model and a mode",
            hint='{ model = "bge-m3", mode = "embedding" }',
        )
    for fact in ("checked", "source"):
        values.pop(fact, None)
    free, quality = bool(values.pop("free", True)), float(values.pop("quality", 5.0))
    name, context = values.pop("space", model), values.pop("context", None)
    space = space_of(name) if mode == "embedding" else None
    if "limits" in values:
        values["limits"] = tuple(Limit(**limit) for limit in values["limits"])
    if "fields" in values:
        values["fields"] = tuple((name, _frozen(v)) for name, v in values["fields"].items())
    try:
        serving = Serving(space=space, **values)
    except TypeError as error:
        raise BadSetting(f"serves of {model!r}: {error}") from None
    return Served(
        model=model, mode=mode, serving=serving, free=free, quality=quality, context=context
    )


def _frozen(value: object) -> object:
    """The value of a field, lists as tuples: rows are compared and hashed."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, Mapping):
        raise BadSetting(f"serves: a field may have no value such as {value!r}")
    return value


def serving_models(mode: Mode, catalogue: Catalogue, accounts: Iterable[Account]) -> Catalogue:
    """The models of one mode: those that the lists have, and those of the providers' rows.

    A row knows more than a list, so it counts where both have a model.
    """
    accounts = tuple(accounts)
    key = ("serving", mode, tuple((account.scope, account.serves) for account in accounts))
    remembered: Catalogue | None = catalogue.memo.get(key)
    if remembered is not None:
        return remembered
    models = [_listed(model, mode) for model in catalogue if not model.chat]
    for account in accounts:
        models += [_of_row(row, account) for row in account.serves if row.mode == mode]
    found = Catalogue.of((m for m in models if m is not None), catalogue.fetched)
    catalogue.memo[key] = found
    return found


def _of_row(row: Served, account: Account) -> Model:
    space = row.serving.space
    return Model(
        id=row.model if account.provider == "openrouter" else f"{account.provider}:{row.model}",
        provider=account.provider,
        name=row.model,
        origin=account.address,
        context=row.context or (USUAL_TOKENS if space is None else space.tokens),
        free=row.free,
        prompt_price=0.0 if row.free else UNKNOWN_PRICE,
        chat=False,
        mode=row.mode,
        serving=row.serving,
        quality=row.quality,
    )


def _listed(model: Model, mode: Mode) -> Model | None:
    """A listed model, if it is of this mode."""
    if mode == "rerank" and is_reranker(model.wire_name):
        return replace(model, mode=mode, serving=Serving())
    if mode == "embedding" and is_embedder(model.wire_name):
        space = space_of(model.wire_name)
        context = min(model.context, space.tokens)
        return replace(model, mode=mode, serving=Serving(space=space), context=context)
    return None
