"""What a race comes to: one row a world and policy, as Markdown, and the ratios to a rival over all worlds; and a plot."""

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


@dataclass
class Lap:
    """One life of one world, or several together (`worst`: the smallest share answered among them)."""

    answered: int = 0
    possible: int = 0
    times: list[float] = field(default_factory=list)
    attempts: int = 0
    refusals: int = 0
    worst: float = 1.0

    @property
    def share(self) -> float:
        return self.answered / max(1, self.possible)

    def add(self, other: Lap) -> None:
        self.worst = min(self.worst, other.share)
        self.answered += other.answered
        self.possible += other.possible
        self.times += other.times
        self.attempts += other.attempts
        self.refusals += other.refusals

    @classmethod
    def sum(cls, laps: Iterable[Lap]) -> Lap:
        total = cls()
        for lap in laps:
            total.add(lap)
        return total

    @property
    def mean(self) -> float:
        return statistics.fmean(self.times) if self.times else math.nan

    def quantile(self, share: float) -> float:
        times = sorted(self.times)
        return times[min(len(times) - 1, int(len(times) * share))] if times else math.nan

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


def header() -> str:
    return f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}"


def line(world: str, policy: str, lap: Lap) -> str:
    return f"| {world} | {policy} | {' | '.join(lap.row())} |"


def compare(results: Results, ours: str, rival: str) -> tuple[float, float, float, float] | None:
    """Geometric mean over the worlds of our mean time over the rival's, the worst of them; and the same of the 95th percentiles."""
    pairs = [
        (found[ours], found[rival])
        for found in results.values()
        if ours in found and rival in found
    ]
    means = [a.mean / b.mean for a, b in pairs if b.times and a.times]
    tails = [a.quantile(0.95) / b.quantile(0.95) for a, b in pairs if b.times and a.times]
    return (_geometric(means), max(means), _geometric(tails), max(tails)) if means else None


def ratios(results: Results, ours: str, rival: str) -> str:
    """The comparison in words."""
    found = compare(results, ours, rival)
    if found is None:
        return ""
    mean, worst_mean, tail, worst_tail = found
    return f"{ours} over {rival}: mean {mean:.2f} x (worst world {worst_mean:.2f}), p95 {tail:.2f} x (worst world {worst_tail:.2f})"


def _geometric(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


def plot(results: Results, title: str) -> str:
    """An SVG: for each world and policy a dot at the mean and a line to the 95th percentile, seconds on a logarithmic scale, and the
    share answered beside it."""
    colours = [
        "#0b7285",
        "#e8590c",
        "#5f3dc4",
        "#2b8a3e",
        "#c2255c",
        "#868e96",
        "#1864ab",
        "#d9480f",
        "#495057",
        "#087f5b",
        "#a61e4d",
    ]
    policies = list(dict.fromkeys(policy for found in results.values() for policy in found))
    rows = [
        (world, policy, lap) for world, found in results.items() for policy, lap in found.items()
    ]
    height, left, width = 14 * len(rows) + 10 * len(results) + 60, 210, 520
    scale = lambda seconds: left + width * math.log(max(seconds, 0.5) / 0.5) / math.log(120)  # noqa: E731
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="13" font-weight="bold">{title}</text>',
    ]
    for tick in (0.5, 1, 2, 5, 10, 20, 60):
        x = scale(tick)
        out.append(f'<line x1="{x:.0f}" y1="30" x2="{x:.0f}" y2="{height - 20}" stroke="#dee2e6"/>')
        out.append(f'<text x="{x:.0f}" y="{height - 6}" text-anchor="middle">{tick:g} s</text>')
    y, last = 38, ""
    for world, policy, lap in rows:
        if world != last:
            y += 10
            last = world
        colour = colours[policies.index(policy) % len(colours)]
        out.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{world}: {policy}</text>')
        if lap.times:
            mean, tail = scale(lap.mean), scale(lap.quantile(0.95))
            out.append(
                f'<line x1="{mean:.0f}" y1="{y}" x2="{tail:.0f}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
            )
            out.append(f'<circle cx="{mean:.0f}" cy="{y}" r="4" fill="{colour}"/>')
        out.append(
            f'<text x="{left + width + 12}" y="{y + 4}" fill="{colour}">{lap.share:.3f}</text>'
        )
        y += 14
    return "\n".join([*out, "</svg>", ""])
