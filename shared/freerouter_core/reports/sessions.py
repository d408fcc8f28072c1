"""How a session went: its steps, and their sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..routing.session_memory import SessionMemory, Step
from .tables import Cell, Table, Tabled, seconds_words, tuples


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
    def of(cls, memory: SessionMemory) -> SessionStats:
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
            (
                step.label,
                step.model,
                seconds_words(step.seconds),
                f"{step.attempts}",
                Cell(step.error, "bad"),
            )
            for step in self.steps
        ]
        columns = ("step", "model", "seconds", "attempts", "error")
        return Table(
            columns, tuples(rows), ("seconds", "attempts"), str(self), ("attempts", "seconds")
        )

    def __str__(self) -> str:
        success = f"{self.success:.0%}" if self.success is not None else "-"
        seconds = f"{self.seconds:.1f} s" if self.seconds is not None else "-"
        return f"{self.name}: {self.calls} calls, {success} answered, {seconds} each, now with {self.model or 'nobody'}"
