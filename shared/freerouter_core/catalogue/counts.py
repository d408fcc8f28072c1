"""`count_words`: a number with its noun: "1 model", "2 models"."""

from __future__ import annotations


def count_words(number: int, one: str, many: str = "") -> str:
    """A count for a sentence. `many`: the plural, where it is not the singular and an "s"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
