"""`Pauses`: when a request asks a model again that failed it.

A pause doubles with each try and is jittered. It is a guess, and a guess ends no request: what
would end after the deadline ends earlier. Models that were tried as often as the policy says are
asked again only because they turned the request away. Of them it asks one a pause.
"""

from __future__ import annotations

import math
from random import Random

from .candidate import Candidate
from .guessed_bench import LONGEST_LOCAL
from .policy import Policy

LONGEST_IN_LINE = 60.0
"""Seconds at most between two tries of a request that is told to wait for its own limit. It has
minutes, and others in the same line try meanwhile."""


class Pauses:
    """Those of one request. `max_tries`: after so many tries a model is asked seldom."""

    def __init__(self, policy: Policy, max_tries: int) -> None:
        self._policy, self._max_tries = policy, max_tries
        self._next_at = -math.inf
        """When the next attempt is due at a model that was tried often, unix seconds."""

    def after(
        self, candidate: Candidate, now: float, time_left: float | None, rng: Random
    ) -> float:
        """Let a candidate pause that has just failed; for how many seconds. `time_left`: until the
        deadline; None: there is none."""
        policy = self._policy
        longest = min(policy.backoff_max, LONGEST_LOCAL if candidate.account.local else math.inf)
        if candidate.in_line:
            longest = max(longest, LONGEST_IN_LINE)
        pause = min(longest, policy.backoff_base * 2.0 ** (candidate.tries - 1))
        if time_left is not None and policy.backoff_base <= time_left / 2.0 <= pause / 2.0:
            pause = time_left / 2.0
        jittered = self.jittered(pause, rng)
        begins = now
        if candidate.tries >= self._max_tries:
            begins = max(now, self._next_at)
            self._next_at = begins + jittered
        candidate.not_before = max(candidate.not_before, begins + jittered)
        return jittered

    def jittered(self, seconds: float, rng: Random) -> float:
        """A pause of about so many seconds, so that those who were refused together do not come
        back together."""
        return seconds * (1 + self._policy.backoff_jitter * (2 * rng.random() - 1))
