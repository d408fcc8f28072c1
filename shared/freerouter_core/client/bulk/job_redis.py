"""`RedisJob`: a job in a Redis database, for several machines. Each step is one script.

Its keys begin with `freerouter:{job:NAME}:`, so that a cluster keeps them on one node. They do not
expire: a job may take weeks. `docs/bulk.md` says how to delete one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ...errors import BadSetting, FreeRouterError, MissingExtra, forgets_locals
from ...wire.json_values import parse_json
from .job_file import problem_record
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
    changed_row,
    check_count,
    check_ids,
    new_row,
    same_id,
)
from .lua import ADD, CLOSE_INPUT, EXCHANGE, RELEASE, RETRY
from .redis_problem import bad_address, redis_problem
from .rows import Row

_REFUSALS = {"changed": changed_row, "new": new_row, "twice": same_id}
"""What `add` refuses, by the script's word for it."""
TIMEOUT = 30.0
"""Seconds for a connection, and for each answer."""


class RedisJob:
    """The job `name` in the database at `url`. Each call runs on the thread of its worker."""

    @forgets_locals  # an address may hold a password
    def __init__(self, url: str, name: str) -> None:
        try:
            import redis as client
        except ImportError as error:
            raise MissingExtra(
                "the job is in Redis, and its client is not installed",
                hint="pip install 'freerouter-llm[redis]', or keep the job in a file",
            ) from error
        self._client, self._url, self._name = client, url, name
        self._prefix = f"freerouter:{{job:{name}}}:"
        self._db: Any = None
        self._is_begun = False

    def begun(self) -> bool:
        return bool(self._run("EXISTS", f"{self._prefix}settings"))

    def open(self) -> Mapping[str, str]:
        values = self._run("HGETALL", f"{self._prefix}settings")
        pairs = (
            values.items() if isinstance(values, dict) else zip(*[iter(values)] * 2, strict=True)
        )
        return {_text(name): _text(value) for name, value in pairs}

    def put(self, values: Mapping[str, str]) -> None:
        self._begin()
        parts = [part for pair in values.items() for part in pair]
        self._run("HSET", f"{self._prefix}settings", *parts)

    def add(self, rows: Sequence[Row], changed: Changed, before: int = 0) -> Counts:
        check_ids(rows)
        self._begin()
        values: list[str] = [changed, str(before)]
        for row in rows:
            ident = "" if row.id is None else row.id
            values += [str(row.number), ident, row.hash.hex(), row.input, row.problem]
            values.append(row.data)
        answer = parse_json(self._script(ADD, *values))
        for problem, error in _REFUSALS.items():
            if problem in answer:
                raise error(
                    _name(rows, answer[problem]) if error is not same_id else answer[problem]
                )
        return _counts(answer)

    def close_input(self, rows: int, changed: Changed) -> Counts:
        self._begin()
        answer = parse_json(self._script(CLOSE_INPUT, str(rows), changed))
        if "before" in answer:
            check_count(rows, int(answer["before"]), changed)
        return _counts(answer)

    def exchange(
        self, worker: Worker, finished: Sequence[Finished], wish: Wish, now: float
    ) -> Granted:
        part, parts = wish.part
        after = "" if wish.after is None else str(wish.after)
        values = [worker.name, repr(now), str(wish.tasks), after, str(wish.rows)]
        values += ["1" if wish.given else "", str(part), str(parts), "1" if wish.fresh else ""]
        for item in finished:
            record = item.record or problem_record(item.error or "")
            values += [str(item.task), item.state, record, item.trail, str(item.tries)]
            values.append(repr(item.due))
        answer = parse_json(self._script(EXCHANGE, *values))
        due = float(answer["due"])
        return Granted(
            claimed=[Claimed(int(t), i, int(n), a) for t, i, n, a in answer["claimed"] or ()],
            ended=[_ended(row) for row in answer["ended"] or ()],
            counts=_counts(answer["counts"]),
            left=bool(answer["left"]),
            due=due if due < math.inf and due >= 0 else None,
        )

    def renew(self, worker: Worker, now: float) -> None:
        self._begin()
        key = f"{self._prefix}workers"
        state = json.dumps([worker.host, worker.pid, now + LEASE])
        self._run("HSET", key, worker.name, state)
        for name in self._run("HKEYS", key):
            if _text(name) == worker.name:
                continue
            host, pid, until = parse_json(_text(self._run("HGET", key, name) or b'["",0,0]'))
            if until < now or worker.ended(host, pid):
                self._script(RELEASE, _text(name))

    def release(self, worker: Worker) -> None:
        self._script(RELEASE, worker.name)

    def counts(self) -> Counts:
        names = ("rows", "done", "failed", "complete", "unfinished")
        values = self._run("HMGET", f"{self._prefix}counts", *names)
        return _counts(dict(zip(names, (int(value or 0) for value in values), strict=True)))

    def retry_failed(self) -> int:
        return int(self._script(RETRY))

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(self._client.RedisError, OSError):
                db.close()

    # -- the server ---------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the job, if there is none. A look must not."""
        if not self._is_begun:
            self._run("HSETNX", f"{self._prefix}settings", "format", str(FORMAT))
            self._is_begun = True

    def _script(self, script: str, *values: str) -> Any:
        return self._run("EVAL", script, 1, self._prefix, *values)

    def _run(self, *command: str | int | bytes) -> Any:
        try:
            return self._connection().execute_command(*command)
        except FreeRouterError:
            raise
        except (self._client.RedisError, OSError, ValueError) as error:
            problem = redis_problem(self._client, error, self._url, self._name)
        raise problem

    @forgets_locals
    def _connection(self) -> Any:
        if self._db is not None:
            return self._db
        try:
            db = self._client.Redis.from_url(
                self._url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
            )
            version = db.hget(f"{self._prefix}settings", "format")
        except (ValueError, TypeError):  # of the address, or of an option in it
            raise bad_address() from None
        if version is not None and int(version) != FORMAT:
            raise BadSetting(
                f"the job {self._name!r} has format {int(version)}, and this version reads {FORMAT}"
            )
        self._db = db
        return db


def _name(rows: Sequence[Row], ident: str) -> str:
    """What messages call the row that the script names by its id, else by its number."""
    return next(
        row.name for row in rows if ident == (str(row.number) if row.id is None else row.id)
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _counts(values: Mapping[str, Any]) -> Counts:
    return Counts(
        int(values["rows"]),
        int(values["done"]),
        int(values["failed"]),
        bool(int(values["complete"])),
        int(values["unfinished"]),
    )


def _ended(row: Sequence[Any]) -> Ended:
    turn, number, ident, record, trail, tries, data = row
    return Ended(int(turn), int(number), ident or None, record, trail, int(tries), data)
