"""A job of `freerouter bulk`: where it is, how it was begun, and how to go on with it."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from itertools import combinations
from pathlib import Path

from ...client.bulk import Bulk
from ...client.bulk.job_file import APPLICATION
from ...client.bulk.open_job import is_server
from ...client.bulk.redis_problem import shown_location
from ...client.router import Router
from ...errors import BadSetting, FreeRouterError
from ...wire.json_values import parse_json
from ..bulk_files.columns import OWN

OF_THE_WORK = ("pace", "concurrency", "attempts", "stop_after")
"""Settings that say how a job is worked on, but not what its rows ask or where answers go."""
_LATER = {"input_format": "", "own_columns": json.dumps(OWN), **dict.fromkeys(OF_THE_WORK, "")}
"""Settings of jobs that were begun before these were kept."""
_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")
"""Names of a process's open files: each process has another behind them."""


def location_of(job: str) -> str:
    """The job that is meant: of that name, or of that output. Writes to no file.

    Raises:
        BadSetting: there is none, or the file is something else.
    """
    if is_server(job):
        return job
    beside = Path(f"{job}.job")
    path = beside if beside.exists() else Path(job).expanduser()
    hint = "name the job's file, or the output of a job that is kept beside it"
    if not path.exists():
        raise BadSetting(f"there is no job {job}", hint=hint)
    if not _is_job(path):
        raise BadSetting(f"{path.name} is not a job", hint=hint)
    return str(path)


def _is_job(path: Path) -> bool:
    address = f"{path.absolute().as_uri()}?mode=ro"  # else SQLite makes a database of an empty file
    try:
        with closing(sqlite3.connect(address, uri=True)) as db:
            mark = db.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.OperationalError:
        return True  # of the disk or of rights: whoever opens the job says so
    except sqlite3.DatabaseError:
        return False
    return bool(mark == APPLICATION)


def opened(location: str, settings: Mapping[str, str] | None = None) -> Bulk:
    """The job, to look at it."""
    schema = (settings or {}).get("schema")
    return Router().bulk(None, location, schema=parse_json(schema) if schema else None)


def settings_of(location: str) -> dict[str, str]:
    """How the command began the job. Raises `BadSetting` if it did not."""
    settings = opened(location).settings()
    if "input" not in settings:
        raise BadSetting(
            "this job was not begun by the command",
            hint="the program that began it goes on with it",
        )
    return _LATER | settings


def is_kept(location: str) -> bool:
    """Whether the command can go on with such a job."""
    try:
        settings_of(location)
    except FreeRouterError:
        return False
    return True


def check_files_differ(**files: Path | None) -> None:
    """Check that no file is overwritten by another. Raises `BadSetting`."""
    paths = [(what, path) for what, path in files.items() if path is not None]
    for (what, path), (other, other_path) in combinations(paths, 2):
        if path.resolve() == other_path.resolve() or _is_linked(path, other_path):
            raise BadSetting(
                f"the {other} would overwrite the {what}: both are {path}",
                hint="name another file",
            )


def check_is_rewritable(path: Path, *, with_job: bool) -> None:
    """Check that an output is a file, if it is there. Raises `BadSetting`. `with_job`: the job is
    kept elsewhere; then answers may go nowhere."""
    nowhere = with_job and path == Path(os.devnull)
    stream = path == Path("-") or str(path).startswith(_STREAMS)
    if stream or (path.exists() and not path.is_file() and not nowhere):
        raise BadSetting(
            "the output must be a file: it is written anew when the job goes on",
            hint="name one with -o; `freerouter bulk export` writes to standard output",
        )


def check_can_be_written(path: Path) -> None:
    """Check that an output can be opened, before anything is asked. Leaves what it holds."""
    if path.is_file():
        path.open("ab").close()
    elif not path.parent.is_dir():
        raise BadSetting(f"there is no folder {path.parent}", hint="make it, or name another file")


def _is_linked(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)


def file_of(location: str) -> Path | None:
    """The job's file. None: it is in Redis."""
    return None if is_server(location) else Path(location).expanduser()


def called(location: str, output: Path) -> str:
    """A job as the shell is told it: by its output, if it is kept beside that."""
    path = file_of(location)
    if path is None:
        return shlex.quote(shown_location(location))
    beside = Path(f"{output}.job").absolute()
    return shlex.quote(str(output if path.absolute() == beside else path.absolute()))
