"""A job on a cluster that users have already: Dask, with one Redis for limits and rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import Limit, Provider, Router
from freerouter_core.client.bulk import Bulk, partition
from freerouter_core.simulator import SimAccount, SimModel, World

from ..conftest import Serve
from ..runtime.conftest import redis_server as redis_server

PER_MINUTE = 90
LATE = 5.0
"""Seconds by which a request may arrive after its share was taken, on a busy machine. So arrivals
are counted in a minute less that. Without one budget all rows would come within seconds."""
ROWS = [f"Question {n}" for n in range(120)]


def work(job: Bulk, part: int, parts: int) -> list[tuple[str, str | None]]:
    return [(result.id, result.error) for result in partition(job, part, parts)]


@pytest.mark.timeout(280)
def test_four_processes_of_dask_share_one_job_and_one_budget(
    serve: Serve, redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    dask: Any = distributed

    monkeypatch.setenv("FREEROUTER_STATE", redis_server)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    models = [SimModel("a/x:free", first_token=0.2), SimModel("b/x:free", first_token=0.2)]
    world: World[Any] = World(models, [SimAccount("sk-own", per_minute=None)], clock="real")
    limits = [Limit(requests=PER_MINUTE)]
    own = Provider("openrouter", serve(world), "sk-own", limits=limits)
    router = Router(providers=(own,), hedge="off")  # or a busy machine makes a second request
    # In the background lane it would leave most of each minute to interactive requests at first.
    job = router.bulk(ROWS, f"{redis_server}#labels", lane="interactive")
    assert job.load().rows == len(ROWS)

    with (
        dask.LocalCluster(
            n_workers=4, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        dask.Client(cluster) as client,
    ):
        tasks = [client.submit(work, job, part, 4) for part in range(4)]
        parts = client.gather(tasks)

    assert sorted(int(ident) for part in parts for ident, _ in part) == list(range(len(ROWS)))
    assert {error for part in parts for _, error in part} == {None}
    assert all(part for part in parts)
    assert Counter(seen.fate for seen in world.requests) == {"answer": len(ROWS)}
    arrivals = sorted(seen.at for seen in world.requests)
    later = zip(arrivals, arrivals[PER_MINUTE:], strict=False)
    assert all(end - start >= 60.0 - LATE for start, end in later)
    assert job.progress().finished
