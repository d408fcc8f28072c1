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
MAX_LATENESS = 5.0
"""Largest error of a whole time that one answer counts with, as a part of what was expected."""
MAX_FASTER = 5.0
"""How many times as fast one answer may make a model seem."""
MIN_FIRST_TOKEN = 0.01
"""Seconds that a first token takes at least."""
POOL_WEIGHT = 0.1
"""Least weight of one answer in the averages over all models; the first ones count more."""
PLAIN = "plain"
"""The way of asking for text."""
SUCCESS_WEIGHT = 0.05
"""Weight of one outcome in the share of requests that are answered."""
USUAL_SUCCESS = 0.7
"""That share before any outcome was seen."""
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

        Then the error is shared between the first token and the writing, by the squares of their
        times: the longer one is likelier to be off. A short answer says nothing of the speed.
        """
        expected = self.expected(tokens) if first_token is None else self.first_token
        ratio = (seconds if first_token is None else first_token) / max(expected, 0.001)
        self.spread += weight * (min(abs(ratio - 1.0), MAX_ERROR) - self.spread)
        if first_token is None:
            writing = tokens / self.speed
            error = weight * min(seconds - expected, MAX_LATENESS * expected)
            squares = self.first_token**2 + writing**2
            share = self.first_token**2 / squares if squares else 1.0  # no time is known yet
            self.first_token = max(MIN_FIRST_TOKEN, self.first_token + error * share)
            if tokens >= MIN_TOKENS:
                self.speed = tokens / max(writing / MAX_FASTER, writing + error * (1.0 - share))
            return
        error = weight * (first_token - self.first_token)
        self.first_token = max(MIN_FIRST_TOKEN, self.first_token + error)
        if tokens >= MIN_TOKENS and seconds > first_token + MIN_SECONDS:
            self.speed += weight * (tokens / (seconds - first_token) - self.speed)


@dataclass(slots=True)
class AnswerSize:
    """How many tokens answers have, over all models."""

    mean: float = USUAL_TOKENS
    deviation: float = USUAL_TOKENS / 2
    """Mean absolute deviation, tokens."""
    answers: int = 0
    """Answers that this rests on."""

    def usual(self, limit: int | None) -> float:
        """Tokens of an average answer. `limit`: the caller's `max_tokens`."""
        return self.mean if limit is None else min(self.mean, limit)

    def likely(self, limit: int | None) -> float:
        """Tokens that few answers exceed. `limit`: the caller's `max_tokens`."""
        most = self.mean + 2.0 * self.deviation
        return most if limit is None else min(most, limit)

    def learn(self, tokens: int) -> None:
        """Take in the size of an answer. One of an absurd size counts like a long one."""
        self.answers += 1
        weight = max(POOL_WEIGHT, 1.0 / (1.0 + self.answers))
        longest = 4.0 * max(self.deviation, USUAL_TOKENS / 4)
        away = max(-self.mean, min(tokens - self.mean, longest))
        self.deviation += weight * (abs(away) - self.deviation)
        self.mean += weight * away


@dataclass(slots=True)
class Pool(Timings):
    """What the answers of all models taken together are like."""

    sizes: dict[str, AnswerSize] = field(default_factory=dict)
    """How long answers are, by way of asking: a call of a tool is short, a text may be long."""
    success: float = USUAL_SUCCESS
    """The share of requests that are answered, of late."""
    answers: int = 0
    """Answers that the times rest on."""

    def size_of(self, way: str = PLAIN) -> AnswerSize:
        """The size of answers to requests that ask in this way, to be read."""
        return self.sizes.get(way) or UNSEEN_SIZE

    def answered(
        self, first_token: float | None, seconds: float, tokens: int, way: str = PLAIN
    ) -> None:
        """Take in one answer of any model."""
        self.answers += 1
        weight = max(POOL_WEIGHT, 1.0 / (1.0 + self.answers))
        self.learn(weight, first_token, seconds, tokens)
        self.sizes.setdefault(way, AnswerSize()).learn(tokens)
        self.success += SUCCESS_WEIGHT * (1.0 - self.success)

    def failed(self) -> None:
        """Take in one failure of any model."""
        self.success -= SUCCESS_WEIGHT * self.success


UNSEEN_SIZE = AnswerSize()
"""What is believed of the size of answers before any was seen."""
