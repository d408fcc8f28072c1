"""`Trail`: the attempts of one request over time."""

from __future__ import annotations

from dataclasses import dataclass

from ..routing.journal import Journal
from .bars import Bar, Bars
from .cells import Cell
from .tables import Drawn, Table
from .tones import Tone

WIDTH = 24
"""Characters of the time line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLine:
    """One attempt.

    Attributes:
        model: the model that was asked.
        provider: its provider.
        start: when it was sent, in seconds since the request began.
        seconds: how long it took.
        result: "answered", "cancelled", or what failed and why.
        tone: the tone of the result.
    """

    model: str
    provider: str
    start: float
    seconds: float
    result: str
    tone: Tone

    @property
    def end(self) -> float:
        """When it ended, in seconds since the request began."""
        return self.start + self.seconds


@dataclass(frozen=True)
class Trail(Drawn):
    """The attempts of one request, in the order they were sent, over `seconds` in all."""

    lines: tuple[TrailLine, ...]
    seconds: float

    @classmethod
    def of(cls, journal: Journal) -> Trail:
        """Read a request's journal (`outcome.journal`)."""
        lines = []
        for tried in sorted(journal.tries, key=lambda tried: tried.number):
            status = f" ({tried.status})" if tried.status and tried.fault else ""
            cause = f": {tried.cause}" if tried.cause and tried.cause != tried.fault else ""
            cancelled = tried.fault == "cancelled"
            lines.append(
                TrailLine(
                    model=tried.model,
                    provider=tried.provider,
                    start=max(0.0, tried.at - journal.started),
                    seconds=tried.seconds,
                    result=f"{tried.fault}{cause}{status}" if tried.fault else "answered",
                    tone="dim" if cancelled else "bad" if tried.fault else "good",
                )
            )
        return cls(tuple(lines), max((line.end for line in lines), default=0.0))

    def __str__(self) -> str:
        return "\n".join(
            f"{line.model} ({line.provider}): {line.result}, {line.seconds:.2f} s"
            for line in self.lines
        )

    def table(self) -> Table:
        rows = [
            (
                line.model,
                line.provider,
                Cell(self._time_line(line), line.tone),
                f"{line.seconds:.2f} s",
                Cell(line.result, line.tone),
            )
            for line in self.lines
        ]
        time = f"{self.seconds:.2f} s in all"
        return Table(
            columns=("model", "provider", time, "took", "result"),
            rows=rows,
            right=("took",),
            spare=("provider", time),
        )

    def bars(self) -> Bars:
        bars = [
            Bar(
                line.model,
                line.seconds,
                f"{line.result}, {line.seconds:.2f} s",
                line.tone,
                start=line.start,
            )
            for line in self.lines
        ]
        return Bars(tuple(bars), axis="seconds since the request began")

    def _time_line(self, line: TrailLine) -> str:
        """When an attempt was under way: at least one mark, however short it was."""
        scale = WIDTH / self.seconds if self.seconds else 0.0
        start = min(WIDTH - 1, int(line.start * scale))
        end = max(start + 1, min(WIDTH, round(line.end * scale)))
        return "·" * start + "█" * (end - start) + "·" * (WIDTH - end)
