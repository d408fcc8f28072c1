"""`QuotaReport`: how much of each limit is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..catalogue.durations import span_words, until_words
from .bars import Bar, Bars, text_bar
from .cells import Cell
from .tables import Drawn, Table
from .tones import Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLine:
    """One limit, and how much of it is used.

    Attributes:
        provider: the account's provider.
        scope: "account", "ip", or the model that the limit is for.
        kind: what is counted: "requests", "texts" to embed, "tokens", "concurrent" or "percent".
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
    def share(self) -> float:
        """The share that is used, 0 to 1."""
        return min(1.0, self.used / self.limit) if self.limit else 1.0

    @property
    def tone(self) -> Tone:
        """Whether much is left."""
        return "bad" if self.share > 0.9 else "wait" if self.share > 0.7 else "good"

    @property
    def span(self) -> str:
        """The window in words: "a minute", "at once"."""
        if self.kind == "concurrent":
            return "at once"
        return span_words(self.per)

    def __str__(self) -> str:
        return f"{self.provider} ({self.scope}): {self.used_words}"

    @property
    def used_words(self) -> str:
        """How much is used: "7 of 50 requests a day". A provider may also count what it refused:
        "50 of 50 requests a day, 6 refused"."""
        used = _number(min(self.used, self.limit))
        if self.kind == "percent":
            return f"{used} % {self.span}"
        over = self.used - self.limit
        refused = f", {_number(over)} refused" if over > 0 else ""
        return f"{used} of {self.limit:,} {self.kind} {self.span}{refused}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundPlan:
    """What background requests may take of a limit of an hour or more.

    Attributes:
        provider: the account's provider.
        scope: "account", "ip", or the model that the limit is for.
        kind: what is counted: "requests" or "tokens".
        per: the limit's window in seconds.
        used: how many background requests took.
        share: how many they may take in the whole window.
        reserved: how many stay for interactive requests until the reset.
        next_at: when the next may go, in unix seconds.
    """

    provider: str
    scope: str
    kind: str
    per: float
    used: float
    share: float
    reserved: float
    next_at: float

    def told(self, now: float) -> str:
        """The plan in one sentence."""
        when = "now" if self.next_at <= now else until_words(self.next_at, now)
        return (
            f"{self.provider}: background requests took {_number(round(self.used))} of their "
            f"{_number(round(self.share))} {self.kind} {span_words(self.per)}, "
            f"{_number(round(self.reserved))} stay for interactive ones; the next may go {when}"
        )


@dataclass(frozen=True)
class QuotaReport(Drawn):
    """How much of each limit is used.

    Attributes:
        lines: the limits.
        waits: by provider, (why its account waits, for how many seconds).
        seen: when this was looked at, in unix seconds.
        in_line: by provider, how many (interactive, background) requests of this process wait for
            its limits.
        plans: how background requests are paced, if there are any.
    """

    lines: tuple[QuotaLine, ...]
    waits: Mapping[str, tuple[str, float]]
    seen: float = 0.0
    in_line: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    plans: tuple[BackgroundPlan, ...] = ()

    def __str__(self) -> str:
        return "\n".join([*map(str, self.lines), *self.waiting()]) or "no limits are known"

    def table(self) -> Table:
        rows = [
            (
                line.provider,
                line.scope,
                f"{line.kind} {line.span}",
                Cell(text_bar(line.share), line.tone),
                _number(min(line.used, line.limit)),
                f"{line.limit:,}",
                _left(line),
            )
            for line in self.lines
        ]
        return Table(
            columns=("provider", "scope", "limit", "spent", "used", "total", "left"),
            rows=rows,
            right=("used", "total", "left"),
            foot="; ".join(self.waiting()),
            spare=("spent", "used", "scope", "total"),
        )

    def bars(self) -> Bars:
        return Bars(tuple(map(_bar, self.lines)), axis="used, %", limits=(0, 100))

    def waiting(self) -> list[str]:
        """Which accounts wait, why, and until when, in words."""
        return [
            f"{provider} waits: {reason}, back {until_words(self.seen + seconds, self.seen)}"
            for provider, (reason, seconds) in self.waits.items()
        ] + self._lines()

    def _lines(self) -> list[str]:
        """Who stands in line, and what background requests may take."""
        lines = [
            f"{provider}: in line {interactive:,} interactive, {background:,} background"
            for provider, (interactive, background) in self.in_line.items()
        ]
        return lines + [plan.told(self.seen) for plan in self.plans]


def _left(line: QuotaLine) -> Cell:
    return Cell(_number(line.left), line.tone)


def _bar(line: QuotaLine) -> Bar:
    percent = 100 * line.used / line.limit if line.limit else 100.0
    scope = "" if line.scope == "account" else line.scope
    return Bar(
        " ".join(filter(None, (line.provider, scope))),
        percent,
        line.used_words,
        line.tone,
    )


def _number(amount: float) -> str:
    """A count with at most one decimal: "1,234", "12.5"."""
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
