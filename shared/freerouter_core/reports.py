"""What a router tells about itself, as data that prints well."""

from __future__ import annotations

from dataclasses import dataclass

from .catalogue.model import Model
from .routing.health import Health


@dataclass(frozen=True, slots=True)
class Candidacy:
    """One model's standing: `reason` why it is no candidate (None: it is), `state` in words, `returns` in seconds."""

    model: Model
    reason: str | None
    state: str = ""
    returns: float | None = None
    health: Health | None = None

    @property
    def usable(self) -> bool:
        return self.reason is None and self.returns is None


@dataclass(frozen=True)
class Explanation:
    """The candidates in the order they would be asked, then the others with the reason why not."""

    rows: tuple[Candidacy, ...]

    @property
    def candidates(self) -> list[Model]:
        return [row.model for row in self.rows if row.reason is None]

    def __str__(self) -> str:
        lines = []
        for n, row in enumerate(self.rows, 1):
            back = f", returns in {row.returns:.0f} s" if row.returns is not None else ""
            lines.append(f"{n:3}. {row.model.id:50} {row.reason or row.state}{back}")
        return "\n".join(lines) or "no models"


@dataclass(frozen=True)
class HealthReport:
    """Which free models are usable now. `age`: seconds since the catalogue was fetched, None if there is none."""

    rows: tuple[Candidacy, ...]
    listed: int
    age: float | None
    accounts: tuple[str, ...]
    simulated: bool = False

    @property
    def usable(self) -> list[Model]:
        return [row.model for row in self.rows if row.usable]

    def __str__(self) -> str:
        free = sum(row.reason is None for row in self.rows)
        return f"{len(self.usable)} of {free} free models usable now ({self.listed} listed)"
