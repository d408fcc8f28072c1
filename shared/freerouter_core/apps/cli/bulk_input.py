"""`BulkInput`: the file that a job of the command reads, and how its rows are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from ...client.bulk.rows import BulkRequest, Place
from ..bulk_files.columns import Columns
from ..bulk_files.file_format import Contents, Row, Table
from ..bulk_files.formats import format_of
from ..bulk_files.table_rows import Prompting, as_kept


class BulkInput:
    """The input of a job with these settings. Raises `BadSetting` for one of no known format."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.path = Path(settings["input"])
        self.format = format_of(self.path, settings["input_format"] or None)
        self._prompting = Prompting(
            prompt=settings["prompt"] or None,
            system=settings["system"] or None,
            id=settings["id"] or None,
            model=settings["model"] or None,
        )

    @cached_property
    def contents(self) -> Contents:
        """What the file has. It is read once."""
        return self.format.look(self.path, self._prompting.kept)

    def requests(self) -> Iterator[BulkRequest]:
        """The rows as a job takes them."""
        name = self.path.name
        for place, row in self.format.placed(self.path):
            yield {**self._prompting.request(row), "place": Place(f"{place} of {name}")}

    @cached_property
    def table(self) -> Table:
        """What results will be like."""
        contents = self.contents
        columns = Columns.beside(contents.names)
        return Table(columns=columns, rows=self._kept, types=contents.types)

    def _kept(self) -> Iterator[Row]:
        return (as_kept(self._prompting.kept(row)) for row in self.format.rows(self.path))
