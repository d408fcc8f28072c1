"""`partition`: one of several parts of a job, for tasks of Dask, Ray or Spark."""

from __future__ import annotations

from ...errors import BadSetting
from .bulk import Bulk


def partition(job: Bulk, part: int, parts: int) -> Bulk:
    """One of `parts` parts of a job, numbered from 0, as a job of its own.

    Each task of a cluster works on one part; together they have every row once. If a task dies,
    its engine starts it again, and it goes on where it stood. Rows that are not in the job yet are
    not read: call `job.load()` first.

    Raises:
        BadSetting: there is no such part.
    """
    if not 0 <= part < parts:
        raise BadSetting(f"there is no part {part} of {parts}", hint="parts are numbered from 0")
    return job.part(part, parts)
