"""Which models are looked at, where there are more than a request has time for.

A decision takes about a microsecond a model. Of hundreds it looks at the models that answered last,
which are likely to answer again, and at some others by chance, so that each is tried in time. Of
those whose account is full it looks at none, while another has room: they cannot be asked now. Only
where samples of the odds are drawn anyway: a strategy that promises the first of all looks at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from ..catalogue.model import Model, ModelIdentity
from ..catalogue.providers import Account
from .health_book import HealthBook
from .situation import Situation

SAMPLE = 80
"""Models that are looked at, at most."""


def looked_at(
    models: Sequence[Model],
    index: Mapping[ModelIdentity, Model],
    accounts: Mapping[str, Account],
    situation: Situation,
) -> Sequence[Model]:
    """The models that are looked at; the same sequence: all. `index`: the models by identity.

    Where money may be spent it is all: each free model comes before every paid one.
    """
    policy, rng, full = situation.policy, situation.rng, situation.full
    if rng is None or policy.strategy != "adaptive" or policy.order or policy.allow_paid:
        return models
    if full:
        closed = {name for name, account in accounts.items() if account.scope in full}
        open_ = [model for model in models if model.provider not in closed]
        if 0 < len(open_) < len(models):
            models, index = open_, {model.identity: model for model in open_}
    return models if len(models) <= SAMPLE else _sample(models, index, situation.book, rng)


def _sample(
    models: Sequence[Model], index: Mapping[ModelIdentity, Model], book: HealthBook, rng: Random
) -> list[Model]:
    """The models that answered last, and others by chance."""
    chosen = {identity: index[identity] for identity in book.latest if identity in index}
    number, draw = len(models), rng.random
    for _ in range(SAMPLE - len(chosen)):
        model = models[int(number * draw())]
        chosen[model.identity] = model
    return list(chosen.values())
