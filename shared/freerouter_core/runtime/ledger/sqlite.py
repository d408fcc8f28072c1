"""`SqliteStore`: windows, notes and usage in a file that all processes of a machine share."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from ...routing.charges import Charge
from ...routing.usage_stats import HISTORY_HOURS, Tallies
from ...routing.window import Window
from .sqlite_file import SqliteFile
from .store import Decide

T = TypeVar("T")
DEFAULT_NAME = "state.db"
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


class SqliteStore(SqliteFile):
    """Windows and notes in the file at `path`."""

    shared, lead = True, 0.0
    schema, own_name, thread_name = _SCHEMA, DEFAULT_NAME, "freerouter-state"

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
