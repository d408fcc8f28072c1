"""CSV: a table with a header. A result adds the columns "answer", "model" and "error"."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ...client.bulk.result import BulkResult
from ...errors import BadRequest, BadSetting
from .file_format import Row, Writer
from .jsonl import opened
from .table_rows import ANSWER, answered

MAX_FIELD = 10_000_000
"""Characters of a field: more than a model reads."""
_REST = "(more)"


class Csv:
    """A table whose columns are separated by `delimiter`."""

    def __init__(self, delimiter: str = ",") -> None:
        self._delimiter = delimiter

    def rows(self, path: Path) -> Iterator[Row]:
        csv.field_size_limit(min(MAX_FIELD, sys.maxsize))
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file, delimiter=self._delimiter, restkey=_REST)
            if not reader.fieldnames:
                raise BadSetting(f"{path.name} has no header", hint="name the columns in line 1")
            for row in reader:
                if _REST in row:
                    line = reader.line_num
                    problem = BadRequest(f"line {line} has more columns than the header")
                    yield {**{name: row[name] for name in reader.fieldnames}, "problem": problem}
                else:
                    yield row

    def count(self, path: Path) -> int | None:
        return sum(1 for _ in self.rows(path))

    @contextmanager
    def writer(self, path: Path | None) -> Iterator[Writer]:
        with opened(path) as file:
            yield _Table(file, self._delimiter)


class _Table:
    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self._writer: csv.DictWriter[str] | None = None

    def write(self, result: BulkResult) -> None:
        row = answered(result)
        if not isinstance(row["answer"], str) and row["answer"] is not None:
            row["answer"] = json.dumps(row["answer"], ensure_ascii=False)
        if self._writer is None:
            names = [*(name for name in row if name not in ANSWER), *ANSWER]
            self._writer = csv.DictWriter(
                self._file, names, delimiter=self._delimiter, extrasaction="ignore"
            )
            self._writer.writeheader()
        self._writer.writerow(row)
        self._file.flush()
