"""Never lose, never redo: a job is killed at any moment, again and again, and loses nothing."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.client.bulk import bulk as bulk_module
from freerouter_core.client.bulk.job_file import JobFile
from freerouter_core.client.bulk.job_store import Changed, Counts, Finished, Granted, Wish, Worker
from freerouter_core.client.bulk.rows import Row
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.simulator.models import Phase

ROWS = [("same" if n % 10 == 9 else f"Question {n}") for n in range(60)]
UNEQUAL = len(set(ROWS))
IN_FLIGHT = 128 + 64
"""What a process may have asked and not committed: far more than there are rows here."""


class Dies(JobFile):
    """A job whose process dies at its `left`-th step: the step is done, and nothing after it."""

    left = 0

    def _dies(self) -> None:
        type(self).left -= 1
        if type(self).left < 0:
            raise errors.JobFailed("killed")

    def add(self, rows: Sequence[Row], changed: Changed, before: int = 0) -> Counts:
        self._dies()
        return super().add(rows, changed, before)

    def exchange(
        self, worker: Worker, finished: Sequence[Finished], wish: Wish, now: float
    ) -> Granted:
        self._dies()
        granted = super().exchange(worker, finished, wish, now)
        self._dies()
        return granted

    def renew(self, worker: Worker, now: float) -> None:
        self._dies()
        super().renew(worker, now)

    def release(self, worker: Worker) -> None:
        self._dies()
        super().release(worker)


def seeds(count: int) -> list[Any]:
    """A few in each run, the others in the marked group."""
    return [pytest.param(n, marks=[] if n < 6 else pytest.mark.slow) for n in range(count)]


@pytest.mark.parametrize("seed", seeds(100))
def test_killed_between_any_two_steps_it_loses_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = Random(seed)
    phases = [Phase(0.0, 1e9, "500", share=0.2)]
    accounts = [SimAccount("k", per_minute=20, per_day=25)]
    kept: dict[str, str] = {}
    with World([SimModel("a/x:free", phases=phases), SimModel("b/x:free")], accounts) as world:
        router = world.router(daily_cap=25)
        monkeypatch.setattr(bulk_module, "open_job", lambda location: Dies(Path(location)))
        for _ in range(rng.randrange(1, 6)):
            Dies.left = rng.randrange(1, 60)
            try:
                for result in router.bulk(ROWS, tmp_path / "a.job"):
                    assert kept.setdefault(result.id, result.text) == result.text
            except errors.JobFailed:
                world.clock.advance(1_000.0)  # its leases end: the process lives, so time must
        Dies.left = 1_000_000
        ended = {r.id: r.text for r in router.bulk(ROWS, tmp_path / "a.job") if r.ok}

    assert ended.keys() == {str(n) for n in range(len(ROWS))}
    assert ended.items() >= kept.items()  # what was seen is what it stays
    assert not [seen for seen in world.requests if seen.fate.startswith("account")]


def _life(path: str, log: str, started: float) -> None:
    """A process that works on a job on a virtual clock, and writes down what its world is asked."""
    from freerouter_core.runtime.loop.clock import VirtualClock

    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def says(body: Mapping[str, Any]) -> str:
        question = body["messages"][-1]["content"]
        os.write(file, (json.dumps(["asked", question]) + "\n").encode())
        return f"re: {question}"

    world = World([SimModel("a/x:free", says=says)], clock=VirtualClock(started))
    for result in world.router().bulk(ROWS, path):
        os.write(file, (json.dumps(["saw", result.id, result.text]) + "\n").encode())
    os.write(file, b'["end"]\n')


def written(log: Path) -> int:
    """How many lines a log has."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, 100, 10))
def test_kill_9_at_random_moments_loses_nothing(first: int, tmp_path: Path) -> None:
    """Ten jobs, each killed until it gets to its end."""
    spawner = multiprocessing.get_context("forkserver")
    spawner.set_forkserver_preload(["freerouter_core.simulator", __name__])
    kills = 0
    for seed in range(first, first + 10):
        rng, lives = Random(seed), 0
        path, log = tmp_path / f"{seed}.job", tmp_path / f"{seed}.log"
        while b'["end"]' not in (log.read_bytes() if log.exists() else b""):
            process = spawner.Process(target=_life, args=(str(path), str(log), 1.8e9 + lives))
            last_words = written(log) + rng.randrange(1, 60) if lives < 5 else math.inf
            process.start()
            lives += 1
            while process.is_alive() and written(log) < last_words:
                process.join(0.001)
            if process.is_alive():
                os.kill(int(process.pid or 0), signal.SIGKILL)
                kills += 1
                process.join()
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        asked = Counter(line[1] for line in lines if line[0] == "asked")
        saw = {(line[1], line[2]) for line in lines if line[0] == "saw"}
        assert {ident for ident, _ in saw} == {str(n) for n in range(len(ROWS))}
        assert len(saw) == len(ROWS)  # no answer that was seen ever changed
        assert max(asked.values()) <= lives
    assert kills >= 10
