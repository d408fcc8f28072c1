"""Parquet, with pyarrow. A result adds the columns "answer", "model" and "error"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...client.bulk.result import BulkResult
from ...errors import BadSetting, MissingExtra
from .file_format import Row, Writer
from .table_rows import ANSWER, answered

GROUP = 1_000
"""Rows that are read, and written, at once."""


class Parquet:
    """A Parquet file. It can be read once it is whole: results are in it when the job pauses."""

    def __init__(self) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtra(
                "Parquet needs pyarrow, which is not installed",
                hint="pip install 'freerouter-llm[parquet]'",
            ) from error
        self._arrow: Any = pyarrow

    def rows(self, path: Path) -> Iterator[Row]:
        with self._open(path) as file:
            for batch in file.iter_batches(GROUP):
                yield from batch.to_pylist()

    def count(self, path: Path) -> int | None:
        with self._open(path) as file:
            return int(file.metadata.num_rows)

    def _open(self, path: Path) -> Any:
        try:
            return self._arrow.parquet.ParquetFile(path)
        except self._arrow.ArrowInvalid as error:
            raise BadSetting(f"{path.name} is no Parquet file: {error}") from None

    @contextmanager
    def writer(self, path: Path | None) -> Iterator[Writer]:
        if path is None:
            raise BadSetting("Parquet cannot be written to a terminal", hint="name a file with -o")
        writer = _Groups(self._arrow, path)
        try:
            yield writer
        finally:
            writer.close()


class _Groups:
    def __init__(self, arrow: Any, path: Path) -> None:
        self._arrow, self._path = arrow, path
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def write(self, result: BulkResult) -> None:
        row = answered(result)
        if not isinstance(row["answer"], str) and row["answer"] is not None:
            row["answer"] = json.dumps(row["answer"], ensure_ascii=False)
        self._rows.append(row)
        if len(self._rows) >= GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what is left, and the file's end."""
        if self._rows or self._writer is None:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        rows, self._rows = self._rows, []
        if self._writer is None:
            schema = self._arrow.Table.from_pylist(rows).schema if rows else self._arrow.schema([])
            fields = {field.name: field for field in schema}
            fields |= {name: self._arrow.field(name, self._arrow.string()) for name in ANSWER}
            self._schema = self._arrow.schema(list(fields.values()))
            self._writer = self._arrow.parquet.ParquetWriter(self._path, self._schema)
        self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))
