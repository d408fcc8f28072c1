"""The table of wire situations, by topic."""

from __future__ import annotations

from ..row import Row
from . import gateways, lessons, messages, names, streams, structured, verdicts

ROWS: tuple[Row, ...] = (
    *verdicts.ROWS,
    *lessons.ROWS,
    *streams.ROWS,
    *messages.ROWS,
    *structured.ROWS,
    *names.ROWS,
    *gateways.ROWS,
)
