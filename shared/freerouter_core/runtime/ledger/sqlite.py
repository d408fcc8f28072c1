"""`SqliteStore`: one file for all processes of a machine, in WAL mode, safe against crashes.

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
from typing import TypeVar

from ...routing.charges import Charge
from ...routing.usage_stats import HISTORY_HOURS, Tallies
from ...routing.window import Window
from ..loop.os_threads import new_lock
from .store import Decide, StoreFailed
from .worker_thread import WorkerThread

T = TypeVar("T")
DEFAULT_NAME = "state.db"
BUSY_TIMEOUT = 0.025
"""Seconds of each try to get the file's lock. A transaction takes a fraction of a millisecond."""
MAX_TRIES = 8
"""Tries to get the lock before the store has failed."""
FORK_TIMEOUT = 1.0
"""Seconds a fork waits for the transaction under way."""
NOTES_LIFETIME = 30 * 86_400.0
"""Seconds after which a note is dropped."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
    key TEXT PRIMARY KEY, state BLOB NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallies (
    hour INTEGER, model TEXT, name TEXT, value REAL, PRIMARY KEY (hour, model, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_by_number ON notes (number);
"""


class SqliteStore:
    """Windows and notes in the file at `path`."""

    shared, lead = True, 0.0

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
        _stores.add(self)

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        return await self._run(lambda db: _change(db, charges, decide, now))

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        await self._run(lambda db: _put_notes(db, notes, now))

    async def notes_since(self, number: int) -> tuple[int, dict[str, str]]:
        return await self._run(lambda db: _notes_since(db, number))

    async def add(self, tallies: Tallies, hour: int) -> None:
        await self._run(lambda db: _add(db, tallies, hour))

    async def history(self, since: int) -> Tallies:
        return await self._run(lambda db: _history(db, since))

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

    # -- on the store's thread ----------------------------------------------------------------

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._worker is None:
            self._worker = WorkerThread("freerouter-state")
        return await self._worker.run(lambda: self._run_locked(work))

    def _run_locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            return self._retry(work)

    def _retry(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a transaction, and again while another process holds the file's lock."""
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return self._transaction(work)
            except sqlite3.OperationalError as error:
                if not tries_left or "locked" not in str(error):
                    raise _store_failed(error) from None
            except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
                corrupt = isinstance(error, sqlite3.DatabaseError) and _is_corrupt(error)
                if corrupt and not _is_ours(self.path):
                    raise StoreFailed(
                        f"{self.path.name} is no database: move it away, or name another file"
                    ) from None
                if not (corrupt and tries_left):
                    raise _store_failed(error) from None
                self._set_aside()
        raise StoreFailed("the file stays locked")

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._connection
        if db is not None and self._file() != self._opened_file:
            db.close()  # removed or replaced: other processes use another file by now
            db = self._connection = None
        if db is None:
            db = self._connection = self._open()
            self._opened_file = self._file()
        db.execute("BEGIN IMMEDIATE")
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
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode=WAL")
            # A crash of the machine may lose the last moments, never the file.
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
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


def _is_ours(path: Path) -> bool:
    """Whether the name says that nobody else wrote the file."""
    return path.name == DEFAULT_NAME or "freerouter" in path.name


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return "not a database" in str(error) or "malformed" in str(error)


def _store_failed(error: Exception) -> StoreFailed:
    return StoreFailed(f"{type(error).__name__}: {error}")


def _change(
    db: sqlite3.Connection, charges: tuple[Charge, ...], decide: Decide[T], now: float
) -> T:
    windows: dict[Charge, Window] = {}
    for charge in charges:
        row = db.execute("SELECT state FROM windows WHERE key = ?", (charge.window,)).fetchone()
        windows[charge] = Window.of(row[0] if row else None)
    result, changed = decide(windows.__getitem__)
    if changed:
        db.executemany(
            "INSERT INTO windows VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET state = excluded.state, at = excluded.at",
            [(charge.window, window.state(), now) for charge, window in windows.items()],
        )
    return result


def _put_notes(db: sqlite3.Connection, notes: dict[str, str], now: float) -> None:
    number = db.execute("SELECT COALESCE(MAX(number), 0) FROM notes").fetchone()[0] + 1
    db.executemany(
        "INSERT INTO notes VALUES (?, ?, ?, ?) ON CONFLICT (key)"
        " DO UPDATE SET value = excluded.value, number = excluded.number, at = excluded.at",
        [(key, value, number, now) for key, value in notes.items()],
    )
    db.execute("DELETE FROM notes WHERE at < ?", (now - NOTES_LIFETIME,))


def _notes_since(db: sqlite3.Connection, number: int) -> tuple[int, dict[str, str]]:
    rows = db.execute("SELECT key, value, number FROM notes WHERE number > ?", (number,)).fetchall()
    return max((row[2] for row in rows), default=number), {row[0]: row[1] for row in rows}


def _add(db: sqlite3.Connection, tallies: Tallies, hour: int) -> None:
    db.executemany(
        "INSERT INTO tallies VALUES (?, ?, ?, ?)"
        " ON CONFLICT (hour, model, name) DO UPDATE SET value = value + excluded.value",
        [(*key, name, value) for key, tally in tallies.items() for name, value in tally.items()],
    )
    db.execute("DELETE FROM tallies WHERE hour < ?", (hour - HISTORY_HOURS,))


def _history(db: sqlite3.Connection, since: int) -> Tallies:
    tallies: Tallies = {}
    for hour, model, name, value in db.execute("SELECT * FROM tallies WHERE hour >= ?", (since,)):
        tallies.setdefault((hour, model), {})[name] = value
    return tallies


_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()


def _before_fork() -> None:
    for store in list(_stores):
        store.before_fork()


def _after_fork() -> None:
    for store in list(_stores):
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
