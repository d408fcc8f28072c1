"""JSON lines: plain ones, and those of OpenAI's Batch API."""

from __future__ import annotations

import codecs
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from ...client.bulk.batch_line import is_batch_line
from ...client.bulk.result import BulkResult
from ...errors import BadRequest, BadSetting
from ...wire.json_values import Json, as_mapping, encode_json, parse_json
from ...wire.openai_answer import Completion
from .columns import Columns, kept_name
from .file_format import BadRow, Contents, Kept, Row, Table, Writer

_BLOCK = 1 << 20


class Jsonl:
    """One JSON object a line; a line that is a text is a prompt."""

    def rows(self, path: Path) -> Iterator[Row | BadRow]:
        return (row for _, row in self.placed(path))

    def placed(self, path: Path) -> Iterator[tuple[str, Row | BadRow]]:
        with opened_text(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield f"line {number}", _row(line, number)

    def look(self, path: Path, kept: Kept) -> Contents:
        names: dict[str, None] = {}
        rows = 0
        for row in self.rows(path):
            rows += 1
            names |= dict.fromkeys(kept_name(name) for name in kept(row))
        return Contents(rows=rows, names=tuple(names))

    @contextmanager
    def writer(self, path: Path | None, table: Table) -> Iterator[Writer]:
        with opened(path) as file:
            yield _Lines(file, self, table.columns)

    def line(self, result: BulkResult, columns: Columns) -> Json:
        """A result as its line says it."""
        return columns.row(result)


class Batch(Jsonl):
    """OpenAI's Batch format: lines of `custom_id`, `method`, `url`, `body`."""

    @staticmethod
    def begins(path: Path) -> bool:
        """Whether a file's first line is of a batch."""
        with suppress(OSError, UnicodeDecodeError, ValueError):
            with path.open(encoding="utf-8-sig") as file:
                first = as_mapping(parse_json(file.readline(_BLOCK)))
            return "custom_id" in first and is_batch_line(first)
        return False

    def line(self, result: BulkResult, columns: Columns) -> Json:
        data = result.data if isinstance(result.data, dict) else {}
        line: Json = {"id": f"batch_req_{result.number}", "custom_id": data.get("custom_id")}
        if result.answer is None:
            error = {"code": result.error_type, "message": result.error}
            return {**line, "response": None, "error": error}
        ident = result.answer.id or f"chatcmpl-{result.number}"
        created = time.time() if result.answered_at is None else result.answered_at
        body = Completion(ident, int(created)).whole([result.answer], [result.metadata])
        response = {"status_code": 200, "request_id": ident, "body": body}
        return {**line, "response": response, "error": None}


class _Lines:
    def __init__(self, file: TextIO, form: Jsonl, columns: Columns) -> None:
        self._file, self._form, self._columns = file, form, columns

    def write(self, result: BulkResult) -> None:
        """Write a line, at once: whoever follows the file sees it."""
        self._file.write(encode_json(self._form.line(result, self._columns)).decode() + "\n")
        self._file.flush()


@contextmanager
def opened_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """A text file of an input, to be read. Raises `BadSetting` where it is no UTF-8: else a model
    would be asked about other letters."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise BadSetting(f"{path.name} is UTF-16", hint=_CONVERT.format("UTF-16", path.name))
    with path.open(encoding="utf-8-sig", newline=newline) as text:
        try:
            yield text
        except UnicodeDecodeError:
            raise BadSetting(
                f"{path.name}, line {_first_wrong_line(path)}: it is no UTF-8",
                hint=_CONVERT.format("WINDOWS-1252", path.name),
            ) from None


def check_is_file(path: Path) -> None:
    """Check that an input can be read more than once. Raises `BadSetting`."""
    if path.exists() and not path.is_file():
        raise BadSetting(
            f"{path} is no file, and cannot be read twice",
            hint="write it to a file first: a job that goes on reads its input again",
        )


_CONVERT = "say what it is to iconv, such as: iconv -f {} -t UTF-8 {} > utf8.txt"


def _first_wrong_line(path: Path) -> int:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """A new text file; None: standard output."""
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        yield file


def _row(line: str, number: int) -> Row | BadRow:
    try:
        value: Any = parse_json(line)
    except ValueError as error:
        return BadRow(BadRequest(f"line {number} is no JSON: {error}"), {})
    if isinstance(value, str):
        return {"prompt": value}
    if not isinstance(value, dict):
        return BadRow(BadRequest(f"line {number} is neither an object nor a text"), {})
    return value
