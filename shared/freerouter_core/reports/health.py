"""`HealthReport`: which free models are usable now."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue.counts import count_words
from ..catalogue.model import Model
from .bars import Bar, Bars
from .candidacy import Candidacy, account_waits
from .cells import Cell
from .models import capability_words
from .tables import Drawn, Table, format_seconds


@dataclass(frozen=True)
class HealthReport(Drawn):
    """Which free models are usable now.

    Attributes:
        rows: every model that was looked at.
        listed: how many models the catalogue has, paid ones included.
        age: seconds since the catalogue was fetched; None: there is none.
        accounts: the providers that may be asked.
        simulated: whether a simulator answers (`DEV_MODE`).
    """

    rows: tuple[Candidacy, ...]
    listed: int
    age: float | None
    accounts: tuple[str, ...]
    simulated: bool = False

    @property
    def usable(self) -> list[Model]:
        """The models that can be asked now."""
        return [row.model for row in self.rows if row.usable]

    def __str__(self) -> str:
        free = sum(row.reason is None for row in self.rows)
        models = count_words(free, "free model")
        return f"{len(self.usable)} of {models} usable now ({self.listed} listed)"

    def table(self) -> Table:
        rows = self._free()
        rows.sort(key=lambda row: (row.reason is not None, -row.model.context, row.model.id))
        return Table(
            columns=("model", "context", "can", "answered", "failed", "first token", "now"),
            rows=[_cells(row) for row in rows],
            right=("context", "answered", "failed", "first token"),
            foot="; ".join(filter(None, (str(self), account_waits(rows)))),
            spare=("failed", "answered", "first token", "can", "context"),
        )

    def bars(self) -> Bars:
        return Bars(
            tuple(_bar(row) for row in self._free()),
            axis=f"failures (left) and answers; {self}",
        )

    def _free(self) -> list[Candidacy]:
        return [row for row in self.rows if row.model.free and row.model.chat]


def _counts(row: Candidacy) -> tuple[int, int]:
    """(answers, failures)."""
    health = row.health
    return (health.answers, health.failures) if health else (0, 0)


def _cells(row: Candidacy) -> tuple[Cell | str, ...]:
    model, health = row.model, row.health
    answers, failures = _counts(row)
    first_token = health.first_token if health and health.answers else None
    return (
        model.id,
        f"{model.context:,}",
        capability_words(model),
        f"{answers}",
        f"{failures}",
        format_seconds(first_token),
        row.cell(),
    )


def _bar(row: Candidacy) -> Bar:
    answers, failures = _counts(row)
    return Bar(row.model.id, answers, row.state_words, row.cell().tone, failures)
