"""What is learnt from refusals, at which scope, until when."""

from __future__ import annotations

from ..row import Row

ROWS: tuple[Row, ...] = ()
