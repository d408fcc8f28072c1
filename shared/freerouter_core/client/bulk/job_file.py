"""`JobFile`: a job in one SQLite file. What is committed survives the process and the machine.

Several processes may have it open. Each step is one transaction. The view `results` is for others.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ...errors import BadSetting, JobFailed
from .job_store import (
    FORMAT,
    LEASE,
    Changed,
    Claimed,
    Counts,
    Ended,
    Finished,
    Granted,
    Wish,
    Worker,
    check_count,
    check_ids,
    refusal,
)
from .rows import Row

T = TypeVar("T")
BUSY_TIMEOUT = 30.0
"""Seconds to wait for another process's transaction."""
SYNC_EVERY = 1.0
"""Seconds after which a transaction with answers waits for the disk."""
APPLICATION = 0x46524A42
"""The mark in the file's head that says it is a job of ours."""
OPEN, LEASED, DONE, FAILED = range(4)
"""States of a task."""
_STATES = {"open": OPEN, "done": DONE, "failed": FAILED}
_SCHEMA = f"""
CREATE TABLE job (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tasks (
    task INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, input TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT {OPEN}, worker TEXT, tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0, text TEXT, model TEXT, provider TEXT, usage TEXT,
    attempts TEXT NOT NULL DEFAULT '', error TEXT, record TEXT NOT NULL DEFAULT ''
);
CREATE INDEX open_tasks ON tasks (due, task) WHERE state = {OPEN};
CREATE INDEX leased_tasks ON tasks (worker) WHERE state = {LEASED};
CREATE INDEX unfinished_tasks ON tasks (task) WHERE state < {DONE};
CREATE INDEX failed_tasks ON tasks (task) WHERE state = {FAILED};
CREATE TABLE rows (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, task INTEGER NOT NULL, turn INTEGER UNIQUE,
    data TEXT NOT NULL DEFAULT ''
);
CREATE INDEX rows_of_task ON rows (task);
CREATE TABLE workers (
    name TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counts VALUES
    ('rows', 0), ('done', 0), ('failed', 0), ('complete', 0), ('unfinished', 0), ('turn', 0);
CREATE VIEW results AS
    SELECT number, COALESCE(id, number) AS id, input,
        CASE state WHEN {DONE} THEN 'done' WHEN {FAILED} THEN 'failed' ELSE 'open' END AS state,
        text, model, provider, usage, tries, attempts, error
    FROM rows JOIN tasks USING (task) ORDER BY number;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
"""


class JobFile:
    """The job in the file at `path`. Each call runs on the thread of its worker."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._to_disk = False
        self._synced_at = -SYNC_EVERY

    def begun(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0

    def open(self) -> Mapping[str, str]:
        def work(db: sqlite3.Connection) -> dict[str, str]:
            return dict(db.execute("SELECT name, value FROM job").fetchall())

        return self._run(work)

    def put(self, values: Mapping[str, str]) -> None:
        self._run(
            lambda db: db.executemany("INSERT OR REPLACE INTO job VALUES (?, ?)", values.items())
        )

    def add(self, rows: Sequence[Row], changed: Changed, before: int = 0) -> Counts:
        return self._run(lambda db: _add(db, rows, before, merge=changed == "merge"))

    def close_input(self, rows: int, changed: Changed) -> Counts:
        def work(db: sqlite3.Connection) -> Counts:
            check_count(rows, _counts(db).rows, changed)
            db.execute("UPDATE counts SET value = 1 WHERE name = 'complete'")
            return _counts(db)

        return self._run(work)

    def exchange(
        self, worker: Worker, finished: Sequence[Finished], wish: Wish, now: float
    ) -> Granted:
        def work(db: sqlite3.Connection) -> Granted:
            if finished:
                _finish(db, finished)
            claimed = _claim(db, worker, wish, now) if wish.tasks else []
            ended = [] if wish.after is None else _ended(db, wish)
            left, due = _left(db, wish, now)
            return Granted(claimed=claimed, ended=ended, counts=_counts(db), left=left, due=due)

        return self._run(work, to_disk=bool(finished))

    def renew(self, worker: Worker, now: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?)",
                (worker.name, worker.host, worker.pid, now + LEASE),
            )
            for name, host, pid, until in db.execute("SELECT * FROM workers").fetchall():
                if name != worker.name and (until < now or worker.ended(host, pid)):
                    _release(db, name)

        self._run(work)

    def release(self, worker: Worker) -> None:
        self._run(lambda db: _release(db, worker.name))

    def counts(self) -> Counts:
        return self._run(_counts)

    def retry_failed(self) -> int:
        return self._run(_retry_failed)

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    # -- the file -----------------------------------------------------------------------------

    def _run(self, work: Callable[[sqlite3.Connection], T], *, to_disk: bool = False) -> T:
        """Run one transaction. `to_disk`: it holds answers. A process that is killed loses no
        transaction; a machine that loses power loses the last second of them, at most."""
        try:
            db = self._connection()
            self._choose_sync(db, urgent=to_disk)
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            hint = None if self._db else f"the job's folder must be writable: {self.path.parent}"
            raise JobFailed(f"{self.path.name}: {error}", hint=hint) from None
        return result

    def _choose_sync(self, db: sqlite3.Connection, *, urgent: bool) -> None:
        now = time.monotonic()
        to_disk = urgent and now - self._synced_at >= SYNC_EVERY
        if to_disk is not self._to_disk:
            db.execute(f"PRAGMA synchronous={'FULL' if to_disk else 'NORMAL'}")
            self._to_disk = to_disk
        if to_disk:
            self._synced_at = now

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(db, self.path.name)
        except BaseException:
            db.close()
            raise
        self._db, self._to_disk = db, False
        return db


def _prepare(db: sqlite3.Connection, name: str) -> None:
    """Check that the file is a job, or make it one."""
    try:
        # The tables first: another process may make the job meanwhile, marks and tables at once.
        tables = db.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0]
        mark = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if "not a database" not in str(error):
            raise
        raise BadSetting(
            f"{name} is not a job", hint="name a new file, or one that a job was kept in"
        ) from None
    if tables and mark != APPLICATION:
        raise BadSetting(f"{name} is another database", hint="name a new file for the job")
    if tables and version != FORMAT:
        raise BadSetting(
            f"{name} has format {version}, and this version reads {FORMAT}",
            hint="use the version that wrote it",
        )
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    if not tables:
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0]:
            for statement in _SCHEMA.strip().split(";\n"):
                db.execute(statement)
        db.execute("COMMIT")


def _counts(db: sqlite3.Connection) -> Counts:
    values = dict(db.execute("SELECT name, value FROM counts").fetchall())
    return Counts(
        values["rows"],
        values["done"],
        values["failed"],
        bool(values["complete"]),
        values["unfinished"],
    )


def _count(db: sqlite3.Connection, **changes: int) -> None:
    db.executemany(
        "UPDATE counts SET value = value + ? WHERE name = ?",
        [(change, name) for name, change in changes.items() if change],
    )


# -- rows ----------------------------------------------------------------------------------------


def _add(db: sqlite3.Connection, rows: Sequence[Row], before: int, *, merge: bool) -> Counts:
    check_ids(rows)
    complete = _counts(db).complete
    for row in rows:
        where, key = ("id = ?", row.id) if row.id is not None else ("number = ?", row.number)
        found = db.execute(
            f"SELECT number, id, hash, task, turn FROM rows JOIN tasks USING (task) WHERE {where}",
            (key,),
        ).fetchone()
        if not merge and (problem := refusal(row, found and found[:3], before, complete=complete)):
            raise problem
        if found is None:
            _insert(db, row)
        elif found[2] != row.hash or found[1] != row.id:
            _replace(db, found[0], found[3], ended=found[4] is not None)
            _insert(db, replace(row, number=found[0]))
    return _counts(db)


def _insert(db: sqlite3.Connection, row: Row) -> None:
    """Add a row, and its task if no other row asks the same."""
    task = db.execute("SELECT task, state FROM tasks WHERE hash = ?", (row.hash,)).fetchone()
    if task is None:
        state = FAILED if row.problem else OPEN
        cursor = db.execute(
            "INSERT INTO tasks (hash, input, state, error) VALUES (?, ?, ?, ?)",
            (row.hash, row.input, state, row.problem or None),
        )
        task = (cursor.lastrowid, state)
        _count(db, unfinished=int(state == OPEN))
    number = row.number
    if db.execute("SELECT 1 FROM rows WHERE number = ?", (number,)).fetchone():
        number = db.execute("SELECT MAX(number) + 1 FROM rows").fetchone()[0]
    db.execute("INSERT INTO rows VALUES (?, ?, ?, NULL, ?)", (number, row.id, task[0], row.data))
    _count(db, rows=1)
    if task[1] >= DONE:
        _end_rows(db, task[0], task[1])


def _replace(db: sqlite3.Connection, number: int, task: int, *, ended: bool) -> None:
    """Take a row out. A task that nobody asks any more is not asked."""
    state = db.execute("SELECT state FROM tasks WHERE task = ?", (task,)).fetchone()[0]
    db.execute("DELETE FROM rows WHERE number = ?", (number,))
    _count(db, rows=-1, done=-int(ended and state == DONE), failed=-int(ended and state == FAILED))
    if state == OPEN and not db.execute("SELECT 1 FROM rows WHERE task = ?", (task,)).fetchone():
        db.execute("DELETE FROM tasks WHERE task = ?", (task,))
        _count(db, unfinished=-1)


def _end_rows(db: sqlite3.Connection, task: int, state: int) -> None:
    """Give the rows of an ended task their turns."""
    turn = db.execute("SELECT value FROM counts WHERE name = 'turn'").fetchone()[0]
    # Named, because the index of turns has all rows that have not ended in one place.
    numbers = db.execute(
        "SELECT number FROM rows INDEXED BY rows_of_task WHERE task = ? AND turn IS NULL", (task,)
    ).fetchall()
    for place, (number,) in enumerate(numbers, turn + 1):
        db.execute("UPDATE rows SET turn = ? WHERE number = ?", (place, number))
    count = len(numbers)
    _count(db, turn=count, done=count * (state == DONE), failed=count * (state == FAILED))


def _ended(db: sqlite3.Connection, wish: Wish) -> list[Ended]:
    """The next rows that have ended. In the input's order, up to the first that has not."""
    part, parts = wish.part
    column = "number" if wish.given else "turn"
    rows = db.execute(
        "SELECT turn, number, id, record, attempts, tries, data, error"
        " FROM rows JOIN tasks USING (task)"
        f" WHERE {column} > ? AND task % ? = ? ORDER BY {column} LIMIT ?",
        (wish.after, parts, part, wish.rows),
    )
    ended: list[Ended] = []
    for turn, number, ident, record, *rest, error in rows:
        if turn is None:
            break
        ended.append(Ended(turn, number, ident, record or problem_record(error), *rest))
    return ended


def problem_record(error: str) -> str:
    """The record of a row that could not be asked."""
    return json.dumps({"error": error, "error_type": "BadRequest"})


# -- tasks ---------------------------------------------------------------------------------------


def _told(item: Finished) -> tuple[object, ...]:
    who = (item.tries, item.due, item.text, item.model, item.provider, item.usage)
    return (*who, item.trail, item.error, item.record)


def _finish(db: sqlite3.Connection, finished: Sequence[Finished]) -> None:
    for item in finished:
        state = _STATES[item.state]
        cursor = db.execute(
            "UPDATE tasks SET state = ?, worker = NULL, tries = ?, due = ?, text = ?, model = ?,"
            " provider = ?, usage = ?, attempts = ?, error = ?, record = ?"
            f" WHERE task = ? AND state < {DONE}",
            (state, *_told(item), item.task),
        )
        if cursor.rowcount and state >= DONE:
            _count(db, unfinished=-1)
            _end_rows(db, item.task, state)


_OPEN = ("due > 0 AND due <= ? ORDER BY due", "due = 0 AND ? > 0 ORDER BY task")  # again; fresh


def _claim(db: sqlite3.Connection, worker: Worker, wish: Wish, now: float) -> list[Claimed]:
    part, parts = wish.part
    found: list[tuple[int, str, int, str]] = []
    for due in _OPEN[::-1] if wish.fresh else _OPEN:
        found += db.execute(
            "SELECT task, input, tries, attempts FROM tasks INDEXED BY open_tasks"
            f" WHERE state = {OPEN} AND task % ? = ? AND {due} LIMIT ?",
            (parts, part, now, wish.tasks - len(found)),
        ).fetchall()
    db.executemany(
        f"UPDATE tasks SET state = {LEASED}, worker = ? WHERE task = ?",
        [(worker.name, task) for task, *_ in found],
    )
    return [Claimed(*row) for row in found]


def _left(db: sqlite3.Connection, wish: Wish, now: float) -> tuple[bool, float | None]:
    """(whether a task of the part has not ended, when one of them is due later on)."""
    part, parts = wish.part
    left, due = db.execute(
        f"SELECT EXISTS (SELECT 1 FROM tasks WHERE state < {DONE} AND task % ?1 = ?2),"
        f" (SELECT MIN(due) FROM tasks WHERE state = {OPEN} AND due > ?3 AND task % ?1 = ?2)",
        (parts, part, now),
    ).fetchone()
    return bool(left), due


def _release(db: sqlite3.Connection, worker: str) -> None:
    db.execute(
        f"UPDATE tasks SET state = {OPEN}, worker = NULL WHERE worker = ? AND state = {LEASED}",
        (worker,),
    )
    db.execute("DELETE FROM workers WHERE name = ?", (worker,))


def _retry_failed(db: sqlite3.Connection) -> int:
    failed = f"(SELECT task FROM tasks WHERE state = {FAILED} AND input != '')"
    rows = db.execute(f"UPDATE rows SET turn = NULL WHERE task IN {failed}").rowcount
    tasks = db.execute(
        f"UPDATE tasks SET state = {OPEN}, tries = 0, due = 0, error = NULL, record = ''"
        f" WHERE state = {FAILED} AND input != ''"
    ).rowcount
    _count(db, failed=-rows, unfinished=tasks)
    return rows
