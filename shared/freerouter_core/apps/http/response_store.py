"""`ResponseStore`: answers of the Responses API that later requests go on from.

A client sends `previous_response_id`, or only the ids of items. What is kept is bounded in number,
bytes and time. What goes first is the oldest of the caller who keeps most. It is a file of its own
beside the shared state, which only this user can read, or memory where there is no such file.

Those who send different tokens find nothing of each other: the tables have an id with the mark of
its caller's token before it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...client.answer_cache.lookup import caller
from ...runtime.ledger.worker_thread import WorkerThread
from ...wire.json_values import Json, parse_json

T = TypeVar("T")
MOST = 2_000
"""Responses that are kept."""
MOST_BYTES = 64_000_000
"""Bytes of all of them."""
LARGEST = 8_000_000
"""Bytes of one that is kept. A larger one is answered all the same."""
LIFETIME = 30 * 86_400.0
"""Seconds for which a response is kept, as at OpenAI."""
MOST_TURNS = 500
"""Turns that a conversation is followed back."""
_OURS = re.compile(r"_[0-9a-f]{32}\Z")
"""The end of an id that was drawn here. Others may be two clients' at once, so nobody finds an item
by them."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY, at REAL NOT NULL, previous TEXT, size INTEGER NOT NULL, data TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS responses_by_time ON responses (at);
CREATE TABLE IF NOT EXISTS items (
    id TEXT NOT NULL, response TEXT NOT NULL, PRIMARY KEY (id, response)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_response ON items (response);
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A response and the items of its request. `previous`: the id of the turn before it."""

    response: Json
    items: tuple[Json, ...]
    previous: str | None = None

    @property
    def turn(self) -> tuple[Json, ...]:
        """What this turn adds to the conversation."""
        return (*self.items, *self.response["output"])


class ResponseStore:
    """Responses in a file. `path` None: in memory.

    Each caller (`caller`) has its own: with one token for all, or none, there is one.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._worker: WorkerThread | None = None
        self._db: sqlite3.Connection | None = None

    async def keep(self, stored: Stored, now: float) -> None:
        """Keep a response, and drop what is too old or too much."""
        whose = caller.get()
        await self._run(lambda db: _keep(db, stored, now, whose))

    async def get(self, ident: str) -> Stored | None:
        """A response; None: there is none of this id, or not any more."""
        key = _key(caller.get(), ident)
        return await self._run(lambda db: _get(db, key))

    async def delete(self, ident: str) -> bool:
        """Delete a response. Returns whether it was there."""
        key = _key(caller.get(), ident)
        return await self._run(lambda db: _delete(db, [key]) > 0)

    async def conversation(self, ident: str) -> list[Json] | None:
        """All items up to and with a response; None: a turn is missing."""
        whose = caller.get()
        return await self._run(lambda db: _conversation(db, ident, whose))

    async def find(self, ids: Iterable[str]) -> dict[str, Json]:
        """The items of these ids, as far as they are kept."""
        wanted, whose = list(ids), caller.get()
        return await self._run(lambda db: _find(db, wanted, whose))

    async def close(self) -> None:
        """Close the file. A later call opens it again."""
        worker, self._worker = self._worker, None
        db, self._db = self._db, None
        if worker is not None:
            if db is not None:
                await worker.run(db.close)
            worker.end()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._worker is None:
            self._worker = WorkerThread("freerouter-responses")
        return await self._worker.run(lambda: self._transaction(work))

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._db is None:
            self._db = self._open()
        with self._db:
            return work(self._db)

    def _open(self) -> sqlite3.Connection:
        """The file, or memory if it cannot be opened: a full disk fails no request."""
        if self.path is not None:
            with contextlib.suppress(OSError, sqlite3.Error):
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
                return _prepared(sqlite3.connect(self.path, timeout=1.0, check_same_thread=False))
        return _prepared(sqlite3.connect(":memory:", check_same_thread=False))


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")  # what is lost in a crash is an old conversation
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _key(whose: str, ident: str) -> str:
    """What an id of this caller's is called in the tables."""
    return f"{whose} {ident}" if whose else ident


def _whose(key: str) -> str:
    return key.rpartition(" ")[0]


def _keep(db: sqlite3.Connection, stored: Stored, now: float, whose: str) -> None:
    data = json.dumps({"response": stored.response, "items": stored.items}, ensure_ascii=True)
    if len(data) > LARGEST:
        return
    ident = _key(whose, str(stored.response["id"]))
    db.execute(
        "INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?)",
        (ident, now, stored.previous, len(data), data),
    )
    ids = {i for item in stored.turn if _OURS.search(i := str(item.get("id") or ""))}
    rows = [(_key(whose, i), ident) for i in ids]
    db.executemany("INSERT OR IGNORE INTO items VALUES (?, ?)", rows)
    _delete(db, _too_much(db, now))


def _too_much(db: sqlite3.Connection, now: float) -> list[str]:
    """The responses that are too old. If the rest is too many or too large, also the oldest of the
    caller who has most, so that nobody pushes out what others keep."""
    dropped, kept = [], dict[str, deque[tuple[str, int]]]()
    for ident, at, size in db.execute("SELECT id, at, size FROM responses ORDER BY at DESC"):
        if at < now - LIFETIME:
            dropped.append(ident)
        else:
            kept.setdefault(_whose(ident), deque()).append((ident, size))
    numbers = {whose: len(rows) for whose, rows in kept.items()}
    sizes = {whose: sum(size for _, size in rows) for whose, rows in kept.items()}
    for has, most in ((sizes, MOST_BYTES), (numbers, MOST)):
        while sum(has.values()) > most:
            whose = max(has, key=has.__getitem__)
            ident, size = kept[whose].pop()
            numbers[whose], sizes[whose] = numbers[whose] - 1, sizes[whose] - size
            dropped.append(ident)
    return dropped


def _delete(db: sqlite3.Connection, ids: list[str]) -> int:
    db.executemany("DELETE FROM items WHERE response = ?", [(ident,) for ident in ids])
    return db.executemany("DELETE FROM responses WHERE id = ?", [(i,) for i in ids]).rowcount


def _get(db: sqlite3.Connection, ident: str) -> Stored | None:
    row = db.execute("SELECT data, previous FROM responses WHERE id = ?", (ident,)).fetchone()
    if row is None:
        return None
    data = parse_json(row[0])
    return Stored(data["response"], tuple(data["items"]), row[1])


def _conversation(db: sqlite3.Connection, ident: str, whose: str) -> list[Json] | None:
    turns: list[tuple[Json, ...]] = []
    following: str | None = ident
    while following is not None:
        stored = _get(db, _key(whose, following))
        if stored is None or len(turns) >= MOST_TURNS:
            return None
        turns.append(stored.turn)
        following = stored.previous
    return [item for turn in reversed(turns) for item in turn]


def _find(db: sqlite3.Connection, ids: list[str], whose: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for ident in ids:
        key = _key(whose, ident)
        row = db.execute("SELECT response FROM items WHERE id = ? LIMIT 1", (key,)).fetchone()
        stored = None if row is None else _get(db, row[0])
        for item in () if stored is None else stored.turn:
            found.setdefault(str(item.get("id")), item)
    return {ident: found[ident] for ident in ids if ident in found}
