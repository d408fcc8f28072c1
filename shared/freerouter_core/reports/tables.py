"""Tables: HTML in a notebook, rich in a terminal, plain text elsewhere.

Reports inherit `Tabled`, or `Drawn` if they are also a drawing.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from .bars import Bars
from .cells import Cell, cell_of
from .tones import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console, ConsoleOptions
    from rich.table import Table as RichTable
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Attributes:
        columns: the columns' names.
        rows: one text or `Cell` for each column.
        right: the columns that are aligned to the right, such as numbers.
        foot: a line below the rows.
        spare: columns to leave out in a narrow terminal, in this order. Those that tell nothing
            go first.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    right: Sequence[str] = ()
    foot: str = ""
    spare: Sequence[str] = ()

    def __str__(self) -> str:
        texts = [
            list(self.columns),
            *([cell_of(cell).text for cell in row] for row in self.rows),
        ]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [
            "  ".join(
                text.rjust(width) if name in self.right else text.ljust(width)
                for text, width, name in zip(row, widths, self.columns, strict=True)
            ).rstrip()
            for row in texts
        ]
        return "\n".join([*lines, self.foot] if self.foot else lines)

    def html(self) -> str:
        """An HTML table. Every text is escaped."""
        head = "".join(self._html_cell(Cell(name), name, "th") for name in self.columns)
        body = "".join(f"<tr>{self._html_row(row)}</tr>" for row in self.rows)
        foot = f"<p>{html.escape(self.foot)}</p>" if self.foot else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"

    def rich(self) -> RichTable:
        """A table for `rich.print`, without lines and foot. Columns are as wide as their cells."""
        from .terminal import rich_table

        return rich_table(self)

    def fitted(self, width: int) -> Table:
        """This table with as many columns of `spare` left out as it takes to fit into `width`
        characters. Columns that tell nothing go first. Texts with spaces may be folded."""
        from .terminal import Layout

        kept = Layout.fitted(self, width).kept
        if len(kept) == len(self.columns):
            return self
        columns = [self.columns[n] for n in kept]
        rows = [[row[n] for n in kept] for row in self.rows]
        return replace(self, columns=columns, rows=rows)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RichTable | Text]:
        from .terminal import shown

        yield from shown(self, options.max_width)

    def _html_row(self, row: Sequence[Cell | str]) -> str:
        cells = zip(row, self.columns, strict=True)
        return "".join(self._html_cell(cell_of(cell), name) for cell, name in cells)

    def _html_cell(self, cell: Cell, name: str, tag: str = "td") -> str:
        colour = f";color:{COLOURS[cell.tone]}" if cell.tone else ""
        side = "right" if name in self.right else "left"
        return f'<{tag} style="text-align:{side}{colour}">{html.escape(cell.text)}</{tag}>'


class _Printer(Protocol):
    """IPython's pretty printer."""

    def text(self, text: str, /) -> object: ...


class Tabled(ABC):
    """A report that shows itself as a table. A subclass of `list` names it before `list`."""

    @abstractmethod
    def table(self) -> Table:
        """The report as a table."""

    def _repr_html_(self) -> str:
        return self.table().html()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # Without this, IPython shows the whole of a dataclass beside the table.
        table = self.table()
        return {"text/plain": str(table), "text/html": table.html()}

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        # IPython prefers its own printer of lists to the bundle, but this method to both.
        printer.text(str(self.table()))

    def __rich__(self) -> Table:
        return self.table()


class Drawn(Tabled):
    """A report that is also a drawing."""

    @abstractmethod
    def bars(self) -> Bars:
        """The drawing as data."""

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the report on `axes`, by default on new ones. Returns the axes.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        from .plots import plot

        return plot(self.bars(), axes)


def format_seconds(seconds: float | None) -> str:
    """For example "1.5 s", or "-" for None."""
    return "-" if seconds is None else f"{seconds:.1f} s"


def format_share(share: float | None) -> str:
    """A share of 1 in percent, or "-" for None."""
    return "-" if share is None else f"{share:.0%}"
