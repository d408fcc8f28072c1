"""What a bulk job costs: rows a second against `abatch`, and memory over a million rows.

    python benchmarks/bulk.py [--rows 5000] [--million]

All models are simulated, on a virtual clock, so only our own work takes time.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from langchain_core.language_models import LanguageModelInput

from freerouter_core.client.bulk.job_store import Finished, Wish, Worker
from freerouter_core.client.bulk.open_job import open_job
from freerouter_core.client.bulk.rows import read_rows
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

PORTION = 1_000


def rates(rows: int, folder: Path) -> None:
    """Rows a second without limits: `abatch` of LangChain, and a job."""
    world = World([SimModel("a/x:free"), SimModel("b/x:free")])
    router = world.router()
    llm = ChatFreeRouter(router=router)
    texts: list[LanguageModelInput] = [f"Question {n}" for n in range(rows)]
    asyncio.run(llm.abatch(texts[:50]))
    began = time.process_time()
    asyncio.run(llm.abatch(texts, config={"max_concurrency": 64}))
    batch = time.process_time() - began
    began = time.process_time()
    done = sum(1 for _ in router.bulk([f"Row {n}" for n in range(rows)], folder / "rate.job"))
    job = time.process_time() - began
    assert done == rows
    print(f"abatch {rows / batch:,.0f} rows a second of CPU, bulk {rows / job:,.0f}")
    print(f"bulk takes {job / batch:.2f} of abatch, and keeps every row in a file")


def million(folder: Path, rows: int = 1_000_000) -> None:
    """The peak of memory while so many rows go through a job's store."""
    store, worker = open_job(str(folder / "million.job")), Worker.new()
    source = read_rows((f"Question {n}" for n in range(rows)), None)
    after, before = 0, _peak()
    for start in range(0, rows, PORTION):
        store.add([row for row, _ in zip(source, range(PORTION), strict=False)], "refuse")
        claimed = store.exchange(worker, (), Wish(tasks=PORTION), 1.0).claimed
        finished = [Finished(task=c.task, state="done", record='{"answer": {}}') for c in claimed]
        ended = store.exchange(worker, finished, Wish(after=after, rows=PORTION), 1.0).ended
        after = ended[-1].turn
        if start * 4 % rows == 0:
            print(f"{start:9,} rows: {_peak() - before:6.1f} MB more than before")
    print(f"{rows:9,} rows: {_peak() - before:6.1f} MB more than before")
    store.close()


def _peak() -> float:
    """MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--million", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.million:
            million(Path(folder))
        else:
            rates(options.rows, Path(folder))


if __name__ == "__main__":
    main()
