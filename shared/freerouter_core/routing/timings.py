"""How fast answers come, and how long they are: `Timings` of one model, `Pool` of all models.

These are moving averages, so they follow a model that becomes slower or faster. A model that has
not answered yet is expected to be as fast as all models here are on average: as the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PRIOR_FIRST_TOKEN = 2.0
"""Seconds to a first token before any answer was seen."""
PRIOR_SPEED = 45.0
"""Tokens a second after the first one before any answer was seen."""
PRIOR_SPREAD = 0.5
"""Relative error of an expected time before any answer was seen: 1 is the time itself."""
MAX_ERROR = 1.0
"""Largest relative error that one answer counts with: a tenfold delay says little of the others."""
POOL_WEIGHT = 0.1
"""Weight of one answer in the averages over all models."""
USUAL_TOKENS = 160.0
"""Tokens of an answer before any was seen."""
MIN_TOKENS, MIN_SECONDS = 16, 0.05
"""The shortest answer whose speed is measured: tokens, and seconds after the first token."""


@dataclass(slots=True)
class Timings:
    """Average times of answers."""

    first_token: float = PRIOR_FIRST_TOKEN
    """Seconds to the first token."""
    speed: float = PRIOR_SPEED
    """Tokens a second after the first one."""
    spread: float = PRIOR_SPREAD
    """Mean relative deviation of a measured time from the expected one."""

    def expected(self, tokens: float) -> float:
        """Seconds to a whole answer of that many tokens."""
        return self.first_token + tokens / self.speed

    def within(self, seconds: float, deviations: float) -> float:
        """The time that an event expected after `seconds` takes at most, `deviations` included."""
        return seconds * (1.0 + deviations * self.spread)

    def learn(self, weight: float, first_token: float | None, seconds: float, tokens: int) -> None:
        """Take in how long an answer took. `first_token` None: only the whole time is known.

        Then the first token and the speed are assumed to be off by the same factor.
        """
        expected = self.expected(tokens) if first_token is None else self.first_token
        ratio = (seconds if first_token is None else first_token) / max(expected, 0.001)
        self.spread += weight * (min(abs(ratio - 1.0), MAX_ERROR) - self.spread)
        if first_token is None:
            step = max(0.02, min(ratio, 50.0)) ** weight
            self.first_token *= step
            self.speed /= step
            return
        self.first_token += weight * (first_token - self.first_token)
        if tokens >= MIN_TOKENS and seconds > first_token + MIN_SECONDS:
            self.speed += weight * (tokens / (seconds - first_token) - self.speed)


@dataclass(slots=True)
class AnswerSize:
    """How many tokens answers have, over all models."""

    mean: float = USUAL_TOKENS
    deviation: float = USUAL_TOKENS / 2
    """Mean absolute deviation, tokens."""

    def usual(self, limit: int | None) -> float:
        """Tokens of an average answer. `limit`: the caller's `max_tokens`."""
        return self.mean if limit is None else min(self.mean, limit)

    def likely(self, limit: int | None) -> float:
        """Tokens that few answers exceed. `limit`: the caller's `max_tokens`."""
        most = self.mean + 2.0 * self.deviation
        return most if limit is None else min(most, limit)

    def learn(self, tokens: int) -> None:
        """Take in the size of an answer. One of an absurd size counts like a long one."""
        longest = 4.0 * max(self.deviation, USUAL_TOKENS / 4)
        away = max(-self.mean, min(tokens - self.mean, longest))
        self.deviation += POOL_WEIGHT * (abs(away) - self.deviation)
        self.mean += POOL_WEIGHT * away


@dataclass(slots=True)
class Pool(Timings):
    """What the answers of all models taken together are like."""

    size: AnswerSize = field(default_factory=AnswerSize)

    def answered(self, first_token: float | None, seconds: float, tokens: int) -> None:
        """Take in one answer of any model."""
        self.learn(POOL_WEIGHT, first_token, seconds, tokens)
        self.size.learn(tokens)
