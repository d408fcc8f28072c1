"""Lanes: interactive requests go before background ones.

In every line a request stands at its `Place`: all interactive ones first, each lane in order of
arrival.
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where a request stands in every line. The smaller place is served first."""

    background: bool
    number: int
    """The request's place in the order of arrival."""
