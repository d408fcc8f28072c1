"""In which order the fitting models are asked.

`adaptive` minimises the expected time to a good answer. Asking models in the order of cost/probability does that when each
is tried until one answers (the classic result for sequential search), so a model's score is its expected seconds over the
probability that it answers, sampled from its decayed posterior: an unknown model is drawn high now and then and gets tried,
a fallen one comes back. A quality prior bends the score as far as `prefer` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

from ..catalogue.model import Model
from .health import HALF_LIFE, PRIOR_BAD, PRIOR_FIRST_TOKEN, PRIOR_GOOD, PRIOR_SPEED, Health, HealthBook
from .need import Need, Policy

_BEND = {"speed": 0.0, "balanced": 0.06, "quality": 0.25}
"""How strongly one point of quality (0-10) shortens a model's score, by `prefer`."""
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
) -> list[Model]:
    """`models`, best first. `rng` None: means in place of samples, as `explain` wants. `turn` moves the round robin."""
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
        return sorted(models, key=lambda m: key(m, book.models.get(m.key)))
    scores = _scores(models, need, policy, book, now, rng)
    return [models[n] for n in sorted(range(len(models)), key=scores.__getitem__)]


def _scores(
    models: Sequence[Model], need: Need, policy: Policy, book: HealthBook, now: float, rng: Random | None
) -> list[float]:
    """Expected seconds to a good answer from each model; lower is better. One plain loop: every request runs it."""
    tokens = min(need.output_tokens, 512)
    bend = -_BEND.get(policy.prefer, 0.06)
    blank_mean, blank_spread = _belief(PRIOR_GOOD, PRIOR_BAD)
    blank_seconds = PRIOR_FIRST_TOKEN + tokens / PRIOR_SPEED
    known, exp, structured = book.models.get, math.exp, need.structured
    dice = rng.random if rng is not None else None
    scores = []
    for model in models:
        health = known(model.key)
        if health is None:
            chance, spread, seconds = blank_mean, blank_spread, blank_seconds
        else:
            fade = 0.5 ** ((now - health.at) / HALF_LIFE) if now > health.at else 1.0
            chance, spread = _belief(PRIOR_GOOD + health.good * fade, PRIOR_BAD + health.bad * fade)
            seconds = health.first_token + tokens / health.speed
        if dice is not None:
            # Two uniforms stand in for a Beta deviate: right in mean and spread, a tenth of its price.
            chance += spread * (dice() + dice() - 1.0)
            chance = 1.0 if chance > 1.0 else max(chance, 0.02)
        if structured and "structured_outputs" not in model.parameters:
            seconds *= _TIMID
        scores.append(seconds / chance * exp(bend * model.quality))
    return scores


def _belief(good: float, bad: float) -> tuple[float, float]:
    """A Beta posterior's mean, and the factor that gives the sum of two uniforms its spread."""
    total = good + bad
    mean = good / total
    return mean, math.sqrt(6.0 * mean * (1.0 - mean) / (total + 1.0))


def _answers(health: Health | None) -> float:
    if health is None:
        return PRIOR_GOOD / (PRIOR_GOOD + PRIOR_BAD)
    return (health.good + PRIOR_GOOD) / (health.good + health.bad + PRIOR_GOOD + PRIOR_BAD)


_KEYS: dict[str, Callable[[Model, Health | None], tuple[float, ...]]] = {
    "context": lambda m, h: (-m.context,),
    "performance": lambda m, h: (h.expected(256) if h else PRIOR_FIRST_TOKEN + 256 / PRIOR_SPEED, -m.quality),
    "cost": lambda m, h: (m.prompt_price + m.completion_price, -m.quality),
    "availability": lambda m, h: (-_answers(h), -m.quality),
}
