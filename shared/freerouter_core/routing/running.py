"""`RunningRequest`: how a request stands that has not ended."""

from __future__ import annotations

from dataclasses import dataclass

from ..events import AttemptTrace
from . import steps as s
from .journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAttempt:
    """An attempt that is under way.

    Attributes:
        number: its place among the attempts of the request, from 1.
        model: the model's id.
        provider: the provider that is asked.
        at: when it was sent, in unix seconds.
        stage: "asked": nothing has come. "thinking": thoughts come. "answering": the answer comes.
            "checked": all of it is there, and is judged.
        hedge: whether it is a second attempt beside a slow one.
    """

    number: int
    model: str
    provider: str
    at: float
    stage: str
    hedge: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRequest:
    """A request that has not ended, without its content.

    Attributes:
        number: its place among the requests of the runtime, from 1.
        at: when it began, in unix seconds.
        asked: the model it asked for, or "auto".
        streamed: whether it is a stream.
        tries: its attempts that ended, in that order.
        running: its attempts that are under way.
        reason: what it waits for, in words. None: it does not wait.
        until: when that ends, in unix seconds. None: it does not wait.
        before: how many requests stand before it in the line.
    """

    number: int
    at: float
    asked: str
    streamed: bool
    tries: tuple[AttemptTrace, ...]
    running: tuple[RunningAttempt, ...]
    reason: str | None
    until: float | None
    before: int


def running_request(journal: Journal, asked: str, *, streamed: bool) -> RunningRequest:
    """How the request of a journal stands."""
    last = journal.entries[-1].what if journal.entries else None
    reason, until, before = None, None, 0
    if isinstance(last, s.Sleep):
        wait = last.wait or s.Wait("", last.until)
        reason, until, before = wait.reason, max(last.until, wait.ends), wait.before
    return RunningRequest(
        number=journal.number,
        at=journal.started,
        asked=asked,
        streamed=streamed,
        tries=tuple(journal.tries),
        running=_running(journal),
        reason=reason,
        until=until,
        before=before,
    )


def _running(journal: Journal) -> tuple[RunningAttempt, ...]:
    ended = {tried.number for tried in journal.tries}
    sent: dict[int, tuple[float, s.Attempt]] = {}
    stages: dict[int, str] = {}
    for entry in journal.entries:
        match entry.what:
            case s.Send(attempt):
                sent[attempt.number] = entry.at, attempt
            case s.Cancel(attempt):
                ended.add(attempt.number)
            case s.Token() as token:
                stage = "answering" if token.visible else "thinking" if token.thought else "asked"
                stages[token.number] = stage
            case s.Done():
                stages[entry.what.number] = "checked"
    return tuple(
        RunningAttempt(
            number=number,
            model=attempt.model.id,
            provider=attempt.account.provider,
            at=at,
            stage=stages.get(number, "asked"),
            hedge=attempt.hedge,
        )
        for number, (at, attempt) in sent.items()
        if number not in ended
    )
