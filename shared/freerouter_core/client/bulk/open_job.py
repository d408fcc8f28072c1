"""`open_job`: the store of a job, by its location."""

from __future__ import annotations

from pathlib import Path

from ...errors import BadSetting, forgets_locals
from .job_file import JobFile
from .job_redis import RedisJob
from .job_store import JobStore


def is_server(location: str) -> bool:
    """Whether a job is kept by a server, and not in a file."""
    return location.startswith(("redis://", "rediss://", "unix://"))


@forgets_locals  # an address may hold a password
def open_job(location: str) -> JobStore:
    """The store of a job at a path, or at `redis://host:port/0#name`. Opens nothing yet."""
    if is_server(location):
        url, _, name = location.partition("#")
        if not name:
            raise BadSetting(
                "a job in Redis needs a name", hint="write it after the address: redis://…/0#labels"
            )
        return RedisJob(url, name)
    return JobFile(Path(location).expanduser())
