"""Tables in a terminal: what is cut, folded and left out where there is little room.

A model's id is never folded, because people copy it. So a narrow terminal shows fewer columns. One
that is too narrow for columns shows what folds below the rest.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from rich.table import Table as RichTable
from rich.text import Text

from .cells import Cell, cell_of
from .tones import Tone

FOLDED_WIDTH = 22
"""Characters of a text with spaces that stay on one line, if there is room for no more."""
GAP = 2
"""Spaces between columns."""
_NOTHING = frozenset({"", "-", "0"})
"""Cells that tell nothing. A column of nothing else gives way first."""
_STYLES: dict[Tone, str] = {"good": "green", "wait": "yellow", "bad": "red", "dim": "dim"}


class Table(Protocol):
    """What is shown; `tables.Table` says more."""

    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def rows(self) -> Sequence[Sequence[Cell | str]]: ...
    @property
    def right(self) -> Sequence[str]: ...
    @property
    def foot(self) -> str: ...
    @property
    def spare(self) -> Sequence[str]: ...


def shown(table: Table, width: int) -> Iterator[RichTable | Text]:
    """A table as a terminal of `width` characters shows it, and its foot."""
    layout = Layout.fitted(table, width)
    if layout.width > width:
        yield from _stacked(layout, width)
    else:
        yield _rich_table(layout)
    if table.foot:
        yield Text(table.foot, "dim italic")


def rich_table(table: Table) -> RichTable:
    """A table whose columns are as wide as their cells."""
    return _rich_table(Layout(table, range(len(table.columns))))


def _rich_table(layout: Layout) -> RichTable:
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for column in layout.columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(
            column.name,
            justify=justify,
            width=column.width,
            no_wrap=not column.folds,
            overflow="fold",
        )
    for row in zip(*(column.cells for column in layout.columns), strict=True):
        table.add_row(*map(_styled, row))
    return table


def _stacked(layout: Layout, width: int) -> Iterator[Text]:
    indent = " " * GAP
    whole = [column for column in layout.columns if not column.folds]
    folding = [column for column in layout.columns if column.folds]
    for n in range(len(layout.columns[0].cells)):
        yield Text(indent).join(_styled(c.cells[n]) for c in whole if c.cells[n].text)
        for column in folding:
            cell = column.cells[n]
            lines = textwrap.wrap(
                cell.text, max(width, 20), initial_indent=indent, subsequent_indent=indent
            )
            yield from (_styled(replace(cell, text=line)) for line in lines)


class _Column:
    """A column: its cells, and the characters that it needs.

    `full`: for its longest text. `word`: for its longest word. `least`: to be readable.
    """

    def __init__(self, table: Table, place: int) -> None:
        self.name = table.columns[place]
        self.right = self.name in table.right
        self.cells = [cell_of(row[place]) for row in table.rows]
        texts = [cell.text for cell in self.cells]
        self.folds = not self.right and any(" " in text for text in texts)
        """Numbers and names are kept whole."""
        self.idle = set(texts) <= _NOTHING
        self.full = max(map(len, (self.name, *texts)))
        words = (word for text in (self.name, *texts) for word in text.split())
        self.word = max(map(len, words), default=0)
        self.least = max(min(self.full, FOLDED_WIDTH), self.word) if self.folds else self.full
        self.width = self.full


class Layout:
    """How wide the columns of a table are.

    Args:
        table: the table.
        kept: the places of the columns that are shown.
        width: characters that there are. None: as many as it takes.
    """

    def __init__(self, table: Table, kept: Sequence[int], width: int | None = None) -> None:
        self.kept = kept
        self.columns = [_Column(table, place) for place in kept]
        if width is not None:
            self._spread(width)

    @classmethod
    def fitted(cls, table: Table, width: int) -> Layout:
        """A layout without as many of the table's spare columns as it takes to fit."""
        names = list(table.columns)
        kept = list(range(len(names)))
        columns = {name: _Column(table, place) for place, name in enumerate(names)}
        for name in sorted(table.spare, key=lambda name: not columns[name].idle):
            if _sum(columns[names[place]].least for place in kept) <= width:
                break
            kept.remove(names.index(name))
        return cls(table, kept, width)

    @property
    def width(self) -> int:
        """Characters of a line."""
        return _sum(column.width for column in self.columns)

    def _spread(self, width: int) -> None:
        """What is left goes to the columns that fold, first to those that need the least. What is
        missing is taken from them, as long as no word is cut."""
        left = width - _sum(column.least for column in self.columns)
        for column in sorted(self.columns, key=lambda column: column.full - column.least):
            if column.folds:
                change = min(max(left, column.word - column.least), column.full - column.least)
                column.width = column.least + change
                left -= change


def _sum(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + GAP * (len(widths) - 1)


def _styled(cell: Cell) -> Text:
    return Text(cell.text, _STYLES.get(cell.tone, ""))
