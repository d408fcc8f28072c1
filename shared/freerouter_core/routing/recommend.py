"""Which models suit a request in plain words: a score of 0 to 100 in five parts that anybody can follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..catalogue.model import Model
from ..errors import BadSetting
from .fit import has
from .health_book import HealthBook
from .task import Analysis, aptitude

WEIGHTS: Mapping[str, float] = {
    "capability": 45.0,
    "context": 15.0,
    "provider": 25.0,
    "free": 10.0,
    "availability": 5.0,
}
"""The most that each part can give."""
SMALL, LARGE = 4_096, 262_144
"""Contexts that get none and all of what a larger window is worth."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model, its score (0 to 100), the parts of it, and in words what speaks for the model and against it."""

    model: Model
    score: float
    parts: Mapping[str, float]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        told = ", ".join(f"{name} {points:.1f}" for name, points in self.parts.items())
        return f"{self.score:5.1f}  {self.model.id:50} {told}  ({'; '.join(self.reasons)})"


def check_wish(
    text: object, limit: int, preference: Mapping[str, float], weights: Mapping[str, float]
) -> None:
    """Raises `BadSetting` for what cannot be weighed."""
    if not isinstance(text, str):
        raise BadSetting(f"a request in plain words is wanted, not {type(text).__name__}")
    if not isinstance(limit, int) or limit < 1:
        raise BadSetting(f"limit={limit!r} must be 1 or more")
    unknown = sorted(map(str, set(weights) - set(WEIGHTS)))
    if unknown:
        raise BadSetting(f"no part is called {unknown[0]!r}", hint=f"known: {', '.join(WEIGHTS)}")
    for name, value in (*preference.items(), *weights.items()):
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < math.inf
        ):
            raise BadSetting(f"{name}={value!r} must be a number, 0 or more")


def recommend(
    models: Iterable[Model],
    analysis: Analysis,
    capabilities: Iterable[str],
    preference: Mapping[str, float],
    weights: Mapping[str, float],
    book: HealthBook,
    now: float,
) -> list[Recommendation]:
    """All of `models`, best first. `preference`: 0 to 1 by provider; who is not named gets a half."""
    wanted = tuple(dict.fromkeys((*capabilities, *sorted(analysis.capabilities))))
    scored = [_score(model, analysis, wanted, preference, weights, book, now) for model in models]
    return sorted(scored, key=lambda row: (-row.score, row.model.id))


def _score(
    model: Model,
    analysis: Analysis,
    wanted: tuple[str, ...],
    preference: Mapping[str, float],
    weights: Mapping[str, float],
    book: HealthBook,
    now: float,
) -> Recommendation:
    missing = [word for word in wanted if not has(model, word, frozenset())]
    match = 1.0 - len(missing) / len(wanted) if wanted else 1.0
    talent = aptitude(model, analysis.task)
    skill = min(1.0, max(0.0, (model.quality + talent) / 10.0))
    roomy = min(1.0, max(0.0, math.log2(max(model.context, 1) / SMALL) / math.log2(LARGE / SMALL)))
    fits = model.context >= analysis.context
    health = book.models.get(model.identity)
    benched = health is not None and health.benched_until > now
    chance = 0.0 if benched or health is None else health.odds(now)[0]
    shares = {
        "capability": 0.6 * match + 0.4 * skill,
        "context": 0.5 * fits + 0.5 * roomy,
        "provider": min(1.0, max(0.0, preference.get(model.provider, 0.5))) if preference else 1.0,
        "free": 1.0 if model.free else 0.0,
        "availability": chance if health is not None else 0.5,
    }
    parts = {name: round(weights[name] * share, 2) for name, share in shares.items()}
    reasons = (
        [f"has {', '.join(word for word in wanted if word not in missing)}"]
        if len(missing) < len(wanted)
        else []
    )
    reasons += [f"lacks {', '.join(missing)}"] if missing else []
    reasons += [f"made for {analysis.task}"] if talent else []
    reasons += [] if fits else [f"its {model.context:,} tokens of context may not do"]
    reasons += ["resting after a failure"] if benched else []
    return Recommendation(
        model,
        round(sum(parts.values()), 1),
        parts,
        tuple(reasons) or ("nothing speaks against it",),
    )
