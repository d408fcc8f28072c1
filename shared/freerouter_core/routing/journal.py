"""`Journal`: what one request went through, step by step. It is the log, the trail of an error and a test's golden file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import AttemptRecord
from ..events import AttemptTrace, RequestTrace
from ..wire.fault import Fault
from . import steps as s


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: when (unix seconds), and the step or event."""

    at: float
    what: s.Step | s.Event


@dataclass
class Journal:
    """The steps and events of one request, in order. Holds no key: attempts print without their account's."""

    started: float
    number: int = 0
    """Which request of its runtime this is."""
    entries: list[Entry] = field(default_factory=list)
    tries: list[AttemptTrace] = field(default_factory=list)
    """The attempts that ended, in that order."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Why models were no candidates, by id."""
    shown_at: float | None = None
    """When the caller was shown the first of a stream, unix seconds."""
    failures: list[tuple[s.Attempt, Fault]] = field(default_factory=list)
    """The failed attempts with all that was understood of them."""

    @property
    def attempts(self) -> list[AttemptRecord]:
        """The attempts that ended, as metadata and errors tell them."""
        return [
            AttemptRecord(
                model=tried.model,
                provider=tried.provider,
                fault=tried.fault,
                status=tried.status,
                seconds=round(tried.seconds, 4),
            )
            for tried in self.tries
        ]

    def add(self, at: float, what: s.Step | s.Event) -> None:
        self.entries.append(Entry(at, what))

    def attempted(
        self, attempt: s.Attempt, fault: Fault | str | None, sent: float, now: float
    ) -> None:
        """Record the end of an attempt: a fault, None for an answer, or a word for one that was called off."""
        if isinstance(fault, Fault):
            self.failures.append((attempt, fault))
        self.tries.append(_tried(attempt, fault, sent, now))

    def trace(self, began: float, now: float, asked: str, *, streamed: bool) -> RequestTrace:
        """What became of the request, for observers; attempts that are still under way are called off."""
        ended = {tried.number for tried in self.tries}
        sent = [
            e
            for e in self.entries
            if isinstance(e.what, s.Send) and e.what.attempt.number not in ended
        ]
        off = [
            _tried(e.what.attempt, "cancelled", e.at, now)
            for e in sent
            if isinstance(e.what, s.Send)
        ]
        return RequestTrace(self.number, began, asked, streamed, (*self.tries, *off))

    def render(self) -> list[str]:
        """The journal as text, one line an entry, seconds since the start first."""
        names = {
            e.what.attempt.number: e.what.attempt.model.id
            for e in self.entries
            if isinstance(e.what, s.Send)
        }
        return [
            f"{entry.at - self.started:8.3f}  {text}"
            for entry in self.entries
            if (text := _render(entry.what, names, self.started))
        ]

    def __repr__(self) -> str:
        return f"<Journal {len(self.entries)} entries, {len(self.tries)} attempts>"


def _tried(attempt: s.Attempt, fault: Fault | str | None, sent: float, now: float) -> AttemptTrace:
    return AttemptTrace(
        number=attempt.number,
        model=attempt.model.id,
        provider=attempt.account.provider,
        at=sent,
        seconds=now - sent,
        fault=fault.kind.value if isinstance(fault, Fault) else fault,
        cause=fault.cause if isinstance(fault, Fault) else "",
        status=fault.status if isinstance(fault, Fault) else 200 if fault is None else None,
        hedge=attempt.hedge,
    )


def _render(what: s.Step | s.Event, names: dict[int, str], started: float) -> str:
    line = _LINES.get(type(what))
    return line(what, names, started) if line else ""


def _number(what: s.Token | s.Failed | s.Done, names: dict[int, str]) -> str:
    return f"#{what.number} {names.get(what.number, '?')}"


def _opinion(judged: s.Judged) -> str:
    ruling = judged.ruling or s.Ruling()
    refused = judged.problem or ruling.refused
    if refused:
        return f"rejected: {refused}"
    return (
        "flagged: " + "; ".join(f"{f.guard}: {f.reason}" for f in ruling.flags)
        if ruling.flags
        else "accepted"
    )


_LINES: dict[type, Callable[..., str]] = {
    s.Send: lambda w, n, t: (
        f"send     #{w.attempt.number} {w.attempt.model.id}"
        + (" (hedge)" if w.attempt.hedge else "")
        + ("" if w.attempt.price_cap else " (without price cap)")
    ),
    s.Refused: lambda w, n, t: f"limit    reached until +{w.until - t:.1f} s",
    s.Sleep: lambda w, n, t: f"sleep    until +{w.until - t:.1f} s",
    s.Token: lambda w, n, t: f"token    {_number(w, n)}" + ("" if w.visible else " (not shown)"),
    s.Failed: lambda w, n, t: (
        f"failed   {_number(w, n)}: {w.fault.kind} {w.fault.cause}"
        + (f" [{w.fault.status}]" if w.fault.status else "")
        + (f" until +{w.fault.until - t:.1f} s" if w.fault.until else "")
    ),
    s.Done: lambda w, n, t: f"done     {_number(w, n)}: {w.answer.finish_reason}",
    s.Commit: lambda w, n, t: f"commit   #{w.attempt.number} {w.attempt.model.id}",
    s.Cancel: lambda w, n, t: f"cancel   #{w.attempt.number} {w.attempt.model.id}: {w.why}",
    s.Judged: lambda w, n, t: f"judged   {_opinion(w)}",
}
