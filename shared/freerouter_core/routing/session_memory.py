"""`SessionMemory`: what is remembered of a session, and which model it keeps to.

The model that answered last is asked first again, so that a conversation does not change its voice with every turn; the router's own
named model stands before it. It is given up when it rests, has become unlikely to answer, or has not been used for half an hour.
Sessions of one name share what they remember, within the process.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from ..catalogue.model import ModelIdentity
from .health_book import HealthBook
from .plan import Outcome
from .policy import Policy

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
class SessionMemory:
    """What is remembered of a session. Touched on the runtime's loop only."""

    name: str
    model: str = ""
    identity: ModelIdentity | None = None
    last: float = 0.0
    """When that model answered last."""
    used: float = 0.0
    """When it was last asked for."""
    switches: int = 0
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def keeps(self, book: HealthBook, now: float) -> str | None:
        """The model to go on with, if that is wise."""
        if not self.model or self.identity is None or now - self.last > KEPT:
            return None
        health = book.models.get(self.identity)
        if health is not None and (
            health.benched_until > now or health.gone or health.odds(now)[0] < WISE
        ):
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
        self.model, self.identity, self.last = model.id, model.identity, now
        self.steps.append(Step(label, model.id, seconds, len(outcome.attempts)))

    def failed(self, label: str, error: Exception, seconds: float) -> None:
        self.steps.append(
            Step(label, "", seconds, len(getattr(error, "attempts", ())), type(error).__name__)
        )


def memory_of(sessions: dict[str, SessionMemory], name: str, now: float) -> SessionMemory:
    """The memory of a session; of too many the one that was used longest ago is forgotten."""
    memory = sessions.get(name)
    if memory is None:
        if len(sessions) >= SESSIONS:
            del sessions[min(sessions, key=lambda other: sessions[other].used)]
        memory = sessions[name] = SessionMemory(name)
    memory.used = now
    return memory
