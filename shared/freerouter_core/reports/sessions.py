"""`SessionStats`: how a session went."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..catalogue.counts import count_words
from ..routing.session_memory import SessionMemory, Step
from .cells import Cell
from .tables import Table, Tabled, format_seconds, format_share


@dataclass(frozen=True, kw_only=True)
class SessionStats(Tabled):
    """How a session went.

    Attributes:
        name: the session's name.
        calls: requests in all.
        answered: those that were answered.
        success: their share, 0 to 1; None: nothing was asked.
        seconds: mean time to an answer; None: there was none.
        attempts: attempts of all requests.
        switches: how often another model took over.
        model: the model that answered last.
        models: answers by model.
        steps: the requests, in order.
    """

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
    def of(cls, memory: SessionMemory) -> SessionStats:
        """Sum up what is remembered of a session."""
        steps = tuple(memory.steps)
        answered = [step for step in steps if not step.error]
        seconds = sum(step.seconds for step in answered)
        return cls(
            name=memory.name,
            calls=len(steps),
            answered=len(answered),
            success=len(answered) / len(steps) if steps else None,
            seconds=seconds / len(answered) if answered else None,
            attempts=sum(step.attempts for step in steps),
            switches=memory.switches,
            model=memory.model,
            models=dict(Counter(step.model for step in answered)),
            steps=steps,
        )

    def table(self) -> Table:
        rows = [
            (
                step.label,
                step.model,
                format_seconds(step.seconds),
                f"{step.attempts}",
                Cell(step.error, "bad"),
            )
            for step in self.steps
        ]
        return Table(
            columns=("step", "model", "seconds", "attempts", "error"),
            rows=rows,
            right=("seconds", "attempts"),
            foot=str(self),
            spare=("attempts", "seconds"),
        )

    def __str__(self) -> str:
        calls = count_words(self.calls, "call")
        return (
            f"{self.name}: {calls}, {format_share(self.success)} answered, "
            f"{format_seconds(self.seconds)} each, now with {self.model or 'no model'}"
        )
