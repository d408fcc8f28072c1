"""`format_of`: which format a file has."""

from __future__ import annotations

from pathlib import Path

from ...errors import BadSetting
from .file_format import Format

NAMES = ("jsonl", "batch", "csv", "parquet")
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}
_ENDINGS |= {".ndjson": "jsonl", ".json": "jsonl"}


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
