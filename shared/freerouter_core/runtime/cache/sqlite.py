"""`SqliteBytes`: what all processes of a machine keep, in a file that only its owner may read."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ..ledger.sqlite_file import BUSY_TIMEOUT, SqliteFile
from .store import Kept

FILE_NAME = "answers.db"
MAX_TOUCHED = 10_000
"""Uses that are remembered until the next write."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS freerouter_bytes_1 (
    key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, size INTEGER NOT NULL,
    written REAL NOT NULL, used REAL NOT NULL, expires REAL
);
CREATE INDEX IF NOT EXISTS freerouter_bytes_1_used ON freerouter_bytes_1 (used);
CREATE INDEX IF NOT EXISTS freerouter_bytes_1_expires ON freerouter_bytes_1 (expires);
CREATE TABLE IF NOT EXISTS freerouter_total_1 (one INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO freerouter_total_1 VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS freerouter_bytes_1_more AFTER INSERT ON freerouter_bytes_1
    BEGIN UPDATE freerouter_total_1 SET bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS freerouter_bytes_1_less AFTER DELETE ON freerouter_bytes_1
    BEGIN UPDATE freerouter_total_1 SET bytes = bytes - old.size; END;
CREATE TABLE IF NOT EXISTS freerouter_leases_1 (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""
"""Tables of another form get another number, and the two live side by side."""


class SqliteBytes(SqliteFile):
    """Bytes by key in the file at `path`."""

    shared = True
    schema, own_name, thread_name = _SCHEMA, FILE_NAME, "freerouter-answers"

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._touched: dict[str, float] = {}
        """When entries were read, until it is written down: a read alone writes nothing."""

    def read(self, keys: Collection[str], now: float) -> dict[str, bytes] | None:
        # Opening the file may take long, and happens on its own thread.
        if self._connection is None or not self._lock.acquire(timeout=BUSY_TIMEOUT):
            return None
        try:
            return self._transaction(lambda db: self._get(db, keys, now), writes=False)
        except (sqlite3.Error, OSError, TypeError, ValueError):
            return None  # whoever waits for it learns what is wrong
        finally:
            self._lock.release()

    async def get(self, keys: Collection[str], now: float) -> dict[str, bytes]:
        return await self._run(lambda db: self._get(db, keys, now), writes=False)

    def _get(self, db: sqlite3.Connection, keys: Collection[str], now: float) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        for key in keys:
            row = db.execute(
                "SELECT value FROM freerouter_bytes_1"
                " WHERE key = ? AND (expires IS NULL OR expires > ?)",
                (key, now),
            ).fetchone()
            if row is not None:
                values[key] = bytes(row[0])
        if len(self._touched) < MAX_TOUCHED:
            self._touched.update(dict.fromkeys(values, now))
        return values

    async def put(
        self, values: Mapping[str, bytes], now: float, expires: float | None, max_bytes: int
    ) -> None:
        rows = [(key, value, len(value), now, now, expires) for key, value in values.items()]
        await self._run(lambda db: self._put(db, rows, now, max_bytes))

    def _put(
        self, db: sqlite3.Connection, rows: Sequence[tuple[object, ...]], now: float, max_bytes: int
    ) -> None:
        touched, self._touched = self._touched, {}
        db.executemany(
            "UPDATE freerouter_bytes_1 SET used = ? WHERE key = ? AND used < ?",
            [(at, key, at) for key, at in touched.items()],
        )
        # Deleted first: an update would pass the triggers by.
        db.executemany("DELETE FROM freerouter_bytes_1 WHERE key = ?", [(row[0],) for row in rows])
        db.executemany("INSERT INTO freerouter_bytes_1 VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.execute("DELETE FROM freerouter_bytes_1 WHERE expires <= ?", (now,))
        db.execute("DELETE FROM freerouter_leases_1 WHERE until <= ?", (now,))
        excess = _size(db)[1] - max_bytes
        if excess > 0:
            old = []
            for row, size in db.execute("SELECT rowid, size FROM freerouter_bytes_1 ORDER BY used"):
                old.append((row,))
                excess -= size
                if excess <= 0:
                    break
            db.executemany("DELETE FROM freerouter_bytes_1 WHERE rowid = ?", old)

    async def drop(self, keys: Collection[str]) -> None:
        rows = [(key,) for key in keys]
        await self._run(
            lambda db: db.executemany("DELETE FROM freerouter_bytes_1 WHERE key = ?", rows)
        )

    async def clear(self, before: float | None) -> int:
        def work(db: sqlite3.Connection) -> int:
            db.execute("PRAGMA secure_delete = ON")  # what was cleared is in no free page either
            return db.execute(
                "DELETE FROM freerouter_bytes_1 WHERE ?1 IS NULL OR written < ?1", (before,)
            ).rowcount

        return await self._run(work)

    async def size(self) -> tuple[int, int]:
        return await self._run(_size, writes=False)

    async def newest(self, limit: int) -> list[Kept]:
        def work(db: sqlite3.Connection) -> list[Kept]:
            rows = db.execute(
                "SELECT key, value, written, used FROM freerouter_bytes_1"
                " ORDER BY written DESC, rowid DESC LIMIT ?",
                (limit,),
            )
            return [Kept(*row) for row in rows]

        return await self._run(work, writes=False)

    async def claim(self, key: str, owner: str, now: float, until: float) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            return bool(
                db.execute(
                    "INSERT INTO freerouter_leases_1 VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE"
                    " SET owner = excluded.owner, until = excluded.until"
                    " WHERE owner = excluded.owner OR until <= ?",
                    (key, owner, until, now),
                ).rowcount
            )

        return await self._run(work)

    async def release(self, key: str, owner: str) -> None:
        await self._run(
            lambda db: db.execute(
                "DELETE FROM freerouter_leases_1 WHERE key = ? AND owner = ?", (key, owner)
            )
        )


def _size(db: sqlite3.Connection) -> tuple[int, int]:
    """(entries, bytes)."""
    entries = db.execute("SELECT COUNT(*) FROM freerouter_bytes_1").fetchone()[0]
    return entries, db.execute("SELECT bytes FROM freerouter_total_1").fetchone()[0]
