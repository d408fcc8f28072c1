"""`format_of` and `written_format`: which format a file has, and which one an output gets."""

from __future__ import annotations

from pathlib import Path

from ...errors import BadSetting
from .file_format import Format

NAMES = ("jsonl", "batch", "csv", "parquet")
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}
_ENDINGS |= {".ndjson": "jsonl", ".json": "jsonl"}


def format_name(path: Path, name: str | None = None) -> str:
    """The name of an input's format: this one, else by the file's ending. JSON lines are a batch
    if they begin as one. Raises `BadSetting` for an ending that is not known."""
    name = name or _ENDINGS.get(path.suffix.lower())
    if name is None:
        raise BadSetting(
            f"{path.name} has no known ending", hint=f"say what it is: --format {'|'.join(NAMES)}"
        )
    from .jsonl import Batch, check_is_file

    check_is_file(path)
    return "batch" if name == "jsonl" and Batch.begins(path) else name


def format_of(path: Path, name: str | None = None) -> Format:
    """The format of an input; see `format_name`.

    Raises:
        BadSetting: it is not known.
        MissingExtra: it needs pyarrow, which is not installed.
    """
    return _made(format_name(path, name), path)


def written_format(path: Path | None, read: Format, name: str | None = None) -> Format:
    """The format of an output: the one of that name, else by its ending, else the input's. JSON
    lines of a batch are one, too.

    Raises:
        MissingExtra: it needs pyarrow, which is not installed.
    """
    from .jsonl import Jsonl

    ending = None if path is None else _ENDINGS.get(path.suffix.lower())
    if name is None and (ending is None or (ending == "jsonl" and isinstance(read, Jsonl))):
        return read
    return _made(name or ending or "", path)


def check_written(path: Path, name: str | None = None, *, read_too: bool = False) -> None:
    """Check that an output's name says its format, or nothing: then it has the input's. Raises
    `BadSetting` for an ending of no known format, where no format is named. `read_too`: the
    name is that of the input's format, too."""
    ending = path.suffix.lower()
    if name is None and ending and ending not in _ENDINGS:
        known = ", ".join(sorted(_ENDINGS))
        what = "what it and the input are" if read_too else "what it is"
        raise BadSetting(
            f"{path.name} has no known ending: {ending} cannot be written",
            hint=f"name a file with one of {known}, or say {what}: --format {'|'.join(NAMES)}",
        )


def _made(name: str, path: Path | None) -> Format:
    if name == "csv":
        from .csv_file import Csv

        return Csv("\t" if path is not None and path.suffix.lower() == ".tsv" else ",")
    if name == "parquet":
        from .parquet import Parquet

        return Parquet()
    from .jsonl import Batch, Jsonl

    return Batch() if name == "batch" else Jsonl()
