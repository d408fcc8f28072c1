"""`Format`: what all formats of files can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from ...client.bulk.result import BulkResult

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
