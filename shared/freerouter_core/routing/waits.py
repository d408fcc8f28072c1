"""Waits in words: for what, how long, and how many stand before."""

from __future__ import annotations

import math
from functools import lru_cache

from ..catalogue.counts import count_words
from ..catalogue.durations import span_words, until_words
from ..catalogue.providers import Limit
from .charges import Refusal, size_of
from .pacing import PACED_PERIOD
from .steps import Refused, Wait


def told(wait: Wait, now: float) -> str:
    """The wait in one sentence."""
    if wait.ends == math.inf:
        return f"{wait.reason}, and no wait would help"
    line = f"{wait.reason}; "
    if wait.before:
        others = count_words(wait.before, "request stands", "requests stand")
        line += f"{others} before this one, and "
    return line + f"its turn would come {until_words(wait.ends, now)}"


def wait_of(refused: Refused | Refusal, provider: str) -> Wait:
    """The wait of a request that a limit of a provider refused."""
    return Wait(_reason(refused, provider), refused.ends, refused.before)


def _reason(refused: Refused | Refusal, provider: str) -> str:
    limit = refused.limit
    if limit is None:
        return f"{provider} has no room"
    what = f"the {limit_in_words(limit)} of {provider} {'is' if size_of(limit) == 1 else 'are'}"
    if refused.kept:
        if limit.per < PACED_PERIOD or limit.concurrent is not None:
            return f"{what} kept for interactive requests"
        return f'{what} paced (pace="asap" is faster), or kept for interactive requests'
    return f"{what} used"


@lru_cache(maxsize=1_024)
def limit_in_words(limit: Limit) -> str:
    """Such as "20 requests a minute"."""
    size = size_of(limit)
    if limit.concurrent is not None:
        return f"{count_words(size, 'request')} at once"
    kind = "request" if limit.requests is not None else "token"
    return f"{count_words(size, kind)} {span_words(limit.per)}"
