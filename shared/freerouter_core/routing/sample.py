"""Which models are looked at, where there are more than a request has time for.

A decision takes about a microsecond a model. Of hundreds it looks at the models that answered last,
which are likely to answer again, and at some others by chance, so that each is tried in time. Only
where samples of the odds are drawn anyway: a strategy that promises the first of all looks at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..catalogue.model import Model, ModelIdentity
from .health_book import HealthBook
from .situation import Situation

SAMPLE = 80
"""Models that are looked at, at most."""


def may_sample(models: Sequence[Model], situation: Situation) -> bool:
    """Whether only some of the models are looked at. Where money may be spent all are: each free
    model comes before every paid one."""
    policy = situation.policy
    chooses = policy.strategy == "adaptive" and not policy.order and not policy.allow_paid
    return len(models) > SAMPLE and chooses


def sample(
    models: Sequence[Model], index: dict[ModelIdentity, Model], book: HealthBook, rng: Random
) -> list[Model]:
    """The models that answered last, and others by chance. `index`: the models by identity."""
    chosen = {identity: index[identity] for identity in book.latest if identity in index}
    number, draw = len(models), rng.random
    for _ in range(SAMPLE - len(chosen)):
        model = models[int(number * draw())]
        chosen[model.identity] = model
    return list(chosen.values())
