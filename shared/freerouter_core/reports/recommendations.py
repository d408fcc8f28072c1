"""`Recommendations`: the models that suit a request, as a table."""

from __future__ import annotations

from ..routing.recommend import Recommendation
from .tables import Table, Tabled


class Recommendations(Tabled, list[Recommendation]):
    """Recommendations, best first, that are also a table."""

    def table(self) -> Table:
        rows = [
            (
                f"{row.score:.0f}",
                row.model.id,
                " ".join(f"{name} {points:.0f}" for name, points in row.parts.items()),
                "; ".join(row.reasons),
            )
            for row in self
        ]
        return Table(
            columns=("score", "model", "of", "why"),
            rows=rows,
            right=("score",),
            spare=("of", "why"),
        )
