"""How long a model or an account rests if nobody said how long (law 8).

A guess doubles with each failure in a row and is jittered, so that benches do not end together.
One probe ends it. A stated wait is never guessed: see `health` and `account_benches`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

FIRST_GUESS = 20.0
"""Seconds after the first failure."""
LONGEST_GUESS = 600.0
"""Seconds after many failures in a row."""
JITTER = 0.2
"""A guess is up to so much shorter or longer, as a part of it."""
LONGEST_LOCAL = 5.0
"""Seconds for a model on this machine: it is loading or busy, and nobody limits it
(freellmapi#592)."""
LONGEST_CROWDED = 2.0
"""Seconds for a model whose account had too many requests under way."""


def guessed_bench(strikes: int, rng: Random) -> float:
    """Seconds to rest after that many failures in a row."""
    doubled = min(LONGEST_GUESS, FIRST_GUESS * 2.0 ** min(strikes - 1, 10))
    return doubled * (1 + JITTER * (2 * rng.random() - 1))


@dataclass(frozen=True, slots=True)
class BenchRule:
    """When failures bench a model, and for how long at most.

    `max_failures`: failures in a row that bench it. `exclude`: the owner's own number of seconds;
    None: a guess of at most `longest` seconds.
    """

    max_failures: int = 1
    exclude: float | None = None
    longest: float = LONGEST_GUESS

    def seconds(self, strikes: int, rng: Random) -> float | None:
        """Seconds to rest after that many failures in a row; None: the model may go on."""
        if strikes < self.max_failures:
            return None
        if self.exclude is not None:
            return self.exclude
        return min(self.longest, guessed_bench(strikes - self.max_failures + 1, rng))


ANY_FAILURE = BenchRule()
"""The first failure benches, for a guessed time."""
