"""Reports as tables: HTML in a notebook, rich in a terminal, plain text elsewhere. `Tabled` is what a report inherits."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from ..catalogue.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table as RichTable

COLOURS = {"good": "#1a7f4b", "wait": "#b06f00", "bad": "#c0362c", "dim": "#808893"}
FOLDED = 22
"""Letters of a cell, or more, that may fold onto a next line."""
_STYLES = {"good": "green", "wait": "yellow", "bad": "red", "dim": "dim"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and what it says of the matter: "good", "wait", "bad", "dim", or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, those that are numbers (`right`), rows, and a line below. `spare`: columns that a narrow terminal does without, the first of
    them first."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    right: tuple[str, ...] = ()
    foot: str = ""
    spare: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.columns, *(tuple(_cell(cell).text for cell in row) for row in self.rows)]
        widths = [max(len(line[n]) for line in lines) for n in range(len(self.columns))]
        told = [
            "  ".join(
                text.rjust(width) if name in self.right else text.ljust(width)
                for text, width, name in zip(line, widths, self.columns, strict=True)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([*told, self.foot] if self.foot else told)

    def html(self) -> str:
        """For notebooks; every text is escaped."""
        heads = "".join(self._td(Cell(name), name, "th") for name in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                self._td(_cell(cell), name) for cell, name in zip(row, self.columns, strict=True)
            )
            + "</tr>"
            for row in self.rows
        )
        foot = f"<p>{html.escape(self.foot)}</p>" if self.foot else ""
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{foot}"

    def rich(self) -> RichTable:
        """For `rich.print`: without lines; long cells fold."""
        from rich.table import Table as RichTable
        from rich.text import Text

        made = RichTable(
            box=None,
            pad_edge=False,
            header_style="bold",
            caption=self.foot or None,
            caption_justify="left",
        )
        for name in self.columns:
            made.add_column(
                name, justify="right" if name in self.right else "left", overflow="fold"
            )
        for row in self.rows:
            made.add_row(*(Text(c.text, _STYLES.get(c.tone, "")) for c in map(_cell, row)))
        return made

    def fitted(self, width: int) -> Table:
        """Without as many spare columns as it takes to fit; a cell may fold once it is longer than a name usually is."""
        kept, spare = list(range(len(self.columns))), list(self.spare)
        room = [
            max([len(name), *(min(len(_cell(row[n]).text), FOLDED) for row in self.rows)])
            for n, name in enumerate(self.columns)
        ]
        while spare and sum(room[n] + 2 for n in kept) - 2 > width:
            kept.remove(self.columns.index(spare.pop(0)))
        rows = tuple(tuple(row[n] for n in kept) for row in self.rows)
        return replace(
            self, columns=tuple(self.columns[n] for n in kept), rows=rows, spare=tuple(spare)
        )

    def __rich_console__(self, console: Any, options: Any) -> Iterator[RichTable]:
        yield self.fitted(options.max_width).rich()

    def _td(self, cell: Cell, name: str, tag: str = "td") -> str:
        colour = f";color:{COLOURS[cell.tone]}" if cell.tone else ""
        side = "right" if name in self.right else "left"
        return f'<{tag} style="text-align:{side}{colour}">{html.escape(cell.text)}</{tag}>'


class Tabled(ABC):
    """What shows itself as a table."""

    @abstractmethod
    def table(self) -> Table: ...

    def _repr_html_(self) -> str:
        return self.table().html()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # IPython would show the whole of a dataclass beside the table
        table = self.table()
        return {"text/plain": str(table), "text/html": table.html()}

    def __rich__(self) -> Table:
        return self.table()


class Drawn(Tabled):
    """What draws itself, too."""

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw it, on `axes` where given. Raises `MissingExtra` without matplotlib."""
        from .plots import plot

        return plot(self, axes)


class Models(list[Model], Drawn):
    """A list of models that shows itself as a table, and draws itself."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self.table()))  # IPython knows how to print a list, and would

    @overload
    def __getitem__(self, place: SupportsIndex) -> Model: ...
    @overload
    def __getitem__(self, place: slice) -> Models: ...
    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return Models(found) if isinstance(place, slice) else found

    def table(self) -> Table:
        paid = any(not model.free for model in self)
        columns = (
            "model",
            "provider",
            "context",
            "can",
            *(("USD a million tokens",) if paid else ()),
        )
        rows = tuple(
            (
                model.id,
                model.provider,
                f"{model.context:,}",
                abilities(model),
                *((_price(model),) if paid else ()),
            )
            for model in self
        )
        return Table(
            columns, rows, ("context",), f"{len(self)} models", ("provider", "can", "context")
        )


def abilities(model: Model) -> str:
    """What a model can do besides text, in words."""
    return " ".join(word for word in model.capabilities if word != "text") or "text"


def seconds_words(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def share_words(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def tuples(rows: Iterable[Sequence[Cell | str]]) -> tuple[tuple[Cell | str, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _cell(cell: Cell | str) -> Cell:
    made = cell if isinstance(cell, Cell) else Cell(cell)
    if made.text.isprintable():
        return made
    return replace(made, text="".join(letter for letter in made.text if letter.isprintable()))


def _price(model: Model) -> str:
    if model.free:
        return "free"
    return f"{model.prompt_price * 1e6:.2f} in, {model.completion_price * 1e6:.2f} out"
