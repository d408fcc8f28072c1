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
from .jsonl import opened, opened_text

MAX_FIELD = 10_000_000
"""Characters of a field: more than a model reads. A row with a longer one fails."""
LIMIT = 20 * MAX_FIELD
"""Characters of a field at which reading ends: a quote was not closed."""


class Csv:
    """A table whose columns are separated by `delimiter`."""

    def __init__(self, delimiter: str = ",") -> None:
        self._delimiter = delimiter

    def rows(self, path: Path) -> Iterator[Row | BadRow]:
        return (row for _, row in self.placed(path))

    def placed(self, path: Path) -> Iterator[tuple[str, Row | BadRow]]:
        lines = self._lines(path)
        header = _header(lines, path)
        for line, cells in lines:
            yield f"line {line}", _row(header, cells, line)

    def look(self, path: Path, kept: Kept) -> Contents:
        lines = self._lines(path)
        names = tuple(_header(lines, path))
        return Contents(rows=sum(1 for _ in lines), names=names)

    def _lines(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """(the number of the first line, the cells) of what is not empty."""
        csv.field_size_limit(LIMIT)
        ended: list[bool] = []
        with opened_text(path, newline="") as file:
            reader = csv.reader(_until(ended, file), delimiter=self._delimiter)
            before = 0
            try:
                for cells in reader:
                    if ended:  # a line that is whole is told before more are asked for
                        raise csv.Error("a quote is not closed, there or below")
                    if cells:
                        yield before + 1, cells
                    before = reader.line_num
            except csv.Error as error:
                raise BadSetting(
                    f"{path.name}, line {before + 1}: {error}", hint="mend the line"
                ) from None

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


def _until(ended: list[bool], file: TextIO) -> Iterator[str]:
    """The lines of a file. `ended` gets an item after the last."""
    yield from file
    ended.append(True)


def _header(lines: Iterator[tuple[int, list[str]]], path: Path) -> list[str]:
    """The names of the columns. One that comes twice gets a number."""
    _, cells = next(lines, (0, []))
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
