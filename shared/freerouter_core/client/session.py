"""`Session`: a conversation, or a job of several steps, that keeps its model while that is wise, and remembers how it went.

The model that answered last is asked first again, so that a conversation does not change its voice with every turn; the router's own
named model stands before it. It is given up when it rests, has become unlikely to answer, or has not been used for half an hour.
Sessions of one name share what they remember, within the process.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import BadSetting
from ..reports.tables import Cell, Table, Tabled, seconds_words, tuples
from ..routing.health import HealthBook, Key
from ..routing.need import Policy
from ..routing.plan import Outcome
from ..wire.request import ChatRequest
from .streams import AsyncStream, Stream

if TYPE_CHECKING:
    from .queries import Prompt
    from .router import Router

KEPT = 1_800.0
"""Seconds after which a model that was not used is not kept to any more."""
WISE = 0.5
"""The least chance of an answer with which it is."""
REMEMBERED, SESSIONS = 1_000, 1_000
"""Steps that statistics go back; and sessions that are remembered."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a session: its label, who answered (empty: nobody), seconds, attempts, and the error's name if it failed."""

    label: str
    model: str
    seconds: float
    attempts: int
    error: str = ""


@dataclass
class Memory:
    """What is remembered of a session. Touched on the runtime's loop only."""

    name: str
    model: str = ""
    key: Key | None = None
    last: float = 0.0
    """When that model answered last."""
    used: float = 0.0
    """When it was last asked for."""
    switches: int = 0
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def keeps(self, book: HealthBook, now: float) -> str | None:
        """The model to go on with, if that is wise."""
        if not self.model or self.key is None or now - self.last > KEPT:
            return None
        health = book.models.get(self.key)
        if health is not None and (health.bench > now or health.gone or health.odds(now)[0] < WISE):
            return None
        return self.model

    def keeping(self, policy: Policy, book: HealthBook, now: float) -> Policy:
        """The policy with the kept model first among those nobody named; a backup that is kept to comes before the other backups.
        Whom the caller names first stands before it, and nobody is asked who might not be without a session."""
        kept = self.keeps(book, now)
        if kept is None:
            return policy
        first, backups = policy.preferred[:1], policy.preferred[1:]
        if kept in backups:
            backups = (kept, *(name for name in backups if name != kept))
        return replace(policy, kept=kept, preferred=(*first, *backups))

    def answered(self, label: str, outcome: Outcome, seconds: float, now: float) -> None:
        model = outcome.attempt.model
        self.switches += bool(self.model) and model.id != self.model
        self.model, self.key, self.last = model.id, model.key, now
        self.steps.append(Step(label, model.id, seconds, len(outcome.attempts)))

    def failed(self, label: str, error: Exception, seconds: float) -> None:
        self.steps.append(Step(label, "", seconds, len(getattr(error, "attempts", ())), type(error).__name__))


def memory_of(sessions: dict[str, Memory], name: str, now: float) -> Memory:
    """The memory of a session; of too many the one that was used longest ago is forgotten."""
    memory = sessions.get(name)
    if memory is None:
        if len(sessions) >= SESSIONS:
            del sessions[min(sessions, key=lambda other: sessions[other].used)]
        memory = sessions[name] = Memory(name)
    memory.used = now
    return memory


@dataclass(frozen=True)
class SessionStats(Tabled):
    """How a session went: `success` is a share of 1, `seconds` the mean to an answer; `models` counts answers by model."""

    name: str
    calls: int
    answered: int
    success: float | None
    seconds: float | None
    attempts: int
    switches: int
    model: str
    models: dict[str, int]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, memory: Memory) -> SessionStats:
        steps = tuple(memory.steps)
        good = [step for step in steps if not step.error]
        return cls(
            memory.name,
            len(steps),
            len(good),
            len(good) / len(steps) if steps else None,
            sum(step.seconds for step in good) / len(good) if good else None,
            sum(step.attempts for step in steps),
            memory.switches,
            memory.model,
            dict(Counter(step.model for step in good)),
            steps,
        )

    def table(self) -> Table:
        rows = [
            (step.label, step.model, seconds_words(step.seconds), f"{step.attempts}", Cell(step.error, "bad"))
            for step in self.steps
        ]
        columns = ("step", "model", "seconds", "attempts", "error")
        return Table(columns, tuples(rows), ("seconds", "attempts"), str(self), ("attempts", "seconds"))

    def __str__(self) -> str:
        success = f"{self.success:.0%}" if self.success is not None else "-"
        seconds = f"{self.seconds:.1f} s" if self.seconds is not None else "-"
        return f"{self.name}: {self.calls} calls, {success} answered, {seconds} each, now with {self.model or 'nobody'}"


class Session:
    """A router that keeps to its model. Made by `Router.session`."""

    def __init__(self, router: Router) -> None:
        if not router.session_name:
            raise BadSetting("a Session needs a router with a session_name", hint="use router.session(name)")
        self.router = router

    @property
    def name(self) -> str:
        return str(self.router.session_name)

    def chat(self, prompt: Prompt, label: str = "") -> Outcome:
        """An answer, as `Router.chat`. `label`: what statistics call this step."""
        return self.router.chat(_labelled(prompt, label))

    async def achat(self, prompt: Prompt, label: str = "") -> Outcome:
        return await self.router.achat(_labelled(prompt, label))

    def stream(self, prompt: Prompt, label: str = "") -> Stream:
        return self.router.stream(_labelled(prompt, label))

    def astream(self, prompt: Prompt, label: str = "") -> AsyncStream:
        return self.router.astream(_labelled(prompt, label))

    def run(self, steps: Sequence[tuple[str, str]]) -> Outcome:
        """Several steps, each (label, prompt), in one conversation: what was said before goes along. Returns the last outcome; the first
        that fails raises."""
        messages: list[dict[str, Any]] = []
        outcome: Outcome | None = None
        for label, prompt in steps:
            messages.append({"role": "user", "content": prompt})
            outcome = self.chat(list(messages), label)
            messages.append({"role": "assistant", "content": outcome.text})
        if outcome is None:
            raise BadSetting("a session's run needs steps")
        return outcome

    def stats(self) -> SessionStats:
        """How it went so far."""
        return SessionStats.of(self.router.session_memory())

    def __repr__(self) -> str:
        return f"<Session {self.name!r} of {self.router!r}>"


def _labelled(prompt: Prompt, label: str) -> ChatRequest:
    request = ChatRequest.of(prompt)
    return replace(request, label=label) if label else request
