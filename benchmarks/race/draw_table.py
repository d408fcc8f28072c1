"""What drawn worlds come to: a table by kind of world, and our ratios to a rival."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from draw_kinds import KINDS, kind_of
from draws import FAMILIES
from lives import live
from table import Lap, geometric_mean, quantile

OTHER_LUCK = 1_000_000
"""Added to a seed for each further life in its world."""
HEAD = (
    "kind of world",
    "draws",
    "cost",
    "worst tenth",
    "p95",
    "answered (theirs)",
    "attempts (theirs)",
    "refusals (theirs)",
    "worst draws",
)


@dataclass(frozen=True)
class Pair:
    """One drawn world, lived by us and by the rival."""

    seed: int
    kind: str
    ours: Lap
    theirs: Lap

    @property
    def cost(self) -> float:
        """Our mean cost over theirs."""
        return statistics.fmean(self.ours.costs) / statistics.fmean(self.theirs.costs)

    @property
    def tail(self) -> float:
        """Our 95th percentile of costs over theirs."""
        return quantile(self.ours.costs, 0.95) / quantile(self.theirs.costs, 0.95)


def compared(seed: int, ours: str, theirs: str, lives: int = 1, family: str = "all") -> Pair:
    """Both policies in the world of a seed. Each lives as often in fresh copies of it, each time
    with other luck."""
    return Pair(
        seed,
        kind_of(FAMILIES[family](seed)),
        lived(seed, ours, lives, family),
        lived(seed, theirs, lives, family),
    )


def lived(seed: int, policy: str, lives: int, family: str = "all") -> Lap:
    """So many lives of a policy in the world of a seed, together."""
    draw = FAMILIES[family]
    scenes = (replace(draw(seed), seed=seed + n * OTHER_LUCK) for n in range(lives))
    return Lap.sum(live(scene, policy).lap() for scene in scenes)


def table(pairs: Sequence[Pair]) -> Iterator[str]:
    """By kind of world, and all together. Ratios are geometric means over draws, ours to theirs."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    by_kind: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_kind[pair.kind].append(pair)
    for kind in KINDS:
        if by_kind[kind]:
            yield _row(kind, by_kind[kind])
    yield _row("**all**", pairs)


def _row(kind: str, pairs: Sequence[Pair]) -> str:
    ours, theirs = Lap.sum(p.ours for p in pairs), Lap.sum(p.theirs for p in pairs)
    worst = sorted(pairs, key=lambda pair: -pair.cost)
    tenth = worst[: max(1, len(worst) // 10)]
    cells = [
        kind,
        f"{len(pairs)}",
        f"{geometric_mean(pair.cost for pair in pairs):.2f}",
        f"{geometric_mean(pair.cost for pair in tenth):.2f}",
        f"{geometric_mean(pair.tail for pair in pairs):.2f}",
        f"{ours.share:.3f} ({theirs.share:.3f})",
        f"{_attempts(ours):.2f} ({_attempts(theirs):.2f})",
        f"{ours.refusals} ({theirs.refusals})",
        ", ".join(f"{pair.seed}: {pair.cost:.2f}" for pair in worst[:3]),
    ]
    return f"| {' | '.join(cells)} |"


def _attempts(lap: Lap) -> float:
    return lap.attempts / max(1, lap.answered)


def distribution(pairs: Sequence[Pair]) -> Iterator[str]:
    """How our ratios are spread over the draws."""
    costs, tails = [pair.cost for pair in pairs], [pair.tail for pair in pairs]
    points = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    yield f"| ratio | {' | '.join(f'{point:.0%} of draws below' for point in points)} | worst |"
    yield f"|{'---|' * (len(points) + 2)}"
    for name, values in (("cost", costs), ("p95", tails)):
        cells = [f"{quantile(values, point):.2f}" for point in points]
        yield f"| {name} | {' | '.join(cells)} | {max(values):.2f} |"
    worse = sum(cost > 1.05 for cost in costs) / len(costs)
    fewer = sum(pair.ours.answered < pair.theirs.answered for pair in pairs) / len(pairs)
    refused = sum(pair.ours.most_refusals > 1 for pair in pairs) / len(pairs)
    bound = statistics.median(pair.ours.share for pair in pairs)
    yield ""
    yield f"- cost worse by more than 5 %: {worse:.1%} of draws"
    yield f"- fewer answers than theirs: {fewer:.1%}"
    yield f"- more than one account refusal: {refused:.1%}"
    yield f"- answered, of the bound: {bound:.3f} in the median draw"


def each(pairs: Sequence[Pair]) -> Iterator[str]:
    """A line a draw, the worst first."""
    yield "| seed | kind of world | cost | p95 | answered | attempts | refusals |"
    yield f"|{'---|' * 7}"
    for pair in sorted(pairs, key=lambda pair: -pair.cost):
        ours, theirs = pair.ours, pair.theirs
        yield (
            f"| {pair.seed} | {pair.kind} | {pair.cost:.2f} | {pair.tail:.2f} "
            f"| {ours.answered} ({theirs.answered}) of {len(ours.costs)} "
            f"| {_attempts(ours):.2f} ({_attempts(theirs):.2f}) "
            f"| {ours.refusals} ({theirs.refusals}) |"
        )
