"""`PerformanceReport`: how models did in the last hours."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..catalogue.counts import count_words
from ..routing.usage_stats import Tally, percentile
from .bars import Bar, Bars
from .tables import Drawn, Table, format_seconds, format_share
from .tones import Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How one model did. None stands for what was not measured.

    Attributes:
        model: its id, or "all".
        provider: its provider; empty for all of them.
        answers: how many answers it gave.
        failures: how often it failed.
        seconds: mean time to an answer.
        first_token: mean seconds to the first token of a stream.
        tokens: completion tokens in all.
        usd: what it cost, in USD.
        p50: median of the seconds to an answer. All percentiles are right to one eighth.
        p95: 95th percentile of them.
        first_token_p50: median of the seconds to a first token.
        first_token_p95: 95th percentile of them.
        speed: tokens a second of streamed answers.
        faults: failures by kind.
    """

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
        """The share of attempts that were answered, 0 to 1."""
        attempts = self.answers + self.failures
        return self.answers / attempts if attempts else None

    def __str__(self) -> str:
        answers = f"{count_words(self.answers, 'answer'):>14}"
        return (
            f"{self.model:50} {answers}  {format_share(self.success):>4} good  "
            f"{format_seconds(self.seconds):>7} each  {count_words(self.tokens, 'token')}"
        )

    @classmethod
    def of(cls, model: str, provider: str, tally: Tally) -> Performance:
        """Read the sums of a tally (see `routing.usage_stats`)."""
        answers = int(tally.get("answers", 0))
        prefix = "fault:"
        return cls(
            model=model,
            provider=provider,
            answers=answers,
            failures=int(tally.get("failures", 0)),
            seconds=_ratio(tally.get("seconds", 0.0), answers),
            first_token=_ratio(tally.get("first_token", 0.0), tally.get("timed", 0)),
            tokens=int(tally.get("tokens", 0)),
            usd=tally.get("usd", 0.0),
            p50=percentile(tally, "took", 0.5),
            p95=percentile(tally, "took", 0.95),
            first_token_p50=percentile(tally, "first", 0.5),
            first_token_p95=percentile(tally, "first", 0.95),
            speed=_ratio(tally.get("spoken", 0.0), tally.get("speaking", 0.0)),
            faults={
                name.removeprefix(prefix): int(count)
                for name, count in tally.items()
                if name.startswith(prefix)
            },
        )


@dataclass(frozen=True)
class PerformanceReport(Drawn):
    """How models did in the last `hours`, most used first, and in `total`."""

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
                format_share(row.success),
                format_seconds(row.p50),
                format_seconds(row.p95),
                "-" if row.speed is None else f"{row.speed:.0f}",
                " ".join(f"{kind} {count}" for kind, count in row.faults.items()),
            )
            for row in (*self.rows, self.total)
        ]
        return Table(
            columns=("model", "answers", "good", "p50", "p95", "tokens a second", "faults"),
            rows=rows,
            right=("answers", "good", "p50", "p95", "tokens a second"),
            foot=f"the last {'hour' if self.hours == 1 else f'{self.hours:g} hours'}",
            spare=("tokens a second", "faults", "p95", "answers"),
        )

    def bars(self) -> Bars:
        return Bars(tuple(map(_bar, self.rows)), axis="median seconds to an answer")


def _bar(row: Performance) -> Bar:
    success = row.success
    attempts = row.answers + row.failures
    label = f"{success or 0:.0%} of {attempts}"
    if row.p95 is not None:
        label += f", p95 {format_seconds(row.p95)}"
    if success is None:
        return Bar(row.model, row.p50 or 0.0, label)
    tone: Tone = "good" if success > 0.8 else "wait" if success > 0.4 else "bad"
    return Bar(row.model, row.p50 or 0.0, label, tone)


def _ratio(total: float, count: float) -> float | None:
    return total / count if count > 0 else None
