"""`python benchmarks/proof`: runs of a hostile world on virtual time, and what breaks a law.

python benchmarks/proof --seed 7         replays one run; of an offending request, the journal
python benchmarks/proof --seconds 600    as many seeds as that takes
python benchmarks/proof --seeds 0 400    these (CI does this)
python benchmarks/proof --report         with a table of what was met
python benchmarks/proof --planted        with faults planted in the core, all of which are found
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of texts is part of a run
    sys.exit(
        subprocess.call([sys.executable, *sys.argv], env={**os.environ, "PYTHONHASHSEED": "0"})
    )

from checker import check
from history import History
from life import Life
from planted import PLANTS
from scene import Scene, draw

MOST_RUNS = 150
"""Runs in which a planted fault must show."""
SHOWN = 3
"""Violations of a run whose journals are printed."""


def replay(seed: int, *, verbose: bool) -> tuple[Scene, History, int]:
    """One run. Prints what broke a law, with the journal of the request. Returns how many did."""
    scene = draw(seed)
    history = Life(scene, keep_lines=verbose).run()
    violations = check(scene, history)
    if verbose:
        print(f"{scene.store}, {scene.processes} processes, {len(scene.calls)} calls")
        print("\n".join(history.lines or ()))
        print(f"hash {history.hash}")
    for violation in violations[:SHOWN]:
        print(f"\nseed {seed}: {violation.law}: {violation.what} (call {violation.call})")
        process, journal = history.journals.get(violation.call, ("", None))
        if journal is not None:
            print(f"  in {process}, which began at {journal.started:.3f}")
            print("\n".join(f"  {line}" for line in journal.render()))
    return scene, history, len(violations)


def find_planted() -> int:
    """Plant each fault, and run seeds until its law is named. Returns how many were missed."""
    missed = 0
    for name, plant in PLANTS.items():
        for seed in (plant.seed, *range(MOST_RUNS)):
            with plant.planted():
                scene = draw(seed)
                laws = {violation.law for violation in check(scene, Life(scene).run())}
            if plant.law in laws:
                print(f"{name}: {plant.law} (seed {seed})", flush=True)
                break
        else:
            missed += 1
            print(f"{name}: NOT FOUND")
    return missed


class Report:
    """What all runs met."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.days = 0.0
        self.failed: list[int] = []
        self.hashes: list[str] = []

    def add(self, scene: Scene, history: History, violations: int) -> None:
        self.days += history.elapsed / 86_400
        self.counts["runs"] += 1
        self.hashes.append(history.hash)
        self.counts[f"runs with {scene.store}"] += 1
        self.counts["processes"] += scene.processes + len(scene.kills)
        self.counts["requests sent"] += len(history.arrivals)
        self.counts.update(f"calls {ending.end}" for ending in history.endings)
        self.counts.update(f"troubles: {trouble.kind}" for trouble in history.troubles)
        self.counts["kills"] += len(scene.kills)
        if violations:
            self.failed.append(scene.seed)

    def line(self) -> str:
        minutes = (time.monotonic() - self.began) / 60
        return (
            f"{self.counts['runs']} runs, {self.counts['requests sent']} requests, "
            f"{self.days:.1f} simulated days in {minutes:.1f} min "
            f"({self.days / minutes:.1f} days a minute); hash {self.hash}; "
            f"failed: {self.failed or 'none'}"
        )

    @property
    def hash(self) -> str:
        """The same for the same runs."""
        return sha256("".join(self.hashes).encode()).hexdigest()[:16]

    def table(self) -> str:
        return "\n".join(f"| {name} | {count:,} |" for name, count in sorted(self.counts.items()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/proof")
    parser.add_argument("--seed", type=int, help="replay one run, line by line")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "END"))
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("--report", action="store_true", help="print a table of what was met")
    parser.add_argument("--planted", action="store_true", help="show that faults are found")
    arguments = parser.parse_args()
    if arguments.planted:
        return 1 if find_planted() else 0
    report = Report()
    if arguments.seed is not None:
        report.add(*replay(arguments.seed, verbose=True))
        return 1 if report.failed else 0
    seeds: Iterable[int] = range(*arguments.seeds) if arguments.seeds else itertools.count()
    for seed in seeds:
        report.add(*replay(seed, verbose=False))
        if not arguments.seeds and time.monotonic() - report.began > arguments.seconds:
            break
    if arguments.report:
        print(report.table())
    print(report.line())
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
