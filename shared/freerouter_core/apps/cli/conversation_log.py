"""`ConversationLog`: what was asked and answered in the shell, in an SQLite file beside the state.

Only its owner may read the file (mode 600). It keeps the last exchanges and forgets older ones.
What looks like a key is not kept, and neither are large attachments.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import hide_keys
from ...wire.json_values import Json, parse_json

FILE = "logs.db"
MAX_EXCHANGES, MAX_BYTES = 10_000, 64_000_000
"""What is kept at most."""
MAX_ATTACHMENT = 1_000_000
"""Characters of an attachment that is kept."""
BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process that writes."""
_COLUMNS = (
    "conversation", "at", "asked", "model", "provider", "system", "content", "answer",
    "prompt_tokens", "completion_tokens", "seconds", "attempts",
)  # fmt: skip
_SCHEMA = """
CREATE TABLE IF NOT EXISTS exchanges (
    id INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, at REAL NOT NULL,
    asked TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, system TEXT NOT NULL,
    content TEXT NOT NULL, answer TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER,
    seconds REAL, attempts INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS exchanges_of ON exchanges (conversation);
"""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A question and its answer.

    Attributes:
        conversation: the conversation's id.
        at: when it was asked, in unix seconds.
        asked: the model that was asked for.
        model: the model that answered.
        provider: its provider.
        system: the system message; empty: there was none.
        content: the user's message: a text, or parts.
        answer: the answer's text.
        prompt_tokens: as the provider counted them; None: it did not.
        completion_tokens: as the provider counted them; None: it did not.
        seconds: until the answer was whole.
        attempts: attempts in all.
    """

    conversation: str
    at: float
    asked: str
    model: str
    provider: str
    system: str
    content: str | Sequence[Json]
    answer: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    attempts: int = 1

    @property
    def prompt(self) -> str:
        """The text of the user's message. Attachments are named in brackets."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(str(p.get("text") or f"[{p.get('type')}]") for p in self.content)

    @property
    def messages(self) -> list[Json]:
        """The question and the answer as messages."""
        return [
            {"role": "user", "content": self.content},
            {"role": "assistant", "content": self.answer},
        ]


class ConversationLog:
    """The file at `path`. None: the one of the user's state directory."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()

    def add(self, exchange: Exchange) -> None:
        """Write an exchange, and forget what is too old. Raises `OSError` or `sqlite3.Error`."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        content = exchange.content
        kept: object = hide_keys(content) if isinstance(content, str) else [*map(_kept, content)]
        row = vars(exchange) | {
            "content": json.dumps(kept, ensure_ascii=False),
            "answer": hide_keys(exchange.answer),
            "system": hide_keys(exchange.system),
        }
        places = ", ".join("?" * len(_COLUMNS))
        with self._open() as connection:
            connection.executescript(_SCHEMA)
            connection.execute(
                f"INSERT INTO exchanges ({', '.join(_COLUMNS)}) VALUES ({places})",  # noqa: S608
                [row[name] for name in _COLUMNS],
            )
            _forget_old(connection)

    def last(
        self, count: int | None, *, conversation: str | None = None, text: str | None = None
    ) -> list[Exchange]:
        """The last exchanges, oldest first.

        Args:
            count: how many at most. None: all.
            conversation: only those of this conversation.
            text: only those whose question or answer has this text.

        Raises:
            sqlite3.Error: the file is none of ours.
        """
        if not self.path.exists():
            return []
        conditions, values = ["1"], list[object]()
        if conversation is not None:
            conditions.append("conversation = ?")
            values.append(conversation)
        if text:
            conditions.append("(instr(lower(content), lower(?)) OR instr(lower(answer), lower(?)))")
            values += [json.dumps(text, ensure_ascii=False)[1:-1], text]
        query = (
            f"SELECT {', '.join(_COLUMNS)} FROM exchanges "  # noqa: S608  # our own words
            f"WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        )
        with self._open() as connection:
            connection.executescript(_SCHEMA)
            rows = connection.execute(query, [*values, -1 if count is None else count]).fetchall()
        return [_exchange(dict(zip(_COLUMNS, row, strict=True))) for row in reversed(rows)]

    def newest_conversation(self) -> str | None:
        """The conversation that was last added to. None: there is none."""
        last = self.last(1)
        return last[0].conversation if last else None

    def clear(self) -> None:
        """Forget everything."""
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def default_path() -> Path:
    """The file of the user's state directory."""
    from platformdirs import user_state_path

    return user_state_path("freerouter") / FILE


def new_conversation() -> str:
    """An id. Later ones sort after earlier ones."""
    return f"{int(time.time()):08x}{secrets.token_hex(3)}"


def _kept(part: Mapping[str, object]) -> Json:
    """A part of a message as it is kept."""
    text = part.get("text")
    if isinstance(text, str):
        return {**part, "text": hide_keys(text)}
    if len(json.dumps(part)) > MAX_ATTACHMENT:
        return {"type": "text", "text": f"[{part.get('type')}: too large to be kept]"}
    return dict(part)


def _forget_old(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM exchanges WHERE id <= (SELECT max(id) FROM exchanges) - ?", [MAX_EXCHANGES]
    )
    connection.execute(
        "DELETE FROM exchanges WHERE id IN (SELECT id FROM (SELECT id, sum(length(content) + "
        "length(answer)) OVER (ORDER BY id DESC) AS size FROM exchanges) WHERE size > ?)",
        [MAX_BYTES],
    )


def _exchange(row: dict[str, object]) -> Exchange:
    row["content"] = parse_json(str(row["content"]))
    return Exchange(**row)  # type: ignore[arg-type]  # the columns are its fields
