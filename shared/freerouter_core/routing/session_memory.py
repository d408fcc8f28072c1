"""`SessionMemory`: what is remembered of a session, and which model it keeps.

The model that answered last is asked first again, so that a conversation does not change its voice
with every turn. The router's own named model still precedes it. The session gives a model up when
it is benched, has become unlikely to answer, or was not used for half an hour. Sessions of one name
share their memory within the process.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from ..catalogue.model import ModelIdentity
from .health_book import HealthBook
from .plan import Outcome
from .policy import Policy

MAX_IDLE = 1_800.0
"""Seconds without an answer after which a session no longer keeps its model."""
MIN_CHANCE = 0.5
"""The least chance of an answer at which a session keeps its model."""
MAX_STEPS = 1_000
"""Requests of a session that its statistics go back."""
MAX_SESSIONS = 1_000
"""Sessions that a process remembers."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a session.

    `label`: the request's own. `model`: who answered; empty: nobody. `seconds`: how long it took.
    `attempts`: how many; 0: the answer was kept, or another's. `error`: the name of its error;
    empty: there was none.
    """

    label: str
    model: str
    seconds: float
    attempts: int
    error: str = ""


@dataclass(kw_only=True)
class SessionMemory:
    """What is remembered of a session. Touched on the runtime's loop only."""

    name: str
    model: str = ""
    """The id of the model that answered last; empty: none did."""
    identity: ModelIdentity | None = None
    """That model's identity."""
    last: float = 0.0
    """When it answered, unix seconds."""
    used: float = 0.0
    """When the session was last used, unix seconds."""
    switches: int = 0
    """How often another model answered than before."""
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=MAX_STEPS))

    def keeps(self, book: HealthBook, now: float) -> str | None:
        """The id of the model to go on with; None: any may answer."""
        if not self.model or self.identity is None or now - self.last > MAX_IDLE:
            return None
        record = book.models.get(self.identity)
        if record is not None and (
            record.benched_until > now
            or record.gone
            or record.charged
            or record.odds(now)[0] < MIN_CHANCE
        ):
            return None
        return self.model

    def keeping(self, policy: Policy, book: HealthBook, now: float) -> Policy:
        """The policy with the kept model first among those that nobody named.

        A kept model that is a named backup precedes the other backups. A model that the policy
        excludes is not asked because of a session.
        """
        kept = self.keeps(book, now)
        if kept is None:
            return policy
        first, backups = policy.preferred[:1], policy.preferred[1:]
        if kept in backups:
            backups = (kept, *(name for name in backups if name != kept))
        return replace(policy, kept=kept, preferred=(*first, *backups))

    def answered(self, label: str, outcome: Outcome, seconds: float, now: float) -> None:
        """A request of the session was answered."""
        model = outcome.attempt.model
        self.switches += bool(self.model) and model.id != self.model
        self.model, self.identity, self.last = model.id, model.identity, now
        self.steps.append(Step(label, model.id, seconds, len(outcome.attempts)))

    def reused(self, label: str, outcome: Outcome, seconds: float) -> None:
        """A kept answer, or another's, served a request of the session. No model was asked, so the
        session keeps to the one it has."""
        self.steps.append(Step(label, outcome.attempt.model.id, seconds, 0))

    def failed(self, label: str, error: Exception, seconds: float) -> None:
        """A request of the session ended with an error."""
        attempts = len(getattr(error, "attempts", ()))
        self.steps.append(Step(label, "", seconds, attempts, type(error).__name__))


def memory_of(sessions: dict[str, SessionMemory], name: str, now: float) -> SessionMemory:
    """The memory of a session. Beyond `MAX_SESSIONS` the least recently used one is forgotten."""
    memory = sessions.get(name)
    if memory is None:
        if len(sessions) >= MAX_SESSIONS:
            del sessions[min(sessions, key=lambda other: sessions[other].used)]
        memory = sessions[name] = SessionMemory(name=name)
    memory.used = now
    return memory
