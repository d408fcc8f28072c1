"""Which format a file has, and what all formats can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from ...client.bulk.result import BulkResult
from ...errors import BadSetting

NAMES = ("jsonl", "batch", "csv", "parquet")
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}
_ENDINGS |= {".ndjson": "jsonl", ".json": "jsonl"}
Row = Mapping[str, Any]


class Writer(Protocol):
    """Writes results to a file, each as it comes."""

    def write(self, result: BulkResult) -> None: ...


class Format(Protocol):
    """A format of files."""

    def rows(self, path: Path) -> Iterator[Row]:
        """The rows of a file, read as they are asked for. A line that is none has a "problem"."""

    def count(self, path: Path) -> int | None:
        """How many rows there are. None: it takes too long to tell."""

    def writer(self, path: Path | None) -> AbstractContextManager[Writer]:
        """Writes a new file; None: standard output."""


def format_of(path: Path, name: str | None = None) -> Format:
    """The format of a file: the one of that name, else by the file's ending and beginning.

    Raises:
        BadSetting: it is not known.
        MissingExtra: it needs pyarrow, which is not installed.
    """
    name = name or _ENDINGS.get(path.suffix.lower())
    if name is None:
        raise BadSetting(
            f"{path.name} has no known ending", hint=f"say what it is: --format {'|'.join(NAMES)}"
        )
    if name == "csv":
        from .csv_file import Csv

        return Csv("\t" if path.suffix.lower() == ".tsv" else ",")
    if name == "parquet":
        from .parquet import Parquet

        return Parquet()
    from .jsonl import Batch, Jsonl

    return Batch() if name == "batch" or Batch.begins(path) else Jsonl()
