"""`QuotaReport`: how much of each limit is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .bars import Bar, Bars
from .tables import Cell, Drawn, Table

_SPANS = {60.0: "a minute", 3_600.0: "an hour", 86_400.0: "a day", 604_800.0: "a week"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLine:
    """One limit, and how much of it is used.

    Attributes:
        provider: the account's provider.
        scope: "account", "ip", or the model that the limit is for.
        kind: what is counted: "requests", "tokens", "concurrent" or "percent".
        used: how many are used.
        limit: how many there are.
        per: the limit's window in seconds.
        reset: how the window ends, as in `Limit.reset`.
    """

    provider: str
    scope: str
    kind: str
    used: float
    limit: int
    per: float
    reset: str

    @property
    def left(self) -> float:
        """How many are left."""
        return max(0.0, self.limit - self.used)

    @property
    def span(self) -> str:
        """The window in words: "a minute", "at once"."""
        if self.kind == "concurrent":
            return "at once"
        return _SPANS.get(self.per, f"in {self.per:g} s")

    def __str__(self) -> str:
        return (
            f"{self.provider} ({self.scope}): "
            f"{self.used:g} of {self.limit:,} {self.kind} {self.span}"
        )


@dataclass(frozen=True)
class QuotaReport(Drawn):
    """How much of each limit is used.

    Attributes:
        lines: the limits.
        waits: by provider, (why its account waits, for how many seconds).
    """

    lines: tuple[QuotaLine, ...]
    waits: Mapping[str, tuple[str, float]]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.lines), *self._waiting()]) or "no limits are known"

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
        return Table(
            columns=("provider", "scope", "limit", "used", "total", "left"),
            rows=rows,
            right=("used", "total", "left"),
            foot="; ".join(self._waiting()),
            spare=("used", "scope", "total"),
        )

    def bars(self) -> Bars:
        # beyond 100 % there is room for the labels
        return Bars(tuple(map(_bar, self.lines)), axis="used, %", limits=(0, 140))

    def _waiting(self) -> list[str]:
        return [
            f"{provider} waits {seconds:.0f} s: {reason}"
            for provider, (reason, seconds) in self.waits.items()
        ]


def _left(line: QuotaLine) -> Cell:
    share = line.left / line.limit if line.limit else 0.0
    return Cell(f"{line.left:g}", "bad" if share < 0.1 else "wait" if share < 0.3 else "good")


def _bar(line: QuotaLine) -> Bar:
    percent = 100 * line.used / line.limit if line.limit else 100.0
    scope = "" if line.scope == "account" else line.scope
    return Bar(
        f"{line.provider} {scope} {line.span}",
        percent,
        f"{line.used:g} of {line.limit:,} {line.kind}",
        "bad" if percent > 90 else "wait" if percent > 70 else "good",
    )
