"""The race on the virtual clock: hundreds of lives in minutes, ours through the whole core.

    python benchmarks/race/virtual.py [--seeds 30] [--worlds calm storm …] [--policies ours …]
    python benchmarks/race/virtual.py --draws 200 [--held-out] [--each]
    python benchmarks/race/virtual.py --trace SEED

Without more, the eight named worlds: a line of Markdown for each world and policy. It states the
share answered, of what a clairvoyant could answer; seconds (mean, p95); attempts an answer; and
requests that an account refused. `--sweep` tries the constants of the core.

`--draws` takes worlds drawn at random instead, and compares the first policy with the second.
`--trace` prints one of them call by call.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bound import bound
from draw_table import Pair, compared, distribution, each, table
from draw_trace import trace
from draws import seeds as draw_seeds
from lives import POLICIES, START, live, tune
from table import Lap, Results, compare, header, line, plot, ratios
from worlds import SCENES, scene

SWEPT = {
    "routing.rank.REQUEST_COST": (0.1, 2.0),
    "routing.rank.UNCERTAINTY": (0.2, 1.2),
    "routing.rank.OPTIMISM": (0.0, 1.0),
    "routing.rank.HALF_EXPLORATION": (0.5, 8.0),
    "routing.health.HALF_LIFE": (900.0, 14_400.0),
    "routing.health.OUTCOME_HALF_LIFE": (30.0, 360.0),
    "routing.health.SUCCESS_WEIGHT": (0.3, 0.95),
    "routing.health.CHANCE_FAILURE": (0.05, 0.4),
    "routing.timings.POOL_WEIGHT": (0.03, 0.3),
    "routing.timeouts.LATE_DEVIATIONS": (2.0, 6.0),
    "routing.timeouts.MIN_SOFT": (2.5, 10.0),
    "routing.hedge.HEDGE_DEVIATIONS": (1.5, 4.0),
    "routing.hedge.HEDGE_SHARE": (0.0, 0.2),
    "routing.congestion.SCARCE_SECONDS": (100.0, 1_000.0),
    "routing.congestion.MAX_CONGESTION": (10.0, 100.0),
}
"""Constants of the core, with a value well below each default and one well above."""


def lap_of(world: str, seed: int, policy: str, settings: Sequence[str]) -> Lap:
    """One life of a named world."""
    if policy == "bound":
        return Lap.bound(bound(scene(world, seed), START))
    tune(settings)
    return live(scene(world, seed), policy).lap()


def run(
    pool: ProcessPoolExecutor, world: str, policy: str, seeds: range, settings: Sequence[str]
) -> Lap:
    """All seeds of a named world under a policy."""
    n = len(seeds)
    laps = pool.map(lap_of, [world] * n, seeds, [policy] * n, [settings] * n, chunksize=4)
    return Lap.sum(laps)


def race(options: argparse.Namespace) -> None:
    """The named worlds."""
    seeds = range(options.first, options.first + options.seeds)
    print(header())
    results: Results = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for world in options.worlds:
            laps = results.setdefault(world, {})
            for policy in options.policies:
                laps[policy] = run(pool, world, policy, seeds, options.set)
                print(line(world, policy, laps[policy]), flush=True)
    print(f"\n{options.seeds} seeds a world. {ratios(results, options.policies[0], 'afternoon')}")
    if options.plot:
        title = f"{options.seeds} seeds a world, virtual clock"
        Path(options.plot).write_text(plot(results, title), "utf-8")


def pair_of(seed: int, ours: str, theirs: str, settings: Sequence[str]) -> Pair:
    tune(settings)
    return compared(seed, ours, theirs)


def race_draws(options: argparse.Namespace) -> None:
    """Worlds drawn at random, two policies in each."""
    seeds = draw_seeds(options.draws, options.first, secret=options.held_out)
    ours, theirs = options.policies[:2]
    n = len(seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        arguments = seeds, [ours] * n, [theirs] * n, [options.set] * n
        pairs = list(pool.map(pair_of, *arguments, chunksize=2))
    print(*table(pairs), "", *distribution(pairs), sep="\n")
    if options.each:
        print("", *each(pairs), sep="\n")


def sweep(worlds: list[str], seeds: range, jobs: int) -> None:
    """Every constant lower and higher than its default: answers and times as ratios to it."""

    def laps_with(settings: list[str]) -> dict[str, Lap]:
        with ProcessPoolExecutor(jobs) as pool:  # a new one: constants stay set in a process
            return {world: run(pool, world, "ours", seeds, settings) for world in worlds}

    base = laps_with([])
    answered = sum(lap.answered for lap in base.values())
    print("| constant | default | tried | answered, % more or less | mean | p95 |")
    print("|---|---|---|---|---|---|")
    for name, values in SWEPT.items():
        module, _, constant = name.rpartition(".")
        default = getattr(importlib.import_module(f"freerouter_core.{module}"), constant)
        for value in values:
            laps = laps_with([f"{name}={value}"])
            more = 100.0 * (sum(lap.answered for lap in laps.values()) / answered - 1.0)
            results = {world: {"tried": laps[world], "base": base[world]} for world in worlds}
            mean, _, tail, _ = compare(results, "tried", "base") or (1.0,) * 4
            print(
                f"| `{name}` | {default:g} | {value:g} | {more:+.2f} | {mean:.3f} | {tail:.3f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seeds", type=int, default=30, help="lives of each named world")
    add("--first", type=int, default=0, help="the first seed")
    add("--worlds", nargs="*", default=list(SCENES), help="named worlds")
    names = ", ".join([*POLICIES, "bound"])
    add("--policies", nargs="*", default=["ours", "afternoon"], help=names)
    add("--draws", type=int, help="so many worlds drawn at random, instead of the named ones")
    add("--held-out", action="store_true", help="draw those that nobody tunes on")
    add("--each", action="store_true", help="also print a line for each draw")
    add("--trace", type=int, metavar="SEED", help="print a drawn world call by call")
    add("--jobs", type=int, default=2, help="processes")
    add(
        "--set", nargs="*", default=[], metavar="routing.rank.UNCERTAINTY=0.3", help="try constants"
    )
    add("--sweep", action="store_true", help="try every constant lower and higher")
    add("--plot", metavar="FILE.svg")
    options = parser.parse_args()
    began = time.monotonic()
    if options.trace is not None:
        tune(options.set)
        print(*trace(options.trace, *options.policies[:2]), sep="\n")
    elif options.draws:
        race_draws(options)
    elif options.sweep:
        seeds = range(options.first, options.first + options.seeds)
        sweep(options.worlds, seeds, options.jobs)
    else:
        race(options)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
