"""The plot of drawn worlds: which share of them has a ratio to the rival below a value."""

from __future__ import annotations

import math
from collections.abc import Sequence

from draw_table import Pair

LEFT, TOP, WIDTH, HEIGHT = 50, 40, 560, 260
LOW, HIGH = 0.1, 4.0
"""The ratios at both ends of the logarithmic scale."""


def plot_draws(pairs: Sequence[Pair], title: str) -> str:
    """An SVG: two curves, our cost and our 95th percentile over the rival's."""
    right, bottom = LEFT + WIDTH, TOP + HEIGHT
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + 20}" height="{bottom + 40}"',
        ' font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="13" font-weight="bold">{title}</text>',
    ]
    for ratio in (0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 4.0):
        x, colour = f"{_x(ratio):.0f}", "#868e96" if ratio == 1.0 else "#dee2e6"
        out.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="{colour}"/>')
        out.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{ratio:g}</text>')
    for share in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0):
        y = f"{_y(share):.0f}"
        out.append(f'<line x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}" stroke="#dee2e6"/>')
        out.append(
            f'<text x="{LEFT - 6}" y="{float(y) + 4:.0f}" text-anchor="end">{share:.0%}</text>'
        )
    costs, tails = [pair.cost for pair in pairs], [pair.tail for pair in pairs]
    for n, (name, values, colour) in enumerate(
        (("mean cost", costs, "#0b7285"), ("95th percentile", tails, "#e8590c"))
    ):
        points = " ".join(
            f"{_x(value):.1f},{_y((place + 1) / len(values)):.1f}"
            for place, value in enumerate(sorted(values))
        )
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{LEFT + 10}" y="{TOP + 18 + 16 * n}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])


def _x(ratio: float) -> float:
    bounded = min(HIGH, max(LOW, ratio))
    return LEFT + WIDTH * math.log(bounded / LOW) / math.log(HIGH / LOW)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1.0 - share)
