"""`Stats`: what a router can use, and what it did so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..catalogue.counts import count_words
from ..catalogue.model import Catalogue
from .sessions import SessionStats
from .tables import Table, Tabled, format_seconds, format_share


@dataclass(frozen=True, kw_only=True)
class Stats(Tabled):
    """What a router can use, and what happened since the process began.

    Attributes:
        listed: models in the catalogue.
        free: the free ones among them.
        capabilities: how many free models have each capability.
        providers: how many free models each provider has.
        lists: counts of catalogue fetches, as in `Router.cache_stats`.
        answered: requests that were answered.
        gave_up: requests that failed for good.
        called_off: requests that their callers cancelled.
        attempts: attempts of all requests.
        hedges: those that were second attempts beside a slow one.
        seconds: mean time to an answer; None: there was none.
        fallback_rate: the share of answers that a later attempt gave; None: there was none.
        faults: failed attempts by kind.
        errors: failed requests by the error's name.
        error_rates: by model, the share of attempts that failed.
        sessions: how each session went.
    """

    listed: int
    free: int
    capabilities: dict[str, int]
    providers: dict[str, int]
    lists: dict[str, int]
    answered: int
    gave_up: int
    called_off: int
    attempts: int
    hedges: int
    seconds: float | None
    fallback_rate: float | None
    faults: dict[str, int]
    errors: dict[str, int]
    error_rates: dict[str, float]
    sessions: tuple[SessionStats, ...]

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        counts: Mapping[str, int],
        lists: dict[str, int],
        sessions: tuple[SessionStats, ...],
    ) -> Stats:
        """Read a runtime's counts (see `events.counted`)."""
        free = catalogue.free()
        answered = counts.get("answered", 0)
        attempts = _counts_under("asked:", counts)
        failed = _counts_under("failed:", counts)
        return cls(
            listed=len(catalogue),
            free=len(free),
            capabilities=dict(
                Counter(word for model in free for word in model.capabilities).most_common()
            ),
            providers=dict(Counter(model.provider for model in free).most_common()),
            lists=lists,
            answered=answered,
            gave_up=counts.get("gave_up", 0),
            called_off=counts.get("called_off", 0),
            attempts=counts.get("attempts", 0),
            hedges=counts.get("hedges", 0),
            seconds=counts.get("milliseconds", 0) / 1e3 / answered if answered else None,
            fallback_rate=counts.get("fell_back", 0) / answered if answered else None,
            faults=_counts_under("fault:", counts),
            errors=_counts_under("error:", counts),
            error_rates={model: failed.get(model, 0) / count for model, count in attempts.items()},
            sessions=sessions,
        )

    def table(self) -> Table:
        requests = (
            f"{self.answered} answered, {self.gave_up} failed, {self.called_off} cancelled; "
            f"{count_words(self.attempts, 'attempt')}, {count_words(self.hedges, 'hedge')}"
        )
        failed_attempts = ", ".join(
            f"{model} {rate:.0%}" for model, rate in self.error_rates.items() if rate
        )
        rows = (
            ("free models", f"{self.free} of {self.listed} listed"),
            ("by provider", _words(self.providers)),
            ("capabilities", _words(self.capabilities)),
            ("lists", _words(self.lists)),
            ("requests", requests),
            ("seconds to an answer", format_seconds(self.seconds)),
            ("answered by a later attempt", format_share(self.fallback_rate)),
            ("faults", _words(self.faults)),
            ("errors", _words(self.errors)),
            ("failed attempts", failed_attempts),
            ("sessions", "; ".join(map(str, self.sessions))),
        )
        return Table(columns=("", "so far"), rows=rows)

    def __str__(self) -> str:
        seconds = f"{self.seconds:.1f} s each" if self.seconds is not None else "none yet"
        return (
            f"{self.free} free of {count_words(self.listed, 'model')}; "
            f"{count_words(self.answered, 'answer')} ({seconds}), {self.gave_up} failed, "
            f"{count_words(self.attempts, 'attempt')}; {count_words(len(self.sessions), 'session')}"
        )


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _counts_under(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    """The counts whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): count
        for name, count in counts.items()
        if name.startswith(prefix)
    }
