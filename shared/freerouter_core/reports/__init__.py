"""What a router tells about itself, as data that prints well."""

from .data import (
    Candidacy,
    CostEstimate,
    Explanation,
    HealthReport,
    Performance,
    PerformanceReport,
    QuotaLine,
    QuotaReport,
    Recommendations,
    Stats,
)
from .sessions import SessionStats
from .tables import Cell, Drawn, Models, Table, Tabled

__all__ = [
    "Candidacy",
    "Cell",
    "CostEstimate",
    "Drawn",
    "Explanation",
    "HealthReport",
    "Models",
    "Performance",
    "PerformanceReport",
    "QuotaLine",
    "QuotaReport",
    "Recommendations",
    "SessionStats",
    "Stats",
    "Table",
    "Tabled",
]
