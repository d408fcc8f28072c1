"""In which order the models that fit are asked.

**The score.** The default strategy, `adaptive`, minimises the expected time to a good answer. If
models are asked one after the other until one answers, the best order is by cost over probability
(the classic result for sequential search). So the score of a model is

    expected seconds of its answer + expected seconds that its failures cost before it answers,

and lower is better. A failure costs the time it takes and the request it uses up. A request is
worth little while there are plenty, and seconds of other people's waiting when they are scarce.

**Exploration.** The chance of an answer is sampled from its posterior, not taken as its mean. So an
unknown model is drawn high now and then and gets tried, and a model that fell comes back. An
unknown model is also hoped to be faster than usual. Scarce requests make both bolder moves rarer.
While others already try an unknown model, the rest wait for what they find out.

Nothing tells unknown models apart, so one sample stands for all of them, and chance decides which
is asked. If each had its own, the luckiest of many would nearly always win, and with forty models
the first forty requests would go to strangers, though the first answered well.

**Quality.** A prior of 0 to 10, moved by grades, bends the score as far as `prefer` says.

Other strategies sort by one number, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..catalogue.model import Model
from .availability import Availability
from .fit import quality_of
from .health import PRIOR_FAILURE_SECONDS, Health
from .situation import Situation
from .task import aptitude
from .timings import PRIOR_FIRST_TOKEN, PRIOR_SPEED

QUALITY_WEIGHTS = {"speed": 0.0, "balanced": 0.06, "quality": 0.25}
"""How much one point of quality shortens the score, as a power of e, by `prefer`."""
REQUEST_COST = 0.5
"""Seconds that a request costs even if nobody waits for one."""
HALF_EXPLORATION = 2.0
"""Congestion (seconds) at which samples stray half as far from the mean."""
OPTIMISM = 0.3
"""How much sooner than usual an unknown model is hoped to answer, as a power of e."""
UNCERTAINTY = 0.6
"""How far the time of an unknown model may be from the usual, as a power of e."""
SHUFFLE = 0.05
"""How far the samples of unknown models are apart, so that chance decides among them."""
MIN_CHANCE, MAX_CHANCE = 0.02, 0.99
"""Bounds of a sampled chance: a model is never sure to fail, nor sure to answer."""
NO_JSON_CHANCE = 0.5
"""The chance that a model without native JSON gives a structured answer, while none was seen."""
NO_JSON_PENALTY = 1.25
"""Factor on the time of a structured answer from a model without native JSON: it may take two."""
BLANK = Availability()
"""What is believed of a model that was never asked."""
UNCONGESTED = (1.0, 0.0)
"""Boldness and congestion of a provider that nobody waits for."""
USUAL_ANSWER = 256
"""Tokens of the answer whose time the strategy `performance` compares."""


def rank(models: Sequence[Model], situation: Situation) -> list[Model]:
    """`models`, best first, by the strategy of the policy."""
    policy, book = situation.policy, situation.book
    if policy.order:
        return sorted((m for m in models if m.id in policy.order), key=lambda m: policy.order[m.id])
    if policy.strategy == "random":
        shuffled = list(models)
        if situation.rng is not None:
            situation.rng.shuffle(shuffled)
        return shuffled
    if policy.strategy == "round_robin":
        ordered = sorted(models, key=lambda m: m.id)
        cut = situation.turn % len(ordered) if ordered else 0
        return ordered[cut:] + ordered[:cut]
    if policy.strategy in _KEYS:
        key = _KEYS[policy.strategy]
        return sorted(models, key=lambda m: key(m, book.models.get(m.identity)))
    scores = _scores(models, situation)
    return [models[n] for n in sorted(range(len(models)), key=scores.__getitem__)]


def _scores(models: Sequence[Model], situation: Situation) -> list[float]:
    """Expected seconds to a good answer from each model. Every request runs this loop, so it is one
    plain loop over local names."""
    need, policy, book = situation.need, situation.policy, situation.book
    now, rng, congestion = situation.now, situation.rng, situation.congestion
    tokens = min(book.pool.size_of(need.way).mean, need.output_tokens)
    bend = -QUALITY_WEIGHTS.get(policy.prefer, QUALITY_WEIGHTS["balanced"])
    blank = book.blank()
    blank_odds, blank_seconds = blank.odds(now), blank.expected(tokens)
    record_of, exp, sqrt, structured = book.models.get, math.exp, math.sqrt, need.structured
    draw, ways = rng.random if rng is not None else None, need.ways
    by_provider = {
        name: (1.0 / (1.0 + costs.seconds / HALF_EXPLORATION), costs.seconds)
        for name, costs in congestion.items()
    }
    in_flight, prior_only = book.in_flight, not (need.task or policy.quality)
    luck, haste = (draw() + draw(), draw() + draw()) if draw is not None else (1.0, 1.0)
    scores = []
    for model in models:
        identity = model.identity
        health = record_of(identity)
        if health is None:
            (chance, outcomes), seconds = blank_odds, blank_seconds
            failure_seconds, unknown = PRIOR_FAILURE_SECONDS, True
        else:
            chance, outcomes = health.odds(now)
            if health.ways and ways:
                chance *= health.way_chance(ways, now)
            seconds = health.first_token + tokens / health.speed
            failure_seconds = health.failure_seconds
            unknown = not (health.answers or health.failures or health.provider_facts)
        bold, congested = by_provider.get(model.provider, UNCONGESTED)
        if draw is not None:
            # Two uniforms stand in for a Beta deviate: right in mean and spread, and ten times
            # as fast.
            deviation = sqrt(6.0 * chance * (1.0 - chance) / (outcomes + 1.0))
            drawn = luck + SHUFFLE * (draw() - 0.5) if unknown else draw() + draw()
            chance += bold * deviation * (drawn - 1.0)
            if unknown:
                if identity in in_flight:  # others are finding out
                    chance *= 0.5 ** in_flight[identity]
                seconds *= exp(bold * (UNCERTAINTY * (haste - 1.0) - OPTIMISM))
        chance = MAX_CHANCE if chance > MAX_CHANCE else max(chance, MIN_CHANCE)
        if structured and "structured_outputs" not in model.parameters:
            seconds *= NO_JSON_PENALTY
            if health is None or "structured" not in health.ways:
                chance *= NO_JSON_CHANCE
        failure = (1.0 - chance) * failure_seconds
        failing = (failure + REQUEST_COST + congested) / chance
        quality = (
            model.quality if prior_only else quality_of(model, policy) + aptitude(model, need.task)
        )
        if health is not None and health.grades:
            quality = health.quality(quality)
        scores.append((seconds + failing) * exp(bend * quality))
    return scores


def _long_run_chance(health: Health | None) -> float:
    """The share of answers, whatever the last outcome was."""
    availability = BLANK if health is None else health.availability
    return availability.sure * availability.long_run


def _usual_seconds(health: Health | None) -> float:
    if health is None:
        return PRIOR_FIRST_TOKEN + USUAL_ANSWER / PRIOR_SPEED
    return health.expected(USUAL_ANSWER)


_KEYS: dict[str, Callable[[Model, Health | None], tuple[float, ...]]] = {
    "context": lambda model, health: (-model.context,),
    "performance": lambda model, health: (_usual_seconds(health), -model.quality),
    "cost": lambda model, health: (model.prompt_price + model.completion_price, -model.quality),
    "availability": lambda model, health: (-_long_run_chance(health), -model.quality),
}
"""What the other strategies sort by."""
