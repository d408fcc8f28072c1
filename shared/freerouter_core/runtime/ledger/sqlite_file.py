"""`SqliteFile`: a file of SQLite for all processes of a machine, in WAL mode, safe against crashes.

SQLite is called on a thread of its own, never on the loop. A file that is not a database any more
is set aside, and a new one is begun. But a wrong path may name anything of the user's: a file whose
name does not say that it is ours is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from ..loop.os_threads import new_lock
from .store import StoreFailed
from .worker_thread import WorkerThread

T = TypeVar("T")
BUSY_TIMEOUT = 0.025
"""Seconds of each try to get the file's lock. A transaction takes a fraction of a millisecond."""
MAX_TRIES = 8
"""Tries to get the lock before the file counts as failed."""
_HEADER = b"SQLite format 3\0"
"""What every database begins with."""
FORK_TIMEOUT = 1.0
"""Seconds a fork waits for the transaction under way."""


class SqliteFile:
    """The file at `path`. What is in it belongs to who derives from this.

    Attributes:
        schema: creates the tables, unless they are there.
        own_name: the ending of a file's name that says that nobody else wrote it.
        thread_name: the name of the thread.
    """

    schema: ClassVar[str]
    own_name: ClassVar[str]
    thread_name: ClassVar[str]

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._worker: WorkerThread | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened_file: tuple[int, int] | None = None
        self._abandoned: list[object] = []
        """Connections and threads of a parent process. Kept, so that no destructor touches them."""
        self._lock = new_lock()
        """Held during a transaction, and over a fork."""
        self._paused = False
        _files.add(self)

    def forget(self) -> None:
        self._abandoned += [self._connection, self._worker]
        self._connection = self._worker = None
        self._lock, self._paused = new_lock(), False

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        connection, self._connection = self._connection, None
        if worker is not None:
            if connection is not None:
                await worker.run(connection.close)
            worker.end()

    def before_fork(self) -> None:
        """Close the connection, so that none crosses a fork. Both processes open new ones.

        SQLite keeps locks by process and file. A connection that crossed would lock the child out,
        or let both write past each other.
        """
        self._paused = self._lock.acquire(timeout=FORK_TIMEOUT)
        if self._paused:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()

    def after_fork(self) -> None:
        """Go on, in the parent and in the child."""
        if self._paused:
            self._paused = False
            self._lock.release()

    # -- on the file's thread -----------------------------------------------------------------

    async def _run(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        if self._worker is None:
            self._worker = WorkerThread(self.thread_name)
        return await self._worker.run(lambda: self._run_locked(work, writes=writes))

    def _run_locked(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        with self._lock:
            return self._retry(work, writes=writes)

    def _retry(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        """Run a transaction, and again while another process holds the file's lock."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return self._transaction(work, writes=writes)
            except sqlite3.OperationalError as error:
                if not tries_left or "locked" not in str(error):
                    raise _store_failed(error) from None
            except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
                corrupt = isinstance(error, sqlite3.DatabaseError) and _is_corrupt(error)
                if corrupt and not self._is_ours:
                    raise StoreFailed(
                        f"{self.path.name} is no database: move it away, or name another file"
                    ) from None
                if not (corrupt and tries_left):
                    raise _store_failed(error) from None
                self._set_aside()
        raise StoreFailed("the file stays locked")

    def _transaction(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        db = self._connection
        if db is not None and self._file() != self._opened_file:
            db.close()  # removed or replaced: other processes use another file by now
            db = self._connection = None
        if db is None:
            db = self._connection = self._open()
            self._opened_file = self._file()
        db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            result = work(db)
            db.commit()
        except BaseException:
            db.rollback()
            raise
        return result

    def _file(self) -> tuple[int, int] | None:
        """Which file is at the path now."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Its -wal and -shm files get the same permissions.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            begins = os.read(descriptor, len(_HEADER))
        finally:
            os.close(descriptor)
        if begins not in (b"", _HEADER):  # SQLite would write over a short text
            raise sqlite3.DatabaseError("file is not a database")
        db = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode=WAL")
            # A crash of the machine may lose the last moments, never the file.
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(self.schema)
        except BaseException:
            db.close()
            raise
        return db

    def _set_aside(self) -> None:
        """Keep the file under another name, over an earlier one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for ending in ("", "-wal", "-shm"):
            file = self.path.with_name(self.path.name + ending)
            if file.exists():
                file.replace(file.with_name(f"{file.name}.spoilt"))

    @property
    def _is_ours(self) -> bool:
        """Whether the name says that nobody else wrote the file."""
        return self.path.name.endswith(self.own_name) or "freerouter" in self.path.name


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return "not a database" in str(error) or "malformed" in str(error)


def _store_failed(error: Exception) -> StoreFailed:
    return StoreFailed(f"{type(error).__name__}: {error}")


_files: weakref.WeakSet[SqliteFile] = weakref.WeakSet()


def _before_fork() -> None:
    for file in list(_files):
        file.before_fork()


def _after_fork() -> None:
    for file in list(_files):
        file.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
