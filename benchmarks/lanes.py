"""What interactive callers notice of a background job: drawn worlds with and without one.

    python benchmarks/lanes.py [--draws 20] [--first 0] [--held-out] [--lane background] [--each]

Each world of `benchmarks/race` is lived twice with the same luck. In the second life a job of
10,000 rows runs beside it, sixteen at a time. Printed are the callers' seconds (95th percentile and
mean), the share answered, and the rows done meanwhile. A caller who got nothing counts as the
deadline. `--lane interactive` shows what the job would do in their lane.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "race"))

from draws import draw
from draws import seeds as draw_seeds
from lives import Life, live, tune
from policies import POLICIES, Ask, Network, Policy, ours, providers
from scene import Call, Scene

from freerouter_core import ChatRequest, Router
from freerouter_core.errors import FreeRouterError
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.request import Lane

ROWS, AT_ONCE = 10_000, 16
"""Rows of the job, and how many are asked at once."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One world without the job, and with it."""

    seed: int
    without: list[float]
    """Seconds of each caller; the deadline, if there was no answer."""
    beside: list[float]
    answered: tuple[int, int]
    rows: int
    refused: tuple[int, int]

    @property
    def ratio(self) -> float:
        return p95(self.beside) / p95(self.without)

    def __str__(self) -> str:
        return (
            f"| {self.seed} | {len(self.without)} | {p95(self.without):.2f} | "
            f"{p95(self.beside):.2f} | {self.ratio:.2f} | "
            f"{statistics.fmean(self.without):.2f} | {statistics.fmean(self.beside):.2f} | "
            f"{self.answered[0]} | {self.answered[1]} | {self.rows} | {self.refused} |"
        )


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def with_job(lane: Lane, done: list[int]) -> Policy:
    """Callers of ours, and beside them a job in that lane. Rows that are done go to `done`."""

    def enter(scene: Scene, runtime: Runtime, network: Network) -> Ask:
        ask = ours()(scene, runtime, network)
        router = Router(providers=providers(scene), runtime=runtime, lane=lane)
        left = iter(range(ROWS))
        workers: list[asyncio.Task[None]] = []

        async def work() -> None:
            for row in left:
                request = ChatRequest.of(f"Label this in 40 words. #{1_000_000 + row}")
                while True:
                    try:
                        await router.achat(request)
                        done.append(row)
                        break
                    except FreeRouterError as error:
                        wait = getattr(error, "retry_after", None)
                        await asyncio.sleep(min(max(wait or 5.0, 1.0), 600.0))

        async def beside(call: Call) -> bool:
            if not workers:
                workers.extend(asyncio.create_task(work()) for _ in range(AT_ONCE))
            return await ask(call)

        return beside

    return enter


def compared(seed: int, lane: Lane, lives: int, settings: Sequence[str]) -> Pair:
    """Both lives of a world."""
    tune(settings)
    done: list[int] = []
    POLICIES["with a job"] = with_job(lane, done)
    alone, beside = (
        [live(replace(draw(seed), seed=seed + 7_919 * luck), policy) for luck in range(lives)]
        for policy in ("ours", "with a job")
    )
    return Pair(
        seed,
        [result.seconds for life in alone for result in life.results],
        [result.seconds for life in beside for result in life.results],
        (sum(map(answered, alone)), sum(map(answered, beside))),
        len(done),
        (sum(map(refused, alone)), sum(map(refused, beside))),
    )


def answered(life: Life) -> int:
    return sum(result.answered for result in life.results)


def refused(life: Life) -> int:
    return life.lap().refusals


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--draws", type=int, default=20)
    add("--first", type=int, default=0, help="the first seed")
    add("--held-out", action="store_true", help="draw those that nobody tunes on")
    add("--lane", default="background", choices=("background", "interactive"))
    add("--each", action="store_true", help="also print a line for each world")
    add("--lives", type=int, default=1, help="lives of each world, with other luck")
    add("--jobs", type=int, default=2, help="processes")
    add("--set", nargs="*", default=[], metavar="routing.lanes.CALM=0.3", help="try constants")
    options = parser.parse_args()
    seeds = draw_seeds(options.draws, options.first, secret=options.held_out)
    n = len(seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        pairs = list(
            pool.map(compared, seeds, [options.lane] * n, [options.lives] * n, [options.set] * n)
        )
    if options.each:
        print(
            "| draw | calls | p95 | beside | ratio | mean | beside "
            "| answered | beside | rows | refused |"
        )
        print("|" + "---|" * 11)
        print(*pairs, sep="\n")
    ratios = sorted(pair.ratio for pair in pairs)
    means = [statistics.fmean(p.beside) / statistics.fmean(p.without) for p in pairs]
    print(
        f"{n} worlds: p95 times {statistics.geometric_mean(ratios):.2f} "
        f"(median {statistics.median(ratios):.2f}, nine in ten under {ratios[int(0.9 * n)]:.2f}, "
        f"worst {ratios[-1]:.2f}), within 1.1 in {sum(r <= 1.1 for r in ratios)}; "
        f"mean times {statistics.geometric_mean(means):.2f}; "
        f"answered {sum(p.answered[0] for p in pairs)} and {sum(p.answered[1] for p in pairs)}; "
        f"rows {sum(p.rows for p in pairs)}"
    )


if __name__ == "__main__":
    main()
