"""`Bars`: a drawing as data. Reports describe theirs this way; `plots` draws it."""

from __future__ import annotations

from dataclasses import dataclass

from .tones import Tone


def text_bar(share: float, width: int = 10) -> str:
    """A share of 0 to 1 as text: "████░░░░░░". What is more than nothing shows."""
    full = min(width, max(int(share > 0), round(share * width)))
    return "█" * full + "░" * (width - full)


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar. `label` stands at its end."""

    name: str
    value: float
    label: str = ""
    tone: Tone = ""
    failures: float | None = None
    """Drawn to the left of zero, in red."""
    start: float = 0.0
    """Where it begins."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars, the first on top.

    Attributes:
        bars: the bars.
        axis: what the values are, with their unit.
        limits: the ends of the value axis; None: they follow from the values.
    """

    bars: tuple[Bar, ...]
    axis: str
    limits: tuple[float, float] | None = None

    @property
    def has_failures(self) -> bool:
        """Whether any bar has a part to the left of zero."""
        return any(bar.failures is not None for bar in self.bars)
