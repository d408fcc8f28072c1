"""`Ways`: how well a model does each way of asking (law 6).

A model that answers in fine prose may be unable to call a tool, or to keep to a schema. Its own
odds say nothing of that, and its failures there say nothing of its prose. So the ways that not
every model can do have a record of their own: "tools" and "structured".

Until a way was seen, the model is believed to do it. One clear failure, with no success before it,
is taken for inability: the model comes last for that way, and is tried again rarely. A model that
does it most of the time keeps its place, at its odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from ..wire.structured import Form

PRIOR_SUCCESSES = 1.0
"""Successes that a way is believed to have had before any was seen."""
UNABLE_CHANCE = 0.02
"""The chance that a model does a way it never did, after it failed at it."""
UNABLE_SECONDS = 1_800.0
"""Seconds after which a model may be tried again at a way it never did."""


@dataclass(slots=True)
class Way:
    """A model's record at one way of asking."""

    good: float = 0.0
    bad: float = 0.0
    failed_at: float = 0.0
    """When it last failed, unix seconds."""

    def unable(self, now: float) -> bool:
        """Whether the model failed at it, never did it, and was tried lately."""
        return bool(self.bad) and not self.good and now - self.failed_at < UNABLE_SECONDS

    def chance(self, now: float) -> float:
        """The chance that the model does it, if it answers at all."""
        if self.bad and not self.good:
            recent = now - self.failed_at < UNABLE_SECONDS
            return UNABLE_CHANCE if recent else PRIOR_SUCCESSES / (PRIOR_SUCCESSES + self.bad)
        return (self.good + PRIOR_SUCCESSES) / (self.good + self.bad + PRIOR_SUCCESSES)


def form_way(form: Form) -> str:
    """The way of asking for structured output in one form."""
    return f"structured:{form}"


def form_lacks(ways: Mapping[str, Way], now: float) -> frozenset[str]:
    """The forms that a model failed at and never did, as words of what it lacks.

    So it is asked in the next best form. If it failed at all of them, none is better.
    """
    if not ways:
        return frozenset()
    forms = get_args(Form)
    failed = [form for form in forms if (way := ways.get(form_way(form))) and way.unable(now)]
    return frozenset(form_way(form) for form in failed)
