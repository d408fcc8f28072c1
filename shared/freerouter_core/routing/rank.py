"""In which order the fitting models are asked.

`adaptive` minimises the expected time to a good answer. Asking models in the order of cost/probability does that when each
is tried until one answers (the classic result for sequential search), so a model's score is its expected seconds over the
probability that it answers, sampled from its decayed posterior: an unknown model is drawn high now and then and gets tried,
a fallen one comes back. A quality prior bends the score as far as `prefer` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random

from ..catalogue.model import Model
from .fit import quality_of
from .health import (
    PRIOR_BAD,
    PRIOR_FIRST_TOKEN,
    PRIOR_GOOD,
    PRIOR_LOST,
    PRIOR_SPEED,
    Health,
    HealthBook,
)
from .need import Need, Policy
from .task import aptitude

_BEND = {"speed": 0.0, "balanced": 0.06, "quality": 0.25}
"""How strongly one point of quality (0-10) shortens a model's score, by `prefer`."""
DEAR = 2.0
"""The price of a request, in seconds, at which half of the curiosity is left."""
WASTE = 0.5
"""The price of a request where nobody waits for any, in seconds."""
HOPE = 0.5
"""How much sooner than usual such a model is hoped to answer, likewise: so that it is tried."""
UNSURE = 0.6
"""How far the time of a model that never answered may be from the usual, as a power of e."""
NOTHING: Mapping[str, float] = {}
_TIMID = 1.25
"""What a model without native JSON costs a structured request: it may have to be asked again."""


def rank(
    models: Sequence[Model],
    need: Need,
    policy: Policy,
    book: HealthBook,
    now: float,
    rng: Random | None,
    turn: int = 0,
    congestion: Mapping[str, float] = NOTHING,
) -> list[Model]:
    """`models`, best first. `rng` None: means in place of samples, as `explain` wants. `turn` moves the round robin.
    `congestion`: what a request costs others, in seconds, by provider."""
    if policy.order:
        return sorted((m for m in models if m.id in policy.order), key=lambda m: policy.order[m.id])
    if policy.strategy == "random":
        shuffled = list(models)
        if rng is not None:
            rng.shuffle(shuffled)
        return shuffled
    if policy.strategy == "round_robin":
        ordered = sorted(models, key=lambda m: m.id)
        cut = turn % len(ordered) if ordered else 0
        return ordered[cut:] + ordered[:cut]
    if policy.strategy in _KEYS:
        key = _KEYS[policy.strategy]
        return sorted(models, key=lambda m: key(m, book.models.get(m.identity)))
    scores = _scores(models, need, policy, book, now, rng, congestion)
    return [models[n] for n in sorted(range(len(models)), key=scores.__getitem__)]


def _scores(
    models: Sequence[Model],
    need: Need,
    policy: Policy,
    book: HealthBook,
    now: float,
    rng: Random | None,
    congestion: Mapping[str, float],
) -> list[float]:
    """Expected seconds to a good answer from each model; lower is better. One plain loop: every request runs it."""
    tokens = min(book.size, need.output_tokens)
    bend = -_BEND.get(policy.prefer, 0.06)
    blank = Health(first_token=book.pool.first_token, speed=book.pool.speed)
    blank_odds = blank.odds(now)
    blank_seconds = blank.expected(tokens)
    known, exp, sqrt, structured = book.models.get, math.exp, math.sqrt, need.structured
    dice = rng.random if rng is not None else None
    calm = {name: 1.0 / (1.0 + price / DEAR) for name, price in congestion.items()}
    flying, plain = book.flying, not (need.task or policy.quality)
    scores = []
    for model in models:
        key = model.identity
        health = known(key)
        if health is None:
            (chance, total), seconds, lost, fresh = blank_odds, blank_seconds, PRIOR_LOST, True
        else:
            chance, total = health.odds(now)
            seconds, lost = health.first_token + tokens / health.speed, health.lost
            fresh = not (health.answers or health.failures or health.facts)
        if dice is not None:
            # Two uniforms stand in for a Beta deviate: right in mean and spread, a tenth of its price.
            bold = calm.get(model.provider, 1.0)
            chance += (
                bold * sqrt(6.0 * chance * (1.0 - chance) / (total + 1.0)) * (dice() + dice() - 1.0)
            )
            if fresh:
                if key in flying:  # others are finding out
                    chance *= 0.5 ** flying[key]
                seconds *= exp(bold * (UNSURE * (dice() + dice() - 1.0) - HOPE))
        chance = 0.99 if chance > 0.99 else max(chance, 0.02)
        if structured and "structured_outputs" not in model.parameters:
            seconds *= _TIMID
        failing = ((1.0 - chance) * lost + WASTE + congestion.get(model.provider, 0.0)) / chance
        quality = model.quality if plain else quality_of(model, policy) + aptitude(model, need.task)
        if health is not None and health.grades:
            quality = health.quality(quality)
        scores.append((seconds + failing) * exp(bend * quality))
    return scores


def _answers(health: Health | None) -> float:
    if health is None:
        return PRIOR_GOOD / (PRIOR_GOOD + PRIOR_BAD)
    return (health.good + PRIOR_GOOD) / (health.good + health.bad + PRIOR_GOOD + PRIOR_BAD)


_KEYS: dict[str, Callable[[Model, Health | None], tuple[float, ...]]] = {
    "context": lambda m, h: (-m.context,),
    "performance": lambda m, h: (
        h.expected(256) if h else PRIOR_FIRST_TOKEN + 256 / PRIOR_SPEED,
        -m.quality,
    ),
    "cost": lambda m, h: (m.prompt_price + m.completion_price, -m.quality),
    "availability": lambda m, h: (-_answers(h), -m.quality),
}
