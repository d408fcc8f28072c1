"""Waits in words: for what, how long, and how many stand before."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from ..catalogue.counts import count_words
from ..catalogue.durations import span_words, until_words
from ..catalogue.providers import Account, Limit
from .candidate import Candidate
from .charges import Refusal, size_of
from .health_book import HealthBook
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


def resting(
    accounts: Iterable[Account],
    candidates: Iterable[Candidate],
    book: HealthBook,
    until: float,
    now: float,
) -> Wait:
    """The wait while nobody can be asked: which account rests, or else which models."""
    for account in accounts:
        bench = book.accounts.get(account.scope)
        if bench is not None and bench.until > now:
            return Wait(f"{account.provider} waits: {bench.cause}", until)
    return Wait(models_resting(candidates, book, now) or "no model can be asked", until)


def models_resting(candidates: Iterable[Candidate], book: HealthBook, now: float) -> str:
    """The models that were told to wait, and why; empty: none was."""
    alike: dict[tuple[str, str], list[str]] = {}
    for candidate in candidates:
        record = book.of(candidate.model.identity)
        if record.stated_wait(now):
            key = (candidate.account.provider, record.last_fault or "as its provider said")
            alike.setdefault(key, []).append(candidate.model.id)
    return "; ".join(
        f"{ids[0]} waits: {cause}"
        if len(ids) == 1
        else f"{len(ids)} models of {provider} wait: {cause}"
        for (provider, cause), ids in alike.items()
    )


def _reason(refused: Refused | Refusal, provider: str) -> str:
    limit = refused.limit
    if limit is None:
        return f"{provider} has no room"
    size = size_of(limit)
    if refused.learnt:
        used = "it is used" if size == 1 else "they are used"
        return f"{provider} seems to allow about {limit_in_words(limit)}, and {used}"
    what = f"the {limit_in_words(limit)} of {provider} {'is' if size == 1 else 'are'}"
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
