"""What a router tells about itself, as data that prints well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalogue.model import Catalogue, Model
from ..routing.health import Health
from ..routing.recommend import Recommendation
from ..routing.usage_stats import Tally, percentile
from .sessions import SessionStats
from .tables import Cell, Drawn, Table, Tabled, abilities, seconds_words, share_words, tuples


@dataclass(frozen=True, slots=True)
class Candidacy:
    """One model's standing: `reason` why it is no candidate (None: it is), `state` in words, `returns` in seconds. `chance`: how likely it is
    to answer, 0 to 1; `seconds`: how long an answer of the usual size is expected to take."""

    model: Model
    reason: str | None
    state: str = ""
    returns: float | None = None
    health: Health | None = None
    chance: float | None = None
    seconds: float | None = None

    @property
    def usable(self) -> bool:
        return self.reason is None and self.returns is None

    @property
    def state_words(self) -> str:
        back = "" if self.returns is None else f", back in {self.returns:.0f} s"
        return (self.reason or self.state) + back

    def cell(self) -> Cell:
        """Its state, for a table."""
        return Cell(
            self.state_words, "good" if self.usable else "wait" if self.reason is None else "dim"
        )


@dataclass(frozen=True)
class Explanation(Drawn):
    """The candidates in the order they would be asked, then the others with the reason why not."""

    rows: tuple[Candidacy, ...]

    @property
    def candidates(self) -> list[Model]:
        return [row.model for row in self.rows if row.reason is None]

    def __str__(self) -> str:
        lines = [
            f"{n:3}. {row.model.id:50} {row.state_words}" for n, row in enumerate(self.rows, 1)
        ]
        return "\n".join(lines) or "no models"

    def table(self) -> Table:
        rows = [
            (
                "" if r.reason else str(n),
                r.model.id,
                share_words(r.chance),
                seconds_words(r.seconds),
                r.cell(),
            )
            for n, r in enumerate(self.rows, 1)
        ]
        return Table(
            ("", "model", "chance", "expected", "state"),
            tuples(rows),
            ("", "chance", "expected"),
            spare=("expected", "chance"),
        )


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a request would cost at most: tokens estimated on the high side, `usd` by the catalogue's prices. `tier`: "free" or
    "paid"; `source`: whose prices they are; None where the model is not listed and its prices are not known."""

    model: str
    tier: str
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    source: str

    def __str__(self) -> str:
        price = (
            "free"
            if self.tier == "free"
            else "unknown"
            if self.usd is None
            else f"{self.usd:.6f} USD"
        )
        return f"{self.model}: {self.prompt_tokens:,} + {self.completion_tokens:,} tokens, {price}"


@dataclass(frozen=True, slots=True)
class QuotaLine:
    """One limit of an account: `used` of `limit` ("requests", "tokens" or "concurrent") in `per` seconds; `scope` says whose."""

    provider: str
    scope: str
    kind: str
    used: float
    limit: int
    per: float
    reset: str

    @property
    def left(self) -> float:
        return max(0.0, self.limit - self.used)

    @property
    def span(self) -> str:
        if self.kind == "concurrent":
            return "at once"
        return {60.0: "a minute", 3_600.0: "an hour", 86_400.0: "a day"}.get(
            self.per, f"in {self.per:g} s"
        )

    def __str__(self) -> str:
        whose = "account" if self.scope == "account" else self.scope
        return f"{self.provider} ({whose}): {self.used:g} of {self.limit:,} {self.kind} {self.span}"


@dataclass(frozen=True)
class QuotaReport(Drawn):
    """What is spent of each limit, and what the accounts wait for (seconds, by provider)."""

    lines: tuple[QuotaLine, ...]
    waits: dict[str, tuple[str, float]]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.lines), *self._waiting()]) or "no limits are known"

    def _waiting(self) -> list[str]:
        return [
            f"{name} waits {seconds:.0f} s: {why}" for name, (why, seconds) in self.waits.items()
        ]

    def table(self) -> Table:
        rows = [
            (
                line.provider,
                line.scope,
                f"{line.kind} {line.span}",
                f"{line.used:g}",
                f"{line.limit:,}",
                _left(line),
            )
            for line in self.lines
        ]
        columns = ("provider", "of", "limit", "spent", "in all", "left")
        right = ("spent", "in all", "left")
        return Table(
            columns, tuples(rows), right, "; ".join(self._waiting()), ("spent", "of", "in all")
        )


@dataclass(frozen=True, slots=True)
class Performance:
    """How a model has done: shares of 1, seconds, tokens a second, USD. None where nothing was measured. Percentiles are right to an
    eighth; `first_token` and `speed` are of streamed answers; `faults` counts failures by kind."""

    model: str
    provider: str
    answers: int
    failures: int
    seconds: float | None
    first_token: float | None
    tokens: int
    usd: float
    p50: float | None = None
    p95: float | None = None
    first_token_p50: float | None = None
    first_token_p95: float | None = None
    speed: float | None = None
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def success(self) -> float | None:
        asked = self.answers + self.failures
        return self.answers / asked if asked else None

    def __str__(self) -> str:
        success = f"{self.success:.0%}" if self.success is not None else "-"
        seconds = f"{self.seconds:.1f} s" if self.seconds is not None else "-"
        return f"{self.model:50} {self.answers:6,} answers  {success:>4} good  {seconds:>7} each  {self.tokens:,} tokens"

    @classmethod
    def of(cls, model: str, provider: str, tally: Tally) -> Performance:
        told = tally.get
        answers, timed = int(told("answers", 0)), told("timed", 0)
        return cls(
            model,
            provider,
            answers,
            int(told("failures", 0)),
            told("seconds", 0.0) / answers if answers else None,
            told("first_token", 0.0) / timed if timed else None,
            int(told("tokens", 0)),
            told("usd", 0.0),
            percentile(tally, "took", 0.5),
            percentile(tally, "took", 0.95),
            percentile(tally, "first", 0.5),
            percentile(tally, "first", 0.95),
            told("spoken", 0.0) / told("speaking", 1.0) if told("speaking", 0.0) > 0 else None,
            {
                name.removeprefix("fault:"): int(n)
                for name, n in tally.items()
                if name.startswith("fault:")
            },
        )


def _left(line: QuotaLine) -> Cell:
    share = line.left / line.limit if line.limit else 0.0
    return Cell(f"{line.left:g}", "bad" if share < 0.1 else "wait" if share < 0.3 else "good")


@dataclass(frozen=True)
class PerformanceReport(Drawn):
    """How each model has done in the last `hours`, most used first, and all together (`total`)."""

    rows: tuple[Performance, ...]
    total: Performance
    hours: float

    def __str__(self) -> str:
        return "\n".join(str(row) for row in (*self.rows, self.total))

    def table(self) -> Table:
        rows = [
            (
                row.model,
                f"{row.answers:,}",
                share_words(row.success),
                seconds_words(row.p50),
                seconds_words(row.p95),
                "-" if row.speed is None else f"{row.speed:.0f}",
                " ".join(f"{kind} {n}" for kind, n in row.faults.items()),
            )
            for row in (*self.rows, self.total)
        ]
        columns = ("model", "answers", "good", "p50", "p95", "tokens a second", "faults")
        return Table(
            columns,
            tuples(rows),
            columns[1:-1],
            f"the last {'hour' if self.hours == 1 else f'{self.hours:g} hours'}",
            ("tokens a second", "faults", "p95", "answers"),
        )


@dataclass(frozen=True)
class Stats(Tabled):
    """What there is (models, and how many free ones have each capability) and what happened since the process began: requests that were
    `answered`, that `gave_up`, that their callers `called_off`, that `fell_back` to a second attempt or a later one; shares of 1; seconds to an answer on average."""

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
    """By model: the share of attempts that failed."""
    sessions: tuple[SessionStats, ...]

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        counts: Mapping[str, int],
        lists: dict[str, int],
        sessions: tuple[SessionStats, ...],
    ) -> Stats:
        free = catalogue.free()
        answered = counts.get("answered", 0)
        asked = _with("asked:", counts)
        failed = _with("failed:", counts)
        return cls(
            len(catalogue),
            len(free),
            dict(Counter(word for model in free for word in model.capabilities).most_common()),
            dict(Counter(model.provider for model in free).most_common()),
            lists,
            answered,
            counts.get("gave_up", 0),
            counts.get("called_off", 0),
            counts.get("attempts", 0),
            counts.get("hedges", 0),
            counts.get("milliseconds", 0) / 1e3 / answered if answered else None,
            counts.get("fell_back", 0) / answered if answered else None,
            _with("fault:", counts),
            _with("error:", counts),
            {model: failed.get(model, 0) / n for model, n in asked.items()},
            sessions,
        )

    def table(self) -> Table:
        told = {
            "free models": f"{self.free} of {self.listed} listed",
            "by provider": _counts(self.providers),
            "capabilities": _counts(self.capabilities),
            "lists": _counts(self.lists),
            "requests": f"{self.answered} answered, {self.gave_up} given up, {self.called_off} called off, {self.attempts} attempts, {self.hedges} of them hedges",
            "seconds to an answer": seconds_words(self.seconds),
            "answered by a later attempt": share_words(self.fallback_rate),
            "faults": _counts(self.faults),
            "errors": _counts(self.errors),
            "failed attempts": ", ".join(
                f"{m} {rate:.0%}" for m, rate in self.error_rates.items() if rate
            ),
            "sessions": "; ".join(map(str, self.sessions)),
        }
        return Table(("", "so far"), tuples(told.items()))

    def __str__(self) -> str:
        seconds = f"{self.seconds:.1f} s each" if self.seconds is not None else "none yet"
        return (
            f"{self.free} free of {self.listed} models; {self.answered} answers ({seconds}), {self.gave_up} given up, "
            f"{self.attempts} attempts; {len(self.sessions)} sessions"
        )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _with(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class HealthReport(Drawn):
    """Which free models are usable now. `age`: seconds since the catalogue was fetched, None if there is none."""

    rows: tuple[Candidacy, ...]
    listed: int
    age: float | None
    accounts: tuple[str, ...]
    simulated: bool = False

    @property
    def usable(self) -> list[Model]:
        return [row.model for row in self.rows if row.usable]

    def __str__(self) -> str:
        free = sum(row.reason is None for row in self.rows)
        return f"{len(self.usable)} of {free} free models usable now ({self.listed} listed)"

    def table(self) -> Table:
        rows = [row for row in self.rows if row.model.free and row.model.chat]
        rows.sort(key=lambda row: (row.reason is not None, -row.model.context, row.model.id))
        spare = ("failed", "answered", "first token", "can", "context")
        return Table(
            HEALTH, tuples(map(_standing, rows)), HEALTH[1:2] + HEALTH[3:6], str(self), spare
        )


HEALTH = ("model", "context", "can", "answered", "failed", "first token", "now")


def _standing(row: Candidacy) -> tuple[Cell | str, ...]:
    health, model = row.health, row.model
    answers, failures = (health.answers, health.failures) if health else (0, 0)
    first = seconds_words(health.first_token if health and health.answers else None)
    return (
        model.id,
        f"{model.context:,}",
        abilities(model),
        f"{answers}",
        f"{failures}",
        first,
        row.cell(),
    )


class Recommendations(list[Recommendation], Tabled):
    """Recommendations, best first, that show themselves as a table."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self.table()))

    def table(self) -> Table:
        rows = [
            (
                f"{row.score:.0f}",
                row.model.id,
                " ".join(f"{name} {points:.0f}" for name, points in row.parts.items()),
                "; ".join(row.reasons),
            )
            for row in self
        ]
        return Table(("score", "model", "of", "why"), tuples(rows), ("score",), spare=("of", "why"))
