"""Parquet, with pyarrow. Columns of the input keep their types."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import time
from pathlib import Path
from typing import Any

from ...client.bulk.result import BulkResult
from ...errors import BadSetting, MissingExtra
from .columns import Columns
from .file_format import Contents, Kept, Row, Table, Writer

GROUP = 1_000
"""Rows that are read, and written, at once."""
_INTEGERS = range(-(2**63), 2**63)


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
            schema = self._readable(file.schema_arrow)
            for batch in file.iter_batches(GROUP):
                table = self._arrow.Table.from_batches([batch])
                yield from table.cast(schema).to_pylist()

    def placed(self, path: Path) -> Iterator[tuple[str, Row]]:
        return ((f"row {number}", row) for number, row in enumerate(self.rows(path), 1))

    def look(self, path: Path, kept: Kept) -> Contents:
        with self._open(path) as file:
            types = file.schema_arrow
            return Contents(rows=file.metadata.num_rows, names=tuple(types.names), types=types)

    def _readable(self, schema: Any) -> Any:
        """The schema with types that Python has objects for."""
        types, text, number = self._arrow.types, self._arrow.string(), self._arrow.int64()
        for place, field in enumerate(schema):
            if types.is_duration(field.type):
                schema = schema.set(place, field.with_type(number))
            elif types.is_temporal(field.type) and getattr(field.type, "unit", "") == "ns":
                schema = schema.set(place, field.with_type(text))
        return schema

    def _open(self, path: Path) -> Any:
        try:
            return self._arrow.parquet.ParquetFile(path)
        except self._arrow.ArrowInvalid as error:
            raise BadSetting(f"{path.name} is no Parquet file: {error}") from None

    @contextmanager
    def writer(self, path: Path | None, table: Table) -> Iterator[Writer]:
        if path is None:
            raise BadSetting("Parquet cannot be written to a terminal", hint="name a file with -o")
        schema = self._schema(table)
        with self._arrow.parquet.ParquetWriter(path, schema) as file:
            groups = _Groups(self._arrow, file, schema, table.columns)
            try:
                yield groups
            finally:
                groups.write_group()

    def _schema(self, table: Table) -> Any:
        """The columns of results: with the input's types, or with those that hold every value."""
        known = {} if table.types is None else {field.name: field for field in table.types}
        names = [name for name in table.columns.given if name not in known]
        kinds = _kinds(table.rows(), names) if names else {}
        made = {bool: self._arrow.bool_(), int: self._arrow.int64(), float: self._arrow.float64()}
        fields = [
            known[name]
            if name in known
            else self._arrow.field(name, made.get(kinds.get(name, str), self._arrow.string()))
            for name in table.columns.given
        ]
        own = [self._arrow.field(name, self._arrow.string()) for name in table.columns.own]
        return self._arrow.schema([*fields, *own])


class _Groups:
    """Writes rows by the group. Restores what their job kept of them as JSON."""

    def __init__(self, arrow: Any, file: Any, schema: Any, columns: Columns) -> None:
        self._arrow, self._file, self._schema, self._columns = arrow, file, schema, columns
        self._rows: list[Row] = []

    def write(self, result: BulkResult) -> None:
        self._rows.append(self._columns.row(result))
        if len(self._rows) >= GROUP:
            self.write_group()

    def write_group(self) -> None:
        """Write the rows that have come since the last group."""
        rows, self._rows = self._rows, []
        if rows:
            arrays = [self._array(field, rows) for field in self._schema]
            self._file.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def _array(self, field: Any, rows: list[Row]) -> Any:
        try:
            values = [self._restored(row.get(field.name), field.type) for row in rows]
            return self._arrow.array(values, type=field.type)
        except (self._arrow.ArrowException, ValueError, TypeError, AttributeError) as error:
            raise BadSetting(
                f"the column {field.name!r} has other types than when its job began: {error}",
                hint="write another format: freerouter bulk export JOB -o answers.jsonl",
            ) from None

    def _restored(self, value: Any, kind: Any) -> Any:
        """The value of that type of which a job kept `value`."""
        types = self._arrow.types
        if value is None:
            return None
        if types.is_string(kind) or types.is_large_string(kind):
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if types.is_timestamp(kind) or types.is_date(kind) or types.is_decimal(kind):
            return self._arrow.scalar(value).cast(kind)
        if types.is_time(kind):
            return time.fromisoformat(value)
        if types.is_floating(kind):
            return float(value)
        if types.is_dictionary(kind):
            return self._restored(value, kind.value_type)
        if types.is_map(kind):
            restored, of_key, of_item = self._restored, kind.key_type, kind.item_type
            return [(restored(key, of_key), restored(item, of_item)) for key, item in value]
        if types.is_struct(kind):
            return {part.name: self._restored(value.get(part.name), part.type) for part in kind}
        if types.is_nested(kind):
            return [self._restored(item, kind.value_type) for item in value]
        if "binary" in str(kind):  # of any size
            return base64.b64decode(value)
        return value


def _kinds(rows: Iterable[Row], names: list[str]) -> dict[str, type]:
    """The type that holds every value of a column: bool, int, float or str. Of no value: none."""
    kinds: dict[str, type] = {}
    for row in rows:
        for name in names:
            value = row.get(name)
            if value is None:
                continue
            kind = type(value)
            if kind not in (bool, int, float) or (kind is int and value not in _INTEGERS):
                kind = str
            before = kinds.setdefault(name, kind)
            if kind is not before:
                kinds[name] = float if {kind, before} == {int, float} else str
    return kinds
