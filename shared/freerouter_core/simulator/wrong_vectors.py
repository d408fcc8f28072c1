"""Ways in which the vectors of an answer are wrong, by the name of a fault."""

from __future__ import annotations

import math
from collections.abc import Callable

from .response import Json

Change = Callable[[list[Json]], list[Json]]


def _other_numbers(row: Json, numbers: list[float]) -> Json:
    return row | {"embedding": numbers}


CHANGES: dict[str, Change] = {
    "vectors-short": lambda rows: rows[:-1],
    "vectors-long": lambda rows: [*rows, {**rows[-1], "index": len(rows)}],
    "vectors-unordered": lambda rows: [row | {"index": 0} for row in rows],
    "vectors-reversed": lambda rows: [
        row | {"embedding": other["embedding"]}
        for row, other in zip(rows, reversed(rows), strict=True)
    ],
    "vectors-nan": lambda rows: [
        *rows[:-1], _other_numbers(rows[-1], [math.nan] * len(rows[-1]["embedding"]))
    ],
    "vectors-zero": lambda rows: [
        *rows[:-1], _other_numbers(rows[-1], [0.0] * len(rows[-1]["embedding"]))
    ],
    "vectors-dimension": lambda rows: [
        _other_numbers(row, row["embedding"][: len(row["embedding"]) // 2]) for row in rows
    ],
    "vectors-half": lambda rows: [
        row if n < (len(rows) + 1) // 2 else row | {"embedding": None}
        for n, row in enumerate(rows)
    ],
    "vectors-other": lambda rows: [
        _other_numbers(row, row["embedding"][7:] + row["embedding"][:7]) for row in rows
    ],
}  # fmt: skip
"""By the name of a fault: what it makes of the rows of a good answer, whose vectors are lists."""
