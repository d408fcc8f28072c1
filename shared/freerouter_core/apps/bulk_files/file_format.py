"""`Format`: what all formats of files can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...client.bulk.result import BulkResult
from ...errors import BadRequest
from .columns import Columns

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be asked. `fields`: what it has nevertheless."""

    problem: BadRequest
    fields: Row


Kept = Callable[[Row | BadRow], Row]
"""What a job keeps of a row, to repeat it beside the answer."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a file has.

    Attributes:
        rows: how many.
        names: the fields that are kept of any of them.
        types: Arrow's schema; None: the format states none.
    """

    rows: int
    names: tuple[str, ...]
    types: Any = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is known of results before the first is written.

    Attributes:
        columns: the names of their fields.
        rows: all rows that are kept, from the first, as often as it is called.
        types: Arrow's schema of the input; None: it states none.
    """

    columns: Columns
    rows: Callable[[], Iterable[Row]]
    types: Any = None


class Writer(Protocol):
    """Writes results to a file, each as it comes."""

    def write(self, result: BulkResult) -> None: ...


class Format(Protocol):
    """A format of files."""

    def rows(self, path: Path) -> Iterator[Row | BadRow]:
        """The rows of a file, read as they are asked for."""

    def placed(self, path: Path) -> Iterator[tuple[str, Row | BadRow]]:
        """The same, each with where it stands, as people count: "line 3"."""

    def look(self, path: Path, kept: Kept) -> Contents:
        """Read the file once, and tell what it has."""

    def writer(self, path: Path | None, table: Table) -> AbstractContextManager[Writer]:
        """Writes a new file; None: standard output."""
