"""`BulkProgress`: how a job stands, and when it will be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..catalogue.counts import count_words
from .cells import Cell
from .tables import Table, Tabled, format_share

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, kw_only=True)
class BulkProgress(Tabled):
    """How a job stands.

    Attributes:
        done: rows that were answered.
        failed: rows that failed for good.
        read: rows that are in the job.
        total: rows of the whole input. None: not known before it was read to its end.
        in_flight: requests that were sent and not answered yet, in this process.
        waiting: requests that stand in line.
        rate: rows a minute, measured in this process. None: none has ended yet.
        ends: when all rows are done, in unix seconds, from limits, their resets and measured
            times. None: nobody can tell.
        seconds: until then.
        waits_for: what the job waits for; empty: nothing.
        waits: seconds that it waits. None: it does not.
        compared: rows of the input that were read, while they are compared with those of the job.
            Nothing is asked meanwhile. None: that is over.
        until: the time at which the work in this process was to stop, and did; unix seconds. None:
            it did not.
    """

    done: int
    failed: int
    read: int
    total: int | None = None
    in_flight: int = 0
    waiting: int = 0
    rate: float | None = None
    ends: float | None = None
    seconds: float | None = None
    waits_for: str = ""
    waits: float | None = None
    compared: int | None = None
    until: float | None = None

    @property
    def left(self) -> int | None:
        """Rows that have not ended. None: not known."""
        return None if self.total is None else max(0, self.total - self.done - self.failed)

    @property
    def share(self) -> float | None:
        """The share of rows that have ended, 0 to 1. None: not known."""
        if self.total is None:
            return None
        return (self.done + self.failed) / self.total if self.total else 1.0

    @property
    def finished(self) -> bool:
        """Whether every row has ended."""
        return self.left == 0

    @property
    def ends_at(self) -> datetime | None:
        """When all rows are done, in local time."""
        return None if self.ends is None else local_time(self.ends)

    def __str__(self) -> str:
        total = (
            f"{self.read:,} or more rows" if self.total is None else count_words(self.total, "row")
        )
        parts = [f"{self.done:,} of {total} done"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.rate is not None:
            parts.append(speed(self.rate))
        if self.waits is not None:
            parts.append(f"waits {duration(self.waits)} for {self.waits_for}")
        if self.seconds is not None and not self.finished:
            parts.append(f"done in {duration(self.seconds)}")
        return ", ".join([*parts, *self.notes])

    @property
    def notes(self) -> list[str]:
        """Why nothing is asked, in words: the input is compared, or its time is over."""
        notes = []
        if self.compared is not None:
            notes.append(f"the input is compared with the job: {count_words(self.compared, 'row')}")
        if self.until is not None:
            notes.append(f"stopped, as until=… says ({local_time(self.until):%a %d %b %H:%M})")
        return notes

    def table(self) -> Table:
        total = "?" if self.total is None else f"{self.total:,}"
        ends = "-" if self.ends_at is None else f"{self.ends_at:%a %d %b %H:%M}"
        waits = [] if self.waits is None else [f"waits {duration(self.waits)}: {self.waits_for}"]
        row = (
            Cell(f"{self.done:,}", "good"),
            Cell(f"{self.failed:,}", "bad" if self.failed else ""),
            total,
            format_share(self.share),
            "-"
            if self.rate is None
            else f"{self.rate:.2g}"
            if self.rate < 1.0
            else f"{self.rate:,.1f}",
            f"{self.in_flight}",
            ends if not self.finished else "done",
        )
        return Table(
            columns=("done", "failed", "rows", "share", "a minute", "in flight", "ends"),
            rows=(row,),
            right=("done", "failed", "rows", "share", "a minute", "in flight"),
            foot="; ".join(waits + self.notes),
            spare=("in flight", "share", "a minute"),
        )


def local_time(at: float) -> datetime:
    """A moment, in local time."""
    return datetime.fromtimestamp(at).astimezone()


def speed(rate: float) -> str:
    """Rows a minute in words: "12.0 a minute", "3.5 an hour" or "8.0 a day"."""
    if rate >= 1.0:
        return f"{rate:,.1f} a minute"
    if rate * _MINUTE >= 1.0:
        return f"{rate * _MINUTE:.1f} an hour"
    return f"{rate * _DAY / _MINUTE:.1f} a day"


def duration(seconds: float) -> str:
    """For example "40 s", "5 min", "3 h 20 min" or "2 d 4 h"."""
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / _HOUR)
    return f"{hours // 24} d {hours % 24} h"
