"""What a race comes to: a Markdown row for each world and policy, ratios to a rival, and a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

HEAD = (
    "world",
    "policy",
    "of the bound",
    "worst seed",
    "mean s",
    "p50 s",
    "p95 s",
    "attempts an answer",
    "refusals",
)


@dataclass(kw_only=True)
class Lap:
    """One life of one world, or several together."""

    answered: int = 0
    possible: int = 0
    """Calls that the bound answers."""
    times: list[float] = field(default_factory=list)
    """Seconds to each answer."""
    costs: list[float] = field(default_factory=list)
    """The same for all calls: one without an answer costs its deadline."""
    attempts: int = 0
    refusals: int = 0
    most_refusals: int = 0
    """The most refusals among the lives that were added."""
    worst: float = 1.0
    """The smallest share answered among the lives that were added."""

    @classmethod
    def bound(cls, times: list[float]) -> Lap:
        """The clairvoyant's, from its times."""
        number = len(times)
        return cls(answered=number, possible=number, times=times, costs=times, attempts=number)

    @classmethod
    def sum(cls, laps: Iterable[Lap]) -> Lap:
        total = cls()
        for lap in laps:
            total.add(lap)
        return total

    def add(self, other: Lap) -> None:
        self.worst = min(self.worst, other.share)
        self.answered += other.answered
        self.possible += other.possible
        self.times += other.times
        self.costs += other.costs
        self.attempts += other.attempts
        self.refusals += other.refusals
        self.most_refusals = max(self.most_refusals, other.most_refusals or other.refusals)

    @property
    def share(self) -> float:
        """Answers, of those that the bound gives."""
        return self.answered / max(1, self.possible)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times) if self.times else math.nan

    def quantile(self, share: float) -> float:
        return quantile(self.times, share)

    def row(self) -> list[str]:
        return [
            f"{self.share:.3f}",
            f"{self.worst:.2f}",
            f"{self.mean:.2f}",
            f"{self.quantile(0.5):.2f}",
            f"{self.quantile(0.95):.2f}",
            f"{self.attempts / max(1, self.answered):.2f}",
            f"{self.refusals}",
        ]


Results = dict[str, dict[str, Lap]]
"""By world and policy."""


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies; nan if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else math.nan


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


def header() -> str:
    return f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}"


def line(world: str, policy: str, lap: Lap) -> str:
    return f"| {world} | {policy} | {' | '.join(lap.row())} |"


def compare(results: Results, ours: str, rival: str) -> tuple[float, float, float, float] | None:
    """Our times over the rival's: geometric mean and worst world of the means, then of the p95s."""
    pairs = [
        (laps[ours], laps[rival])
        for laps in results.values()
        if ours in laps and rival in laps and laps[ours].times and laps[rival].times
    ]
    if not pairs:
        return None
    means = [mine.mean / theirs.mean for mine, theirs in pairs]
    tails = [mine.quantile(0.95) / theirs.quantile(0.95) for mine, theirs in pairs]
    return geometric_mean(means), max(means), geometric_mean(tails), max(tails)


def ratios(results: Results, ours: str, rival: str) -> str:
    """The comparison in words."""
    comparison = compare(results, ours, rival)
    if comparison is None:
        return ""
    mean, worst_mean, tail, worst_tail = comparison
    return (
        f"{ours} over {rival}: mean {mean:.2f} x (worst world {worst_mean:.2f}), "
        f"p95 {tail:.2f} x (worst world {worst_tail:.2f})"
    )


# -- the plot -------------------------------------------------------------------------------------

COLOURS = [
    "#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#c2255c", "#868e96",
    "#1864ab", "#d9480f", "#495057", "#087f5b", "#a61e4d",
]  # fmt: skip
MARGIN, WIDTH, ROW = 210, 520, 14


def _x(seconds: float) -> float:
    """Where a time stands on the logarithmic scale from half a second to a minute."""
    return MARGIN + WIDTH * math.log(max(seconds, 0.5) / 0.5) / math.log(120)


def plot(results: Results, title: str) -> str:
    """An SVG. Each row: a dot at the mean, a line to the 95th percentile, the share answered."""
    policies = list(dict.fromkeys(policy for laps in results.values() for policy in laps))
    rows = sum(len(laps) for laps in results.values())
    width, height = MARGIN + WIDTH + 90, ROW * rows + 10 * len(results) + 60
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        ' font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="13" font-weight="bold">{title}</text>',
    ]
    for tick in (0.5, 1, 2, 5, 10, 20, 60):
        x = f"{_x(tick):.0f}"
        out.append(f'<line x1="{x}" y1="30" x2="{x}" y2="{height - 20}" stroke="#dee2e6"/>')
        out.append(f'<text x="{x}" y="{height - 6}" text-anchor="middle">{tick:g} s</text>')
    y = 38
    for world, laps in results.items():
        y += 10
        for policy, lap in laps.items():
            out += _row(
                y, f"{world}: {policy}", lap, COLOURS[policies.index(policy) % len(COLOURS)]
            )
            y += ROW
    return "\n".join([*out, "</svg>", ""])


def _row(y: int, label: str, lap: Lap, colour: str) -> list[str]:
    out = [f'<text x="{MARGIN - 8}" y="{y + 4}" text-anchor="end">{label}</text>']
    if lap.times:
        mean, tail = _x(lap.mean), _x(lap.quantile(0.95))
        out += [
            f'<line x1="{mean:.0f}" y1="{y}" x2="{tail:.0f}" y2="{y}"',
            f' stroke="{colour}" stroke-width="3"/>',
            f'<circle cx="{mean:.0f}" cy="{y}" r="4" fill="{colour}"/>',
        ]
    share = f'<text x="{MARGIN + WIDTH + 12}" y="{y + 4}" fill="{colour}">{lap.share:.3f}</text>'
    return [*out, share]
