"""Tables: HTML in a notebook, rich in a terminal, plain text elsewhere.

Reports inherit `Tabled`, or `Drawn` if they are also a drawing.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from .bars import Bars
from .tones import COLOURS, Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console, ConsoleOptions
    from rich.table import Table as RichTable

MAX_COLUMN_WIDTH = 22
"""Characters of a cell that stay on one line. Longer cells may be folded to make a table fit."""
_STYLES: dict[Tone, str] = {"good": "green", "wait": "yellow", "bad": "red", "dim": "dim"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a tone: "good", "wait", "bad", "dim", or "" for neutral."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Attributes:
        columns: the columns' names.
        rows: one text or `Cell` for each column.
        right: the columns that are aligned to the right, such as numbers.
        foot: a line below the rows.
        spare: columns to leave out in a narrow terminal, in this order.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    right: Sequence[str] = ()
    foot: str = ""
    spare: Sequence[str] = ()

    def __str__(self) -> str:
        texts = [
            list(self.columns),
            *([_cell(cell).text for cell in row] for row in self.rows),
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
        """A table for `rich.print`, without lines. Long cells are folded."""
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(
            box=None,
            pad_edge=False,
            header_style="bold",
            caption=self.foot or None,
            caption_justify="left",
        )
        for name in self.columns:
            justify: Literal["left", "right"] = "right" if name in self.right else "left"
            table.add_column(name, justify=justify, overflow="fold")
        for row in self.rows:
            cells = map(_cell, row)
            table.add_row(*(Text(cell.text, _STYLES.get(cell.tone, "")) for cell in cells))
        return table

    def fitted(self, width: int) -> Table:
        """This table with as many columns of `spare` left out as it takes to fit into `width`
        characters. Cells count as `MAX_COLUMN_WIDTH` wide at most, as longer ones can be folded."""
        kept, spare = list(range(len(self.columns))), list(self.spare)
        widths = [
            max([len(name), *(min(len(_cell(row[n]).text), MAX_COLUMN_WIDTH) for row in self.rows)])
            for n, name in enumerate(self.columns)
        ]
        while spare and sum(widths[n] + 2 for n in kept) - 2 > width:
            kept.remove(self.columns.index(spare.pop(0)))
        if len(kept) == len(self.columns):
            return self
        return replace(
            self,
            columns=tuple(self.columns[n] for n in kept),
            rows=tuple(tuple(row[n] for n in kept) for row in self.rows),
            spare=tuple(spare),
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RichTable]:
        yield self.fitted(options.max_width).rich()

    def _html_row(self, row: Sequence[Cell | str]) -> str:
        cells = zip(row, self.columns, strict=True)
        return "".join(self._html_cell(_cell(cell), name) for cell, name in cells)

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


def _cell(cell: Cell | str) -> Cell:
    """A cell without control characters: a model's name must not command a terminal."""
    if isinstance(cell, str):
        cell = Cell(cell)
    if cell.text.isprintable():
        return cell
    return replace(cell, text="".join(letter for letter in cell.text if letter.isprintable()))
