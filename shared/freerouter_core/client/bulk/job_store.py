"""`JobStore`: where a job is kept. What every store of a job can do, and in which terms.

A *row* is a place in the input. A *task* is a request that one or more rows ask: equal rows have
one task, which is asked once. A task is leased to one worker at a time. A worker's leases end with
its process, or a while after it was last heard of. A row gets a place in the order of ends, its
`turn`, once its task is done or has failed for good.

All of this may wait for a disk or a server, so it runs on a thread of its own (`work.py`).
"""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

from ...catalogue.counts import count_words
from ...errors import BadSetting
from .rows import Row

FORMAT = 1
"""Of files and keys. Another number is not opened."""
LEASE = 900.0
"""Seconds after which the tasks of a worker that is not heard of are given to others. On the same
machine, they are once its process has ended."""
RENEWAL = 300.0
"""Seconds after which a worker tells that it lives."""

Changed = Literal["refuse", "merge"]
"""What to do with an input that changed since the job began."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that this worker may ask now. `input`: the request as JSON. `tries`: so far."""

    task: int
    input: str
    tries: int
    trail: str = ""
    """The attempts of earlier tries, as JSON; empty: there were none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a try of a task ended.

    Attributes:
        task: the task.
        state: "done", "failed" (for good), or "open" (to be tried again).
        record: answer, metadata and error as JSON.
        text: the text of the answer.
        model: who answered.
        provider: whose model that is.
        usage: tokens, as JSON.
        trail: the attempts of all tries, as JSON.
        error: why it failed.
        tries: how often it was tried.
        due: when it may be tried again, unix seconds.
    """

    task: int
    state: Literal["done", "failed", "open"]
    record: str = ""
    text: str | None = None
    model: str = ""
    provider: str = ""
    usage: str = ""
    trail: str = ""
    error: str | None = None
    tries: int = 0
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A row whose task has ended. `turn`: its place in the order of ends."""

    turn: int
    number: int
    id: str | None
    record: str
    trail: str
    tries: int
    data: str

    @property
    def size(self) -> int:
        """How much of a buffer it takes."""
        return 64 + len(self.record) + len(self.trail) + len(self.data)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows there are, and what became of them.

    `complete`: whether the input was read to its end. `unfinished`: tasks that have not ended.
    """

    rows: int = 0
    done: int = 0
    failed: int = 0
    complete: bool = False
    unfinished: int = 0

    @property
    def left(self) -> int:
        """Rows that have not ended."""
        return self.rows - self.done - self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a worker wants besides handing in what it has finished.

    Attributes:
        tasks: how many tasks to lease.
        after: from where on to read ended rows: a turn, or a number with `given`; None: none.
        rows: how many of them.
        given: whether they are read in the order of the input.
        part: the part of all tasks that it works on, and of how many parts.
        fresh: whether tasks that have not failed yet come first, and not those that are due again.
    """

    tasks: int = 0
    after: int | None = None
    rows: int = 0
    given: bool = False
    part: tuple[int, int] = (0, 1)
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a worker got.

    Attributes:
        claimed: tasks that are now its own.
        ended: rows that have ended.
        counts: of the whole job.
        left: whether a task of its part has not ended.
        due: when a task of its part may be tried that may not be now, unix seconds; None: none.
    """

    claimed: list[Claimed] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    left: bool = False
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """One process that works on a job. `host` and `pid` tell others of its machine if it lives."""

    name: str
    host: str
    pid: int

    @classmethod
    def new(cls) -> Worker:
        """This process, under a new name."""
        return cls(uuid.uuid4().hex, _host(), os.getpid())

    def ended(self, host: str, pid: int) -> bool:
        """Whether the worker of that process is known to be dead."""
        return host == self.host and not _lives(pid)


class JobStore(Protocol):
    """A job's rows and what became of them. Raises `JobFailed` if it cannot be used."""

    def begun(self) -> bool:
        """Whether there is such a job. Makes nothing."""

    def open(self) -> Mapping[str, str]:
        """What `put` stored."""

    def put(self, values: Mapping[str, str]) -> None:
        """Store settings of the job, by name."""

    def add(self, rows: Sequence[Row], changed: Changed, before: int = 0) -> Counts:
        """Add rows that are not in the job yet. `before`: how many it had when its input began to
        be read. Raises `BadSetting`, and adds none of them, for one that has changed or is new and
        may not, and for a second one with the same id."""

    def close_input(self, rows: int, changed: Changed) -> Counts:
        """The input ended after so many rows. Raises `BadSetting` if the job has more, and may
        not."""

    def exchange(
        self, worker: Worker, finished: Sequence[Finished], wish: Wish, now: float
    ) -> Granted:
        """Hand in what was finished and get what is wished for, in one step. The first end of a
        task counts; a later one changes nothing."""

    def renew(self, worker: Worker, now: float) -> None:
        """The worker lives; those that do not lose their leases."""

    def release(self, worker: Worker) -> None:
        """The worker leaves: its leases end."""

    def counts(self) -> Counts:
        """How many rows there are."""

    def retry_failed(self) -> int:
        """Open all failed tasks again. Returns how many rows that are."""

    def close(self) -> None:
        """Close files and connections."""


def check_ids(rows: Iterable[Row]) -> None:
    """Raise `BadSetting` if two of these rows have the same id."""
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise same_id(row.id)
        if row.id is not None:
            seen.add(row.id)


def refusal(
    row: Row, known: tuple[int, str | None, bytes] | None, before: int, *, complete: bool
) -> BadSetting | None:
    """Why a row is refused by a job whose input may not change; None: it is not.

    `known`: number, id and hash of the job's row in its place; None: there is none. `before`: how
    many rows the job had when its input began to be read. `complete`: whether an input was read to
    its end before. Known rows may come in another order.
    """
    if known is None:
        return new_row(row.name) if complete or row.number < before else None
    number, ident, digest = known
    if row.id is not None and number != row.number and max(number, row.number) >= before:
        return same_id(row.id)
    return None if digest == row.hash and ident == row.id else changed_row(row.name)


def check_count(rows: int, known: int, changed: Changed) -> None:
    """Raise `BadSetting` if an input of so many rows does not fit a job that has `known` now."""
    if rows > known:
        raise BadSetting(
            f"{count_words(rows - known, 'row')} of the input have the id of another row",
            hint=_OWN_IDS,
        )
    if rows < known and changed == "refuse":
        raise BadSetting(
            f"the input has {count_words(rows, 'row')}, and the job {known:,}",
            hint='changed="merge" keeps the others; another file begins a new job',
        )


def changed_row(name: str) -> BadSetting:
    """The error for a row that is not what it was when the job began."""
    return BadSetting(f"{name} is not what it was when this job began", hint=_MERGE)


def new_row(name: str) -> BadSetting:
    """The error for a row that was not in the input when the job began."""
    return BadSetting(f"{name} was not in the input when this job began", hint=_MERGE)


def same_id(ident: str) -> BadSetting:
    """The error for an id that two rows of one input have."""
    return BadSetting(f"two rows have the id {ident!r}", hint=_OWN_IDS)


_MERGE = (
    'changed="merge" asks what changed or is new, and keeps the rest; another file begins a new job'
)
_OWN_IDS = "give each row an id of its own, or none: then it is told by its place"


@lru_cache(maxsize=1)
def _host() -> str:
    """This machine since its start, and the space of its process numbers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("|".join(parts).encode(), digest_size=8).hexdigest()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError, UnicodeDecodeError):
        return False
