"""Models that are asked for by name."""

from __future__ import annotations

from ..row import Row

ROWS: tuple[Row, ...] = ()
