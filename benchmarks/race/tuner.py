"""Where the constants of the core come from: each is tried lower and higher over drawn worlds.

    python benchmarks/race/tuner.py [--draws 100] [--first 1000] [--only hedge …]
    python benchmarks/race/tuner.py --search SEED …

A constant keeps its default unless another value makes callers' mean cost smaller by more than
`GAIN`, and does so again over as many worlds that were not looked at before. Otherwise a difference
is luck: among forty values tried, some are always better by chance.

`--search` takes single worlds and looks for the best constants for each of them alone, at random.
What is found there knows its world in advance. It shows how much other constants could win at most.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from random import Random

from bound import bound
from draw_table import lived
from draws import draw, seeds
from lives import START, tune
from table import geometric_mean

GAIN = 0.01
"""The part by which a mean cost must fall before it is taken for more than luck."""

SWEPT: dict[str, tuple[float, float]] = {
    "routing.rank.REQUEST_COST": (0.1, 2.0),
    "routing.rank.UNCERTAINTY": (0.2, 1.2),
    "routing.rank.OPTIMISM": (0.0, 1.0),
    "routing.rank.HALF_EXPLORATION": (0.5, 8.0),
    "routing.rank.NO_JSON_CHANCE": (0.25, 1.0),
    "routing.availability.UP_SECONDS": (200.0, 1_800.0),
    "routing.availability.DOWN_SECONDS": (50.0, 450.0),
    "routing.availability.TIMES_WEIGHT": (0.4, 2.5),
    "routing.availability.NOISE": (0.02, 0.15),
    "routing.availability.NOISE_WEIGHT": (1.5, 12.0),
    "routing.availability.HALF_LIFE": (900.0, 14_400.0),
    "routing.worth.ATTEMPT_SHARE": (0.01, 0.1),
    "routing.worth.DELAY_FACTOR": (0.7, 6.0),
    "routing.worth.SURE_ENOUGH": (0.3, 0.9),
    "routing.congestion.DENIAL": (0.1, 0.6),
    "routing.congestion.DENIED_SECONDS": (10.0, 60.0),
    "routing.congestion.MAX_DELAY": (10.0, 90.0),
    "routing.timings.POOL_WEIGHT": (0.03, 0.3),
    "routing.timings.SUCCESS_WEIGHT": (0.02, 0.15),
    "routing.timeouts.FAILED": (0.8, 0.97),
    "routing.timeouts.MIN_SOFT_WHOLE": (1.0, 4.0),
    "routing.hedge.HEDGE_PRICE": (0.05, 0.8),
    "routing.hedge.PLACE_SHARE": (0.03, 0.3),
    "routing.hedge.UNKNOWN_SPREAD": (0.3, 1.2),
    "routing.hedge.FIRST_LOOK": (0.05, 1.0),
    "routing.hedge.HEDGE_SHARE": (0.05, 1.0),
    "routing.engine.RERANK_AFTER": (0.2, 10.0),
    "routing.turn.NEWER": (1.0, 20.0),
    "routing.adaptive_limits.TOLD_GROWTH": (60.0, 600.0),
}
"""Constants of the core, with a value well below each default and one well above."""


def default_of(name: str) -> float:
    module, _, constant = name.rpartition(".")
    return float(getattr(importlib.import_module(f"freerouter_core.{module}"), constant))


def cost_of(seed: int, lives: int, settings: Sequence[str]) -> float:
    """The mean cost of a call in a drawn world, over some lives of it."""
    tune([f"{name}={default}" for name, default in DEFAULTS.items()])
    tune(settings)
    return statistics.fmean(lived(seed, "ours", lives).costs)


def costs_of(
    pool: ProcessPoolExecutor, chosen: Sequence[int], settings: Sequence[str]
) -> list[float]:
    n = len(chosen)
    return list(pool.map(cost_of, chosen, [1] * n, [settings] * n, chunksize=4))


def ratio(ours: Sequence[float], base: Sequence[float]) -> float:
    return geometric_mean(mine / other for mine, other in zip(ours, base, strict=True))


def sweep(draws: int, first: int, jobs: int, only: Sequence[str]) -> None:
    """Try every constant, and whatever seems better once more in other worlds. `only`: parts of the
    names of those to try; empty: all."""
    seen, fresh = seeds(draws, first), seeds(draws, first + 2 * draws)
    print("| constant | default | tried | cost | again, in other worlds |")
    print("|---|---|---|---|---|")
    with ProcessPoolExecutor(jobs) as pool:
        base, base_again = costs_of(pool, seen, []), costs_of(pool, fresh, [])
        for name, values in SWEPT.items():
            if only and not any(part in name for part in only):
                continue
            for value in values:
                settings = [f"{name}={value}"]
                change, again = ratio(costs_of(pool, seen, settings), base), ""
                if change < 1.0 - GAIN:
                    again = f"{ratio(costs_of(pool, fresh, settings), base_again):.3f}"
                default = DEFAULTS[name]
                print(
                    f"| `{name}` | {default:g} | {value:g} | {change:.3f} | {again} |", flush=True
                )


def search(chosen: Sequence[int], tries: int, jobs: int) -> None:
    """The best constants for single worlds: each is drawn between its lower and higher value."""
    rng = Random(0)
    policies = [
        [f"{n}={_between(rng, *values)}" for n, values in SWEPT.items()] for _ in range(tries)
    ]
    print("| draw | ours | best found | clairvoyant |")
    print("|---|---|---|---|")
    with ProcessPoolExecutor(jobs) as pool:
        for seed in chosen:
            n = len(policies)
            ours = cost_of(seed, 3, [])
            found = min(pool.map(cost_of, [seed] * n, [3] * n, policies, chunksize=2))
            print(
                f"| {seed} | {ours:.2f} | {min(ours, found):.2f} | {_bound(seed):.2f} |", flush=True
            )


def _between(rng: Random, low: float, high: float) -> float:
    low = max(low, high / 100.0)
    return low * math.exp(rng.random() * math.log(high / low))


def _bound(seed: int) -> float:
    """The clairvoyant's mean cost."""
    scene = draw(seed)
    times = bound(scene, START)
    lost = sum(sorted(call.deadline for call in scene.calls)[: len(scene.calls) - len(times)])
    return (sum(times) + lost) / len(scene.calls)


DEFAULTS = {name: default_of(name) for name in SWEPT}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--draws", type=int, default=100, help="worlds that each value is tried in")
    add("--first", type=int, default=1_000, help="the first seed")
    add("--only", nargs="*", default=[], help="parts of the names of constants to try")
    add("--search", type=int, nargs="*", metavar="SEED", help="single worlds")
    add("--tries", type=int, default=60, help="sets of constants that are tried in a single world")
    add("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    if options.search is not None:
        search(options.search, options.tries, options.jobs)
    else:
        sweep(options.draws, options.first, options.jobs, options.only)


if __name__ == "__main__":
    main()
