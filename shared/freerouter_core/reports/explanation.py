"""`Explanation`: the order in which a request would ask models."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue.model import Model
from .bars import Bar, Bars, text_bar
from .candidacy import Candidacy, account_waits
from .cells import Cell
from .tables import Drawn, Table, format_seconds, format_share


@dataclass(frozen=True)
class Explanation(Drawn):
    """The candidates in the order they would be asked, then the other models and why not."""

    rows: tuple[Candidacy, ...]
    space: str = ""
    """Of embeddings: the space that texts would be embedded in, and why."""

    @property
    def candidates(self) -> list[Model]:
        """The models that would be asked, in that order."""
        return [row.model for row in self.rows if row.reason is None]

    def __str__(self) -> str:
        lines = [
            f"{place:3}. {row.model.id:50} {row.state_words}"
            for place, row in enumerate(self.rows, 1)
        ]
        return "\n".join([*filter(None, (self.space,)), *(lines or ["no models"])])

    def table(self) -> Table:
        rows = [
            (
                "" if row.reason else str(place),
                row.model.id,
                Cell("" if row.chance is None else text_bar(row.chance), row.cell().tone),
                format_share(row.chance),
                format_seconds(row.seconds),
                row.cell(),
            )
            for place, row in enumerate(self.rows, 1)
        ]
        return Table(
            columns=("", "model", "likely", "chance", "expected", "state"),
            rows=rows,
            right=("", "chance", "expected"),
            spare=("likely", "expected", "chance"),
            foot="; ".join(filter(None, (self.space, account_waits(self.rows)))),
        )

    def bars(self) -> Bars:
        return Bars(
            tuple(_bar(row) for row in self.rows if row.reason is None),
            axis="expected seconds to an answer, in the order models are asked",
        )


def _bar(row: Candidacy) -> Bar:
    state = "" if row.usable else f", {row.state_words}"
    return Bar(
        row.model.id,
        row.seconds or 0.0,
        f"{row.chance or 0:.0%} likely{state}",
        "good" if row.usable else "wait",
    )
