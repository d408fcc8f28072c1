"""CSV: a table with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ...client.bulk.result import BulkResult
from ...errors import BadRequest, BadSetting
from .columns import cell, unused
from .file_format import BadRow, Contents, Kept, Row, Table, Writer
from .jsonl import opened

MAX_FIELD = 10_000_000
"""Characters of a field: more than a model reads. A row with a longer one fails."""
LIMIT = 20 * MAX_FIELD
"""Characters of a field at which reading ends: a quote was not closed."""


class Csv:
    """A table whose columns are separated by `delimiter`."""

    def __init__(self, delimiter: str = ",") -> None:
        self._delimiter = delimiter

    def rows(self, path: Path) -> Iterator[Row | BadRow]:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            csv.field_size_limit(LIMIT)
            try:
                header = _header(next(reader, []), path)
                for cells in reader:
                    if cells:
                        yield _row(header, cells, reader.line_num)
            except csv.Error as error:
                raise BadSetting(
                    f"{path.name}, line {reader.line_num}: {error}",
                    hint="look there, and before it, for a quote that is not closed",
                ) from None

    def look(self, path: Path, kept: Kept) -> Contents:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header = _header(next(csv.reader(file, delimiter=self._delimiter), []), path)
        return Contents(rows=sum(1 for _ in self.rows(path)), names=tuple(header))

    @contextmanager
    def writer(self, path: Path | None, table: Table) -> Iterator[Writer]:
        with opened(path) as file:
            yield _Table(file, table, self._delimiter)


class _Table:
    def __init__(self, file: TextIO, table: Table, delimiter: str) -> None:
        self._file, self._columns = file, table.columns
        # Rows that were merged away may have other fields.
        self._writer = csv.DictWriter(
            file, table.columns.names, delimiter=delimiter, extrasaction="ignore"
        )
        self._writer.writeheader()

    def write(self, result: BulkResult) -> None:
        row = self._columns.row(result)
        self._writer.writerow({name: cell(value) for name, value in row.items()})
        self._file.flush()


def _header(cells: list[str], path: Path) -> list[str]:
    """The names of the columns. One that comes twice gets a number."""
    if not cells:
        raise BadSetting(f"{path.name} has no header", hint="name the columns in line 1")
    names: list[str] = []
    for name in cells:
        names.append(unused(name, {*names}))
    return names


def _row(header: list[str], cells: list[str], line: int) -> Row | BadRow:
    """A row. What a short one lacks is no field of it."""
    row = dict(zip(header, cells, strict=False))
    longest = max(map(len, cells))
    if len(cells) > len(header):
        return BadRow(BadRequest(f"line {line} has more columns than the header"), row)
    if longest > MAX_FIELD:
        problem = f"line {line} has a field of {longest:,} characters; {MAX_FIELD:,} are the most"
        return BadRow(BadRequest(problem), row)
    return row
