"""`Journal`: what one request went through, step by step.

It is the log of a request, the trail of an error, and the golden file of a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..catalogue.counts import count_words
from ..errors import AttemptRecord
from ..events import AttemptTrace, RequestTrace
from ..wire.fault import Fault
from ..wire.redact import redact_answer, redact_fault
from . import steps as s
from .ruling import Ruling


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: when (unix seconds), and the step or event."""

    at: float
    what: s.Step | s.Event


@dataclass(kw_only=True)
class Journal:
    """The steps and events of one request, in order. Prints no key: attempts leave theirs out."""

    started: float
    """When the call began, unix seconds."""
    number: int = 0
    """The number of the request within its runtime."""
    entries: list[Entry] = field(default_factory=list)
    tries: list[AttemptTrace] = field(default_factory=list)
    """The attempts that ended, in that order."""
    failures: list[tuple[s.Attempt, Fault]] = field(default_factory=list)
    """The failed attempts, with everything that was understood of each failure."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Why models were no candidates, by id."""
    blamed: bool = False
    """Whether the last failure was the request's own; see `blame`."""
    shown_at: float | None = None
    """When the caller saw the first of a stream, unix seconds."""

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
        """Write a step or an event down."""
        self.entries.append(Entry(at, what))

    def add_end(self, event: s.Done | s.Failed, attempt: s.Attempt | None) -> None:
        """Write down how an attempt ended, without the keys that a server may have quoted.

        `attempt` None: it was cancelled before.
        """
        if attempt is None:
            self.add(event.at, event)
        elif isinstance(event, s.Failed):
            partial = event.partial
            if partial is not None:
                partial = redact_answer(partial, attempt.account, with_text=True)
            fault = redact_fault(event.fault, attempt.account)
            self.add(event.at, replace(event, fault=fault, partial=partial))
        else:
            answer = redact_answer(event.answer, attempt.account, with_text=True)
            clean = event if answer is event.answer else replace(event, answer=answer)
            self.add(event.at, clean)

    def attempted(
        self, attempt: s.Attempt, fault: Fault | str | None, sent: float, now: float
    ) -> None:
        """Record the end of an attempt: its fault, "cancelled", or None for an answer."""
        if isinstance(fault, Fault):
            self.failures.append((attempt, fault))
        self.tries.append(_trace(attempt, fault, sent, now))

    def trace(self, began: float, now: float, model: str, *, streamed: bool) -> RequestTrace:
        """What became of the request, for observers. Attempts still under way are cancelled."""
        ended = {tried.number for tried in self.tries}
        cancelled = [
            _trace(entry.what.attempt, "cancelled", entry.at, now)
            for entry in self.entries
            if isinstance(entry.what, s.Send) and entry.what.attempt.number not in ended
        ]
        return RequestTrace(self.number, began, model, streamed, (*self.tries, *cancelled))

    def render(self) -> list[str]:
        """The journal as text, one line an entry; each begins with seconds since the start."""
        names = {
            entry.what.attempt.number: entry.what.attempt.model.id
            for entry in self.entries
            if isinstance(entry.what, s.Send)
        }
        return [
            f"{entry.at - self.started:8.3f}  {text}"
            for entry in self.entries
            if (text := _render(entry.what, names, self.started))
        ]

    def __repr__(self) -> str:
        entries = count_words(len(self.entries), "entry", "entries")
        return f"<Journal {entries}, {count_words(len(self.tries), 'attempt')}>"


def _trace(attempt: s.Attempt, fault: Fault | str | None, sent: float, now: float) -> AttemptTrace:
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
    ruling = judged.ruling or Ruling()
    refused = judged.problem or ruling.refused
    if refused:
        return f"rejected: {refused}"
    if not ruling.flags:
        return "accepted"
    return "flagged: " + "; ".join(f"{flag.guard}: {flag.reason}" for flag in ruling.flags)


_LINES: dict[type, Callable[..., str]] = {
    s.Send: lambda w, names, start: (
        f"send     #{w.attempt.number} {w.attempt.model.id}"
        + (" (hedge)" if w.attempt.hedge else "")
        + ("" if w.attempt.price_cap else " (without price cap)")
    ),
    s.Refused: lambda w, names, start: f"limit    reached until +{w.until - start:.1f} s",
    s.Sleep: lambda w, names, start: f"sleep    until +{w.until - start:.1f} s",
    s.Token: lambda w, names, start: (
        f"token    {_number(w, names)}"
        + ("" if w.visible else " (a thought)" if w.thought else " (not shown)")
    ),
    s.Failed: lambda w, names, start: (
        f"failed   {_number(w, names)}: {w.fault.kind} {w.fault.cause}"
        + (f" [{w.fault.status}]" if w.fault.status else "")
        + (f" until +{w.fault.until - start:.1f} s" if w.fault.until else "")
    ),
    s.Done: lambda w, names, start: f"done     {_number(w, names)}: {w.answer.finish_reason}",
    s.Commit: lambda w, names, start: f"commit   #{w.attempt.number} {w.attempt.model.id}",
    s.Cancel: lambda w, names, start: f"cancel   #{w.attempt.number} {w.attempt.model.id}: {w.why}",
    s.Judged: lambda w, names, start: f"judged   {_opinion(w)}",
}
"""How each step and event reads; the others are left out."""
