"""Which models suit a request in plain words: a score of 0 to 100, in five parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..catalogue.model import Model
from ..errors import BadSetting
from .fit import has
from .health import Health
from .health_book import HealthBook
from .task import Analysis, aptitude

WEIGHTS: Mapping[str, float] = {
    "capability": 45.0,
    "context": 15.0,
    "provider": 25.0,
    "free": 10.0,
    "availability": 5.0,
}
"""The most points that each part can give."""
SMALL_CONTEXT = 4_096
"""Tokens of a context window that is worth nothing."""
LARGE_CONTEXT = 262_144
"""Tokens of a context window that is worth all points of its size."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model that may suit a request.

    Attributes:
        model: the model.
        score: 0 to 100.
        parts: the points of each part.
        reasons: what speaks for the model and against it, in words.
    """

    model: Model
    score: float
    parts: Mapping[str, float]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {points:.1f}" for name, points in self.parts.items())
        return f"{self.score:5.1f}  {self.model.id:50} {parts}  ({'; '.join(self.reasons)})"


def check_wish(
    text: object, limit: int, preference: Mapping[str, float], weights: Mapping[str, float]
) -> None:
    """Check the arguments of a recommendation. Raises `BadSetting`."""
    if not isinstance(text, str):
        raise BadSetting(f"text must be a string, not {type(text).__name__}")
    if not isinstance(limit, int) or limit < 1:
        raise BadSetting(f"limit={limit!r} must be 1 or more")
    unknown = sorted(map(str, set(weights) - set(WEIGHTS)))
    if unknown:
        raise BadSetting(f"no part is called {unknown[0]!r}", hint=f"known: {', '.join(WEIGHTS)}")
    for name, value in (*preference.items(), *weights.items()):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            raise BadSetting(f"{name}={value!r} must be a number, 0 or more")


def recommend(
    models: Iterable[Model],
    analysis: Analysis,
    *,
    capabilities: Iterable[str],
    preference: Mapping[str, float],
    weights: Mapping[str, float],
    book: HealthBook,
    now: float,
) -> list[Recommendation]:
    """All of `models`, best first. Those that were asked and never answered come last, whatever
    their score.

    `capabilities`: what they should have besides what the request says. `preference`: 0 to 1 by
    provider; one that is not named gets a half. `weights`: the most points of each part.
    """
    wishes = tuple(dict.fromkeys((*capabilities, *sorted(analysis.capabilities))))
    rows = []
    for model in models:
        record = book.models.get(model.identity)
        missing = [wish for wish in wishes if not has(model, wish, frozenset())]
        shares = {
            "capability": _capability(model, analysis, wishes, missing),
            "context": _context(model, analysis),
            "provider": _preference(model, preference),
            "free": 1.0 if model.free else 0.0,
            "availability": _availability(record, now),
        }
        parts = {name: round(weights[name] * share, 2) for name, share in shares.items()}
        reasons = _reasons(model, analysis, wishes, missing)
        if _benched(record, now):
            reasons.append("resting after a failure")
        if _never_answered(record):
            reasons.append("was asked and has given no good answer yet")
        rows.append(
            Recommendation(
                model=model,
                score=round(sum(parts.values()), 1),
                parts=parts,
                reasons=tuple(reasons) or ("nothing speaks against it",),
            )
        )

    def place(row: Recommendation) -> tuple[bool, float, str]:
        return _never_answered(book.models.get(row.model.identity)), -row.score, row.model.id

    return sorted(rows, key=place)


def _capability(
    model: Model, analysis: Analysis, wishes: tuple[str, ...], missing: list[str]
) -> float:
    """Mostly what the model has, and its quality."""
    match = 1.0 - len(missing) / len(wishes) if wishes else 1.0
    skill = _bounded((model.quality + aptitude(model, analysis.task)) / 10.0)
    return 0.6 * match + 0.4 * skill


def _context(model: Model, analysis: Analysis) -> float:
    """Half for a window that suffices, half for its size on a logarithmic scale."""
    octaves = math.log2(LARGE_CONTEXT / SMALL_CONTEXT)
    size = _bounded(math.log2(max(model.context, 1) / SMALL_CONTEXT) / octaves)
    return 0.5 * (model.context >= analysis.context) + 0.5 * size


def _preference(model: Model, preference: Mapping[str, float]) -> float:
    return _bounded(preference.get(model.provider, 0.5)) if preference else 1.0


def _availability(record: Health | None, now: float) -> float:
    if record is None:
        return 0.5
    return 0.0 if _benched(record, now) else record.odds(now)[0]


def _benched(record: Health | None, now: float) -> bool:
    return record is not None and record.benched_until > now


def _never_answered(record: Health | None) -> bool:
    return record is not None and record.failures > 0 and not record.answers


def _reasons(
    model: Model, analysis: Analysis, wishes: tuple[str, ...], missing: list[str]
) -> list[str]:
    reasons = []
    present = [wish for wish in wishes if wish not in missing]
    if present:
        reasons.append(f"has {', '.join(present)}")
    if missing:
        reasons.append(f"lacks {', '.join(missing)}")
    if aptitude(model, analysis.task):
        reasons.append(f"made for {analysis.task}")
    if model.context < analysis.context:
        reasons.append(f"its {model.context:,} tokens of context may not suffice")
    return reasons


def _bounded(share: float) -> float:
    return min(1.0, max(0.0, share))
