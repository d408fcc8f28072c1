"""Histories and messages that not every model takes."""

from __future__ import annotations

from ..row import Row

ROWS: tuple[Row, ...] = ()
