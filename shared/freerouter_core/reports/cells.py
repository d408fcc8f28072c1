"""`Cell`: a text of a table, and its tone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .tones import Tone


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a tone: "good", "wait", "bad", "dim", or "" for neutral."""

    text: str
    tone: Tone = ""


def cell_of(cell: Cell | str) -> Cell:
    """A cell without control characters: a model's name must not command a terminal."""
    if isinstance(cell, str):
        cell = Cell(cell)
    if cell.text.isprintable():
        return cell
    return replace(cell, text="".join(letter for letter in cell.text if letter.isprintable()))
