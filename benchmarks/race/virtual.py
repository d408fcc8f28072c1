"""The race on the virtual clock: hundreds of lives in minutes, ours through the whole core.

    python benchmarks/race/virtual.py [--seeds 30] [--worlds calm storm …] [--policies ours …]
    python benchmarks/race/virtual.py --draws 200 [--lives 2] [--held-out] [--each] [--family …]
    python benchmarks/race/virtual.py --trace SEED

Without more, the eight named worlds: a line of Markdown for each world and policy. It states the
share answered, of what a clairvoyant could answer; seconds (mean, p95); attempts an answer; and
requests that an account refused.

`--draws` takes worlds drawn at random instead, and compares the first policy with the second.
`--trace` prints one of them call by call.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bound import bound
from draw_plot import plot_draws
from draw_table import Pair, compared, distribution, each, table
from draw_trace import trace
from draws import FAMILIES
from draws import seeds as draw_seeds
from lives import START, live, tune
from policies import POLICIES
from table import Lap, Results, header, line, plot, ratios
from worlds import SCENES, scene


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


def pair_of(
    seed: int, ours: str, theirs: str, lives: int, family: str, settings: Sequence[str]
) -> Pair:
    tune(settings)
    return compared(seed, ours, theirs, lives, family)


def race_draws(options: argparse.Namespace) -> None:
    """Worlds drawn at random, two policies in each."""
    seeds = draw_seeds(options.draws, options.first, secret=options.held_out)
    ours, theirs = options.policies[:2]
    n = len(seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        same = ours, theirs, options.lives, options.family, options.set
        pairs = list(pool.map(pair_of, seeds, *([one] * n for one in same), chunksize=2))
    print(*table(pairs), "", *distribution(pairs), sep="\n")
    if options.each:
        print("", *each(pairs), sep="\n")
    if options.plot:
        title = f"{n} drawn worlds, each lived {options.lives} times"
        Path(options.plot).write_text(plot_draws(pairs, title), "utf-8")


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
    add("--family", choices=list(FAMILIES), default="all", help="which worlds are drawn")
    add("--held-out", action="store_true", help="draw those that nobody tunes on")
    add("--each", action="store_true", help="also print a line for each draw")
    add("--trace", type=int, metavar="SEED", help="print a drawn world call by call")
    add("--jobs", type=int, default=2, help="processes")
    add(
        "--set", nargs="*", default=[], metavar="routing.rank.UNCERTAINTY=0.3", help="try constants"
    )
    add("--lives", type=int, default=1, help="lives in each drawn world, with other luck")
    add("--plot", metavar="FILE.svg")
    options = parser.parse_args()
    began = time.monotonic()
    if options.trace is not None:
        tune(options.set)
        print(*trace(options.trace, *options.policies[:2]), sep="\n")
    elif options.draws:
        race_draws(options)
    else:
        race(options)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
