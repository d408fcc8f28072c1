"""`SqliteStore`: one file for all processes of a machine, in WAL mode, safe against crashes.

SQLite is called on a thread of its own, never on the loop. A file that is no database any more is put aside and begun anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...routing.limits import Charge, Window
from ...routing.usage_stats import KEPT as HISTORY_HOURS
from ...routing.usage_stats import Tallies
from ..loop.os_threads import new_lock, new_queue, start_thread
from .store import Decide, StoreFailed

T = TypeVar("T")
BUSY_TIMEOUT = 0.025
"""Seconds to wait for another process's transaction, each time; a transaction takes a fraction of a millisecond."""
MAX_TRIES = 8
FORK_TIMEOUT = 1.0
"""Seconds a fork waits for the transaction under way."""
NOTES_LIFETIME = 30 * 86_400.0
"""Seconds after which notes are forgotten."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (key TEXT PRIMARY KEY, state BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallies (hour INTEGER, model TEXT, name TEXT, value REAL, PRIMARY KEY (hour, model, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_by_number ON notes (number);
"""


class _Worker:
    """A thread that does one thing after the other; daemonic, so that it keeps no process from ending."""

    def __init__(self) -> None:
        self._jobs = new_queue()
        self._thread = start_thread(self._work, "freerouter-state")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def run(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: Any, error: Exception | None) -> None:
            if future.done():
                return  # whoever asked has gone
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

        def job() -> None:
            value: Any = None
            failure: Exception | None = None
            try:
                value = call()
            except Exception as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, value, failure)

        self._jobs.put(job)
        return await future

    def end(self) -> None:
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(1.0)


class SqliteStore:
    """Windows and notes in the file at `path`."""

    shared = True

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._worker: _Worker | None = None
        self._connection: sqlite3.Connection | None = None
        self._abandoned: list[Any] = []
        self._lock = new_lock()
        self._paused = False
        self._opened: tuple[int, int] | None = None
        _stores.add(self)

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        return await self._run(lambda db: _change(db, charges, decide, now))

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        await self._run(lambda db: _put_notes(db, notes, now))

    async def notes_since(self, since: int) -> tuple[int, dict[str, str]]:
        return await self._run(lambda db: _notes_since(db, since))

    async def add(self, tallies: Tallies, hour: int) -> None:
        await self._run(lambda db: _add(db, tallies, hour))

    async def history(self, since: int) -> Tallies:
        return await self._run(lambda db: _history(db, since))

    def forget(self) -> None:
        self._abandoned += [
            self._connection,
            self._worker,
        ]  # the parent's: no destructor may touch them here
        self._connection = self._worker = None
        self._lock, self._paused = new_lock(), False

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        connection, self._connection = self._connection, None
        if worker is not None:
            if connection is not None:
                await worker.run(connection.close)
            worker.end()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._worker is None:
            self._worker = _Worker()
        return await self._worker.run(lambda: self._run_locked(work))

    def _run_locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """On the store's thread: within one transaction, tried again while another process holds the file."""
        with self._lock:
            return self._retry(work)

    def _retry(self, work: Callable[[sqlite3.Connection], T]) -> T:
        for left in reversed(range(MAX_TRIES)):
            try:
                return self._transaction(work)
            except sqlite3.OperationalError as error:
                if not left or "locked" not in str(error):
                    raise StoreFailed(_message(error)) from None
            except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
                if isinstance(error, sqlite3.DatabaseError) and left and self._set_aside(error):
                    continue
                raise StoreFailed(_message(error)) from None
        raise StoreFailed("the file stays locked")

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._connection
        if (
            db is not None and self._identity() != self._opened
        ):  # removed or replaced: others use another file by now
            db.close()
            db = self._connection = None
        if db is None:
            db = self._connection = self._open()
            self._opened = self._identity()
        db.execute("BEGIN IMMEDIATE")
        try:
            done = work(db)
            db.commit()
        except BaseException:
            db.rollback()
            raise
        return done

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(
            os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        )  # its -wal and -shm take after it
        db = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(
                "PRAGMA synchronous=NORMAL"
            )  # a crash of the machine may lose the last moments, never the file
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return db

    def before_fork(self) -> None:
        """SQLite keeps its locks by process and file: a connection that crosses a fork leaves the child locked out, or both of them
        writing past each other. So none crosses; both open one of their own when next they need it."""
        self._paused = self._lock.acquire(timeout=FORK_TIMEOUT)
        if self._paused:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()

    def after_fork(self) -> None:
        if self._paused:
            self._paused = False
            self._lock.release()

    def _set_aside(self, error: sqlite3.DatabaseError) -> bool:
        """A file that is no database is kept under another name. False: it is one, and something else is wrong."""
        if "not a database" not in str(error) and "malformed" not in str(error):
            return False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for ending in ("", "-wal", "-shm"):
            spoilt = self.path.with_name(self.path.name + ending)
            if spoilt.exists():
                os.replace(spoilt, spoilt.with_name(f"{spoilt.name}.spoilt"))  # noqa: PTH105  # over an earlier one
        return True


def _change(
    db: sqlite3.Connection, charges: tuple[Charge, ...], decide: Decide[T], now: float
) -> T:
    windows: dict[Charge, Window] = {}
    for charge in charges:
        row = db.execute("SELECT state FROM windows WHERE key = ?", (charge.window,)).fetchone()
        windows[charge] = Window.of(row[0] if row else None)
    result, dirty = decide(windows.__getitem__)
    if dirty:
        db.executemany(
            "INSERT INTO windows VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state, at = excluded.at",
            [(charge.window, window.state(), now) for charge, window in windows.items()],
        )
    return result


def _put_notes(db: sqlite3.Connection, notes: dict[str, str], now: float) -> None:
    number = db.execute("SELECT COALESCE(MAX(number), 0) FROM notes").fetchone()[0] + 1
    db.executemany(
        "INSERT INTO notes VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, number = excluded.number, at = excluded.at",
        [(key, value, number, now) for key, value in notes.items()],
    )
    db.execute("DELETE FROM notes WHERE at < ?", (now - NOTES_LIFETIME,))


def _notes_since(db: sqlite3.Connection, since: int) -> tuple[int, dict[str, str]]:
    rows = db.execute("SELECT key, value, number FROM notes WHERE number > ?", (since,)).fetchall()
    return max((row[2] for row in rows), default=since), {row[0]: row[1] for row in rows}


def _add(db: sqlite3.Connection, tallies: Tallies, hour: int) -> None:
    db.executemany(
        "INSERT INTO tallies VALUES (?, ?, ?, ?) ON CONFLICT (hour, model, name) DO UPDATE SET value = value + excluded.value",
        [(*key, name, value) for key, tally in tallies.items() for name, value in tally.items()],
    )
    db.execute("DELETE FROM tallies WHERE hour < ?", (hour - HISTORY_HOURS,))


def _history(db: sqlite3.Connection, since: int) -> Tallies:
    found: Tallies = {}
    for hour, model, name, value in db.execute("SELECT * FROM tallies WHERE hour >= ?", (since,)):
        found.setdefault((hour, model), {})[name] = value
    return found


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


def _message(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
